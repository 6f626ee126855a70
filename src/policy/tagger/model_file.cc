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
  template <class Container>
  bool take_all(Container& values, std::size_t count) {
    const std::size_t size = count * sizeof(typename Container::value_type);
    if (bytes_.size() < size) return false;
    values.resize(count);
    return take_bytes(values.data(), size);
  }
  bool empty() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

bool take_model(Source source, ModelData& out) {
  std::uint32_t slots = 0;
  std::uint32_t provenance = 0;
  if (!source.take(out.row_bits) || !source.take(slots) || !source.take(provenance) || !source.take(out.scale))
    return false;
  if (out.row_bits < 1 || out.row_bits > kMaxRowBits || provenance > kMaxProvenanceBytes) return false;
  if (slots > kMaxSlots || (slots != 0 && !std::has_single_bit(slots))) return false;
  return source.take(out.next) && source.take(out.slope) && source.take(out.shift) &&
         source.take_all(out.weights, (std::size_t{1} << out.row_bits) * kLabels) &&
         source.take_all(out.gazetteer, slots) && source.take_all(out.provenance, provenance) && source.empty() &&
         // A look-up ends at an empty slot.
         (slots == 0 || std::ranges::find(out.gazetteer, 0U) != out.gazetteer.end());
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
  const Digest digest = sha256(body);
  if (std::memcmp(digest.data(), bytes.data() + body.size(), kDigestBytes) != 0)
    return refuse("truncated or changed: its SHA-256 does not match");
  ModelData out;
  if (!take_model(Source(body.substr(kMagic.size() + sizeof version)), out))
    return refuse("sizes that contradict each other");
  return out;
}

}  // namespace sb::policy::tagger
