/// Where a mirror lies: a folder, or a bucket of an S3 service. Calls block; one thread at a time but for interrupt().
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"

namespace sb::mirror {

constexpr std::size_t kMaxObjectBytes = std::size_t{1} << 30;

struct Object {
  std::string name;
  std::string bytes;
};

class Target {
 public:
  virtual ~Target() = default;
  /// Writes an object that must not be there yet, durably. Errors: already_exists, unavailable, permission_denied,
  /// disk_full.
  virtual Result<> put_new(const std::string& name, std::string_view bytes) = 0;
  /// Writes or replaces.
  virtual Result<> put(const std::string& name, std::string_view bytes) = 0;
  /// Errors: not_found, unavailable, permission_denied.
  virtual Result<std::string> get(const std::string& name) = 0;
  /// Names that begin with `prefix`, in their order; those up to `after` are left out.
  virtual Result<std::vector<std::string>> list(const std::string& prefix, const std::string& after = {}) = 0;
  /// As put() and get() of each, where one wait after the other would take long; of objects that cannot all be written
  /// some may be.
  virtual Result<> put_all(std::span<const Object> objects);
  virtual Result<std::vector<std::string>> get_all(std::span<const std::string> names);
  virtual Result<> remove(const std::string& name) = 0;
  /// Where the place keeps what was replaced or removed (a bucket with versions): that goes too, of this object.
  virtual Result<> forget(const std::string& name) = 0;
  /// Takes away what a writer left half written that was killed. REQUIRES that nobody else writes there.
  virtual Result<> clean_up() = 0;
  /// Calls under way and all that come end soon, with unavailable, where they would wait for somebody. Any thread.
  virtual void interrupt() {}
  virtual std::string name() const = 0;
};

/// How to reach a bucket. Secrets come from the environment or the configuration, never from the URL.
struct S3Access {
  std::string endpoint;  ///< http(s)://host[:port]; empty: AWS of the region
  std::string region = "us-east-1";
  std::string access_key;
  std::string secret_key;
  bool path_style = true;  ///< host/bucket/name instead of bucket.host/name
  std::size_t part_bytes = std::size_t{16}
                           << 20;  ///< larger objects are sent in parts of this size; S3 takes 5 MiB and more
  int retain_days = 0;             ///< Object Lock retention of segments (COMPLIANCE); 0: none asked for
};
/// As commands are told it: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL_S3,
/// SIGNALBOX_S3_VIRTUAL_HOST.
S3Access s3_access_from_environment();

/// forget(), and the log says where it did not work: that is no reason to stop, but somebody must see to it.
void forget_or_tell(Target& target, const std::string& name);

/// `url`: a folder, or s3://BUCKET[/PREFIX]. Errors: invalid_argument, permission_denied.
Result<std::unique_ptr<Target>> open_target(const std::string& url, const S3Access& access);

/// A mirror in the data directory is lost with it, and a data directory in a mirror has its keys there in clear.
/// Errors: invalid_argument (`url` is a folder, and one of the two lies in the other or is the same).
Result<> check_apart(const std::string& url, const std::string& data_folder);

}  // namespace sb::mirror
