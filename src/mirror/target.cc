#include "mirror/target.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "base/log.h"
#include "mirror/folder_target.h"
#include "mirror/s3_target.h"

namespace sb::mirror {

Result<> Target::put_all(std::span<const Object> objects) {
  for (const Object& object : objects) SB_CHECK(put(object.name, object.bytes));
  return {};
}

Result<std::vector<std::string>> Target::get_all(std::span<const std::string> names) {
  std::vector<std::string> all;
  for (const std::string& name : names) {
    SB_TRY(std::string bytes, get(name));
    all.push_back(std::move(bytes));
  }
  return all;
}

S3Access s3_access_from_environment() {
  const auto variable = [](const char* name, const char* otherwise) {
    const char* const value = std::getenv(name);
    return std::string(value ? value : otherwise);
  };
  S3Access access;
  access.endpoint = variable("AWS_ENDPOINT_URL_S3", "");
  access.region = variable("AWS_REGION", "us-east-1");
  access.access_key = variable("AWS_ACCESS_KEY_ID", "");
  access.secret_key = variable("AWS_SECRET_ACCESS_KEY", "");
  access.path_style = variable("SIGNALBOX_S3_VIRTUAL_HOST", "").empty();
  return access;
}

void forget_or_tell(Target& target, const std::string& name) {
  if (const auto done = target.forget(name); !done)
    log_error("mirror.versions_stay", {{"object", name}, {"detail", done.error().detail}});
}

Result<std::unique_ptr<Target>> open_target(const std::string& url, const S3Access& access) {
  constexpr std::string_view kS3 = "s3://";
  if (url.starts_with(kS3)) {
    const std::string place = url.substr(kS3.size());
    const auto slash = place.find('/');
    return open_s3_target(place.substr(0, slash), slash == std::string::npos ? "" : place.substr(slash + 1), access);
  }
  if (url.empty() || url.find("://") != std::string::npos)
    return fail(Errc::invalid_argument, "mirror: the place is a folder or s3://BUCKET[/PREFIX]");
  return open_folder_target(url);
}

Result<> check_apart(const std::string& url, const std::string& data_folder) {
  namespace fs = std::filesystem;
  if (url.find("://") != std::string::npos) return {};
  std::error_code error;
  // With a slash behind each, "/a/b/" begins with "/a/" and "/a/bc/" not with "/a/b/".
  const auto whole = [&](const std::string& path) {
    const auto found = fs::weakly_canonical(path, error);
    const std::string folder = (error ? fs::absolute(path) : found).lexically_normal().string();
    return folder.ends_with('/') ? folder : folder + "/";
  };
  const std::string mirror = whole(url), data = whole(data_folder);
  if (!mirror.starts_with(data) && !data.starts_with(mirror)) return {};
  return fail(
      Errc::invalid_argument,
      fmt::format("mirror: {} and the data directory {} lie in each other: a mirror must survive the machine, and "
                  "the keys must not lie beside it",
                  url, data_folder),
      "mirror.url");
}

}  // namespace sb::mirror
