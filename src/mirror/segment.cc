#include "mirror/segment.h"

#include <fmt/format.h>
#include <zstd.h>

#include <charconv>
#include <cstring>

namespace sb::mirror {
namespace {

constexpr std::size_t kMaxPlainBytes = std::size_t{1} << 30;
constexpr int kZstdLevel = 3;
constexpr char kFormat = 1;

std::unexpected<Error> damaged(std::string_view what) {
  return fail(Errc::corrupt, fmt::format("mirror: {} has the wrong shape", what));
}

void put_number(std::string& out, std::uint64_t value) {
  for (int i = 0; i < 8; ++i, value >>= 8) out += static_cast<char>(value & 0xff);
}
void put_bytes(std::string& out, std::string_view bytes) {
  put_number(out, bytes.size());
  out += bytes;
}

// Reads what the put_ functions wrote; sticky failure.
class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}
  std::uint64_t number() {
    const auto bytes = take(8);
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
  }
  std::string_view bytes() { return take(number()); }
  std::string_view take(std::uint64_t size) {
    if (failed_ || size > rest_.size()) {
      failed_ = true;
      return {};
    }
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  bool more() const { return !failed_ && !rest_.empty(); }
  bool failed() const { return failed_; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
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
  if (sealed.empty() || sealed.front() != kFormat) return damaged(name);
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

std::string encode_segment(const Segment& segment) {
  std::string out;
  put_number(out, segment.number);
  put_number(out, segment.first_group);
  put_number(out, segment.last_group);
  out.append(reinterpret_cast<const char*>(segment.previous.data()), segment.previous.size());
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
  while (in.more()) segment.patchsets.emplace_back(in.bytes());
  if (in.failed() || segment.last_group < segment.first_group) return damaged("a segment");
  return segment;
}

std::string encode_list(SealedKind kind, const std::vector<ListEntry>& entries) {
  std::string out;
  for (const ListEntry& entry : entries) {
    put_number(out, static_cast<std::uint64_t>(entry.no));
    put_bytes(out, entry.subject);
    put_bytes(out, entry.sealed);
    if (kind != SealedKind::token) continue;
    put_bytes(out, entry.tenant);
    put_bytes(out, entry.token);
  }
  return out;
}

Result<std::vector<ListEntry>> parse_list(SealedKind kind, std::string_view bytes) {
  Input in(bytes);
  std::vector<ListEntry> entries;
  while (in.more()) {
    ListEntry entry;
    entry.no = static_cast<std::int64_t>(in.number());
    entry.subject = in.bytes();
    entry.sealed = in.bytes();
    if (kind == SealedKind::token) {
      entry.tenant = in.bytes();
      entry.token = in.bytes();
    }
    entries.push_back(std::move(entry));
  }
  if (in.failed()) return damaged("a list of keys");
  return entries;
}

std::string list_prefix(SealedKind kind) {
  return kind == SealedKind::token ? "tokens/" : "keys/";
}

std::string padded(std::uint64_t number) {
  return fmt::format("{:012}", number);
}
std::string segment_name(std::uint64_t number) {
  return "segments/" + padded(number);
}
std::string list_name(SealedKind kind, std::string_view stem, const std::vector<ListEntry>& entries) {
  SB_ASSERT(!entries.empty());
  return fmt::format("{}{}-{}-{}", list_prefix(kind), stem, entries.front().no, entries.back().no);
}

std::optional<ListRange> range_of_list(std::string_view name) {
  const auto second = name.rfind('-');
  if (second == std::string_view::npos || second == 0) return std::nullopt;
  const auto first = name.rfind('-', second - 1);
  if (first == std::string_view::npos) return std::nullopt;
  const auto begin = number(name.substr(first + 1, second - first - 1));
  const auto end = number(name.substr(second + 1));
  if (!begin || !end) return std::nullopt;
  return ListRange{static_cast<std::int64_t>(*begin), static_cast<std::int64_t>(*end)};
}

std::optional<std::uint64_t> number_at_end(std::string_view name) {
  return number(name.substr(name.rfind('/') + 1));
}

}  // namespace sb::mirror
