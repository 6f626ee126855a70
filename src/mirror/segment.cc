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
constexpr char kFormat = 3;  // 1 had no lineages, 2 did not say which lists came with a segment

std::unexpected<Error> damaged(std::string_view what) {
  return fail(Errc::corrupt, fmt::format("mirror: {} has the wrong shape", what));
}

Digest take_digest(Input& in) {
  Digest digest{};
  const auto bytes = in.take(digest.size());
  if (!bytes.empty()) std::memcpy(digest.data(), bytes.data(), bytes.size());
  return digest;
}

// 0 or 1, as the kinds of lists are, too.
bool take_flag(Input& in) {
  const auto byte = in.take(1);
  if (!byte.empty() && byte.front() != 0 && byte.front() != 1) in.fail();
  return byte == std::string_view("\1", 1);
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
  if (sealed.starts_with('\1') || sealed.starts_with('\2')) {
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
  put_number(out, segment.published.leaves);
  out.append(reinterpret_cast<const char*>(segment.published.root.data()), segment.published.root.size());
  put_number(out, segment.lists.size());
  for (const ListSpan& list : segment.lists) {
    out += static_cast<char>(list.kind);
    put_number(out, static_cast<std::uint64_t>(list.first));
    put_number(out, static_cast<std::uint64_t>(list.last));
  }
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
  segment.previous = take_digest(in);
  segment.lineage = in.bytes();
  segment.snapshot.group = in.number();
  segment.snapshot.tag = in.bytes();
  segment.resealed = take_flag(in);
  segment.published.leaves = in.number();
  segment.published.root = take_digest(in);
  const auto lists = in.number();
  for (std::uint64_t i = 0; i < lists && !in.failed(); ++i) {
    ListSpan& list = segment.lists.emplace_back();
    list.kind = static_cast<SealedKind>(take_flag(in));
    list.first = static_cast<std::int64_t>(in.number());
    list.last = static_cast<std::int64_t>(in.number());
  }
  const auto erased = in.number();
  for (std::uint64_t i = 0; i < erased && !in.failed(); ++i) {
    Erased& one = segment.erased.emplace_back();
    one.kind = static_cast<SealedKind>(take_flag(in));
    one.no = static_cast<std::int64_t>(in.number());
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
