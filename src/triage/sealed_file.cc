#include "triage/sealed_file.h"

#include <fmt/format.h>

#include <cstring>

#include "base/crypto.h"

namespace sb::triage {
namespace {

constexpr std::size_t kMagicBytes = 8;
constexpr std::size_t kPrologueBytes = kMagicBytes + sizeof(std::uint32_t) + sizeof(std::uint64_t) + sizeof(Digest);

}  // namespace

std::string seal_file(const FileKind& kind, std::string_view payload) {
  SB_ASSERT(kind.magic.size() == kMagicBytes);
  std::string out;
  out.reserve(kPrologueBytes + payload.size());
  out += kind.magic;
  put(out, kind.version);
  put(out, static_cast<std::uint64_t>(payload.size()));
  put(out, sha256(payload));
  return out += payload;
}

Result<std::string_view> open_file(const FileKind& kind, std::string_view bytes) {
  if (bytes.size() < kPrologueBytes || !bytes.starts_with(kind.magic))
    return fail(Errc::corrupt, fmt::format("not {} (it does not begin with {})", kind.what, kind.magic));
  std::uint32_t version = 0;
  std::uint64_t size = 0;
  Digest digest;
  const char* at = bytes.data() + kMagicBytes;
  std::memcpy(&version, at, sizeof version);
  std::memcpy(&size, at + sizeof version, sizeof size);
  std::memcpy(digest.data(), at + sizeof version + sizeof size, digest.size());
  if (version < kind.oldest || version > kind.version) {
    const auto read = kind.oldest == kind.version ? fmt::format("{}", kind.version)
                                                  : fmt::format("{} to {}", kind.oldest, kind.version);
    return fail(Errc::unsupported,
                fmt::format("format version {}, this build reads {}; {}", version, read, kind.remedy));
  }
  const auto payload = bytes.substr(kPrologueBytes);
  if (payload.size() != size) {
    return fail(Errc::corrupt,
                fmt::format("{} bytes where {} were written: cut or lengthened; copy it again", payload.size(), size));
  }
  if (sha256(payload) != digest)
    return fail(Errc::corrupt, "checksum does not match: the bytes changed since it was made; copy it again");
  return payload;
}

}  // namespace sb::triage
