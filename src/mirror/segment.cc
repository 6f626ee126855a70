#include "mirror/segment.h"

#include <fmt/format.h>
#include <zstd.h>

#include <charconv>
#include <cstring>

#include "base/bytes.h"
#include "mirror/wire.h"

namespace sb::mirror {
namespace {

constexpr std::size_t kMaxPlainBytes = std::size_t{1} << 30;
constexpr int kZstdLevel = 3;
constexpr char kFormat = 2;  // 1 had no lineages

std::unexpected<Error> damaged(std::string_view what) {
  return fail(Errc::corrupt, fmt::format("mirror: {} has the wrong shape", what));
}

}  // namespace

std::string seal_object(std::string_view key, std::string_view name, std::string_view plain, Entropy& entropy) {
  std::string packed(ZSTD_compressBound(plain.size()), '\0');
  const std::size_t size = ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), kZstdLevel);
  SB_ASSERT(!ZSTD_isError(size));
  packed.resize(size);
  return kFormat + aead_seal(key, packed, name, entropy);
}

Result<std::string> open_object(std::string_view key, std::string_view name, std::string_view sealed) {
  if (sealed.starts_with('\1')) {
    return fail(Errc::unsupported,
                fmt::format("mirror: {} was written by a version before this one, which does not read it: name another "
                            "place, and a mirror is made there",
                            name));
  }
  if (!sealed.starts_with(kFormat)) return damaged(name);
  auto packed = aead_open(key, sealed.substr(1), name);
  if (!packed) {
    return fail(Errc::corrupt,
                fmt::format("mirror: {} does not open: another mirror key, or the object was changed", name));
  }
  const auto size = ZSTD_getFrameContentSize(packed->data(), packed->size());
  if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size > kMaxPlainBytes) return damaged(name);
  std::string plain(size, '\0');
  if (ZSTD_decompress(plain.data(), plain.size(), packed->data(), packed->size()) != size) return damaged(name);
  return plain;
}

std::string tag_of(std::string_view lineage) {
  return to_hex({reinterpret_cast<const std::uint8_t*>(lineage.data()), lineage.size()}).substr(0, 8);
}

std::string encode_segment(const Segment& segment) {
  std::string out;
  put_number(out, segment.number);
  put_number(out, segment.first_group);
  put_number(out, segment.last_group);
  out.append(reinterpret_cast<const char*>(segment.previous.data()), segment.previous.size());
  put_bytes(out, segment.lineage);
  put_number(out, segment.snapshot.group);
  put_bytes(out, segment.snapshot.tag);
  out += static_cast<char>(segment.resealed);
  put_number(out, segment.erased.size());
  for (const Erased& erased : segment.erased) {
    out += static_cast<char>(erased.kind);
    put_number(out, static_cast<std::uint64_t>(erased.no));
  }
  for (const std::string& patchset : segment.patchsets) put_bytes(out, patchset);
  return out;
}

Result<Segment> parse_segment(std::string_view bytes) {
  Input in(bytes);
  Segment segment;
  segment.number = in.number();
  segment.first_group = in.number();
  segment.last_group = in.number();
  const auto previous = in.take(sizeof(Digest));
  if (in.failed()) return damaged("a segment");
  std::memcpy(segment.previous.data(), previous.data(), previous.size());
  segment.lineage = in.bytes();
  segment.snapshot.group = in.number();
  segment.snapshot.tag = in.bytes();
  segment.resealed = in.take(1) == std::string_view("\1", 1);
  const auto erased = in.number();
  for (std::uint64_t i = 0; i < erased && !in.failed(); ++i) {
    const auto kind = in.take(1);
    const auto no = static_cast<std::int64_t>(in.number());
    if (!kind.empty()) segment.erased.push_back({static_cast<SealedKind>(kind.front()), no});
  }
  while (in.more()) segment.patchsets.emplace_back(in.bytes());
  if (in.failed() || segment.last_group < segment.first_group) return damaged("a segment");
  return segment;
}

std::string padded(std::uint64_t number) {
  return fmt::format("{:012}", number);
}
std::string segment_name(std::uint64_t number) {
  return "segments/" + padded(number);
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}
std::optional<std::uint64_t> number_at_end(std::string_view name) {
  return number_of(name.substr(name.rfind('/') + 1));
}

}  // namespace sb::mirror
