#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/crypto.h"
#include "policy/tagger/model.h"

namespace sb::policy::tagger {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is little endian and is copied as it is");

constexpr std::string_view kMagic = "SBTAGGER";
// Raise it with every change of tokens, features, labels or layout: weights learnt for one fit no other.
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kDigestBytes = 32;
constexpr std::uint32_t kMaxRowBits = 22;
constexpr std::uint32_t kMaxSlots = 1U << 22;
constexpr std::uint32_t kMaxProvenanceBytes = 1U << 16;

template <class T>
void put(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
void put_all(std::string& out, const std::vector<T>& values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

class Source {
 public:
  explicit Source(std::string_view bytes) : bytes_(bytes) {}

  bool take_bytes(void* to, std::size_t size) {
    if (bytes_.size() < size) return false;
    if (size > 0) std::memcpy(to, bytes_.data(), size);
    bytes_.remove_prefix(size);
    return true;
  }
  template <class T>
  bool take(T& value) {
    return take_bytes(&value, sizeof value);
  }
  bool take_part(std::string_view& part, std::size_t size) {
    if (bytes_.size() < size) return false;
    part = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return true;
  }
  bool empty() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

/// What a file holds, its tables as the bytes they are.
struct Contents {
  ModelData rest;
  std::string_view weights, gazetteer;
};

template <class T>
std::vector<T> copied(std::string_view bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

template <class T>
std::span<const T> viewed(std::string_view bytes) {
  SB_ASSERT(reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(T) == 0);
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

bool has_empty_slot(std::string_view gazetteer) {
  for (std::size_t at = 0; at < gazetteer.size(); at += sizeof(std::uint32_t)) {
    if (gazetteer.substr(at, sizeof(std::uint32_t)) == std::string_view("\0\0\0\0", 4)) return true;
  }
  return false;
}

bool take_contents(Source source, Contents& out) {
  std::uint32_t slots = 0;
  std::uint32_t provenance = 0;
  auto& rest = out.rest;
  if (!source.take(rest.row_bits) || !source.take(slots) || !source.take(provenance) || !source.take(rest.scale))
    return false;
  if (rest.row_bits < 1 || rest.row_bits > kMaxRowBits || provenance > kMaxProvenanceBytes) return false;
  if (slots > kMaxSlots || (slots != 0 && !std::has_single_bit(slots))) return false;
  std::string_view told;
  if (!source.take(rest.next) || !source.take(rest.slope) || !source.take(rest.shift) ||
      !source.take_part(out.weights, (std::size_t{1} << rest.row_bits) * kLabels) ||
      !source.take_part(out.gazetteer, slots * sizeof(std::uint32_t)) || !source.take_part(told, provenance) ||
      !source.empty())
    return false;
  rest.provenance = told;
  // A look-up ends at an empty slot.
  return slots == 0 || has_empty_slot(out.gazetteer);
}

enum class Digests : std::uint8_t { checked, trusted };

Result<Contents> read_contents(std::string_view bytes, std::string_view origin, Digests digests) {
  const auto refuse = [&](std::string_view what) { return fail(Errc::corrupt, fmt::format("{}: {}", origin, what)); };
  if (!bytes.starts_with(kMagic)) return refuse("not a tagger's weights file");
  std::uint32_t version = 0;
  Source(bytes.substr(kMagic.size())).take(version);
  if (version != kVersion) {
    return refuse(
        fmt::format("weights of version {}, this program reads version {}; train them anew with "
                    "`signalbox policy train`",
                    version, kVersion));
  }
  if (bytes.size() < kMagic.size() + sizeof version + kDigestBytes) return refuse("truncated");
  const auto body = bytes.substr(0, bytes.size() - kDigestBytes);
  if (digests == Digests::checked) {
    const Digest digest = sha256(body);
    if (std::memcmp(digest.data(), bytes.data() + body.size(), kDigestBytes) != 0)
      return refuse("truncated or changed: its SHA-256 does not match");
  }
  Contents out;
  if (!take_contents(Source(body.substr(kMagic.size() + sizeof version)), out))
    return refuse("sizes that contradict each other");
  return out;
}

}  // namespace

std::string write_model(const ModelData& data) {
  std::string out(kMagic);
  put(out, kVersion);
  put(out, data.row_bits);
  put(out, static_cast<std::uint32_t>(data.gazetteer.size()));
  put(out, static_cast<std::uint32_t>(data.provenance.size()));
  put(out, data.scale);
  put(out, data.next);
  put(out, data.slope);
  put(out, data.shift);
  put_all(out, data.weights);
  put_all(out, data.gazetteer);
  out += data.provenance;
  const Digest digest = sha256(out);
  out.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  return out;
}

Result<ModelData> read_model(std::string_view bytes, std::string_view origin) {
  SB_TRY(auto contents, read_contents(bytes, origin, Digests::checked));
  ModelData data = std::move(contents.rest);
  data.weights = copied<std::int8_t>(contents.weights);
  data.gazetteer = copied<std::uint32_t>(contents.gazetteer);
  return data;
}

Result<ModelView> view_model(std::string_view bytes, std::string_view origin) {
  SB_TRY(auto contents, read_contents(bytes, origin, Digests::trusted));
  return ModelView{std::move(contents.rest), viewed<std::int8_t>(contents.weights),
                   viewed<std::uint32_t>(contents.gazetteer)};
}

}  // namespace sb::policy::tagger
