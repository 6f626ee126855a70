/// Has the newest tree head stamped by a time-stamping authority (RFC 3161) every so often, on a thread of its own:
/// then somebody who is neither the operator nor a witness says when the log was at least so long.
///
///     DIR/timestamp/700         the signed tree head of 700 leaves: what was stamped
///     DIR/timestamp/700.tsr     the authority's answer, as `openssl ts -verify -data 700 -in 700.tsr` takes it
///     DIR/timestamp/newest      "700"
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "audit/log_source.h"
#include "audit/outside_thread.h"
#include "audit/publisher.h"

namespace sb::audit {

struct TimestampOptions {
  std::optional<http::Url> url;               ///< of the authority; nothing: no stamps
  std::chrono::seconds interval{3'600};       ///< between two stamps
  std::chrono::milliseconds timeout{10'000};  ///< for its answer
  std::string ca_file;                        ///< PEM of its certificates; empty: the signature is left to verifiers
};

struct TimestampStats {
  std::uint64_t leaves = 0;  ///< under the tree head that was stamped last
  std::uint64_t failures = 0;
};

/// What a stamp lies under, below the log's prefix.
inline constexpr const char* kNewestTimestamp = "timestamp/newest";
std::string stamped_file(std::uint64_t size);
std::string timestamp_file(std::uint64_t size);
/// Whether `name` is one of these three.
bool is_timestamp_file(std::string_view name);
/// The size in kNewestTimestamp; nothing where there is no stamp. Errors: as LogSource::read(), corrupt.
Result<std::optional<std::uint64_t>> newest_timestamp(LogSource& log);

class Timestamps {
 public:
  /// `folder`: the published log. Borrows the publisher. REQUIRES a URL. Errors: permission_denied, disk_full.
  static Result<std::unique_ptr<Timestamps>> start(TimestampOptions options, const std::string& folder,
                                                   Publisher& publisher);
  TimestampStats stats() const;  ///< any thread

 private:
  Timestamps(TimestampOptions options, TileFiles files, const std::string& folder, Publisher& publisher);
  Task<void> run();
  Task<Result<>> stamp(Publisher::Head head);

  const TimestampOptions options_;
  Publisher& publisher_;
  TileFiles files_;
  mutable std::mutex mutex_;
  TimestampStats stats_;  // under mutex_
  OutsideThread thread_;  // last: its work refers to all of the above
};

}  // namespace sb::audit
