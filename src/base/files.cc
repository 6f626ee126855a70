#include "base/files.h"

#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

namespace sb {

Errc errc_of_errno(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return Errc::disk_full;
    case ENOENT:
    case ENOTDIR:
      return Errc::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
      return Errc::permission_denied;
    default:
      return Errc::internal;
  }
}

Result<> replace_file(const std::string& path, std::string_view bytes) {
  const std::string partial = path + ".partial";
  {
    std::ofstream file(partial, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) return fail(Errc::internal, fmt::format("{}: cannot be written", partial));
  }
  std::error_code error;
  std::filesystem::rename(partial, path, error);
  if (error) return fail(Errc::internal, fmt::format("{}: {}", path, error.message()));
  return {};
}

}  // namespace sb
