// A model of outcomes as bytes: sizes first (u32), then its numbers as they lie in memory, little-endian.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "triage/outcomes.h"
#include "triage/sealed_file.h"

namespace sb::triage {
namespace {

constexpr std::uint32_t kMaxWidth = 1U << 14;
// Beyond these no learning gets, and within them no gain is infinite.
constexpr double kMaxNumber = 1e6;
constexpr float kMinSpread = 1e-6F;

template <class T>
void put_numbers(std::string& out, const std::vector<T>& values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// Takes numbers from the front; once there are too few, or one is none, it gives zeros and says so.
class NumberReader {
 public:
  explicit NumberReader(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  T one() {
    T value{};
    if (bytes_.size() < sizeof value) {
      fits_ = false;
      return value;
    }
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return value;
  }
  std::uint32_t count(std::uint32_t most) {
    const auto value = one<std::uint32_t>();
    fits_ = fits_ && value <= most;
    return fits_ ? value : 0;
  }
  template <class T>
  std::vector<T> many(std::size_t count) {
    fits_ = fits_ && count * sizeof(T) <= bytes_.size();
    std::vector<T> out(fits_ ? count : 0);
    for (auto& value : out) {
      value = one<T>();
      fits_ = fits_ && std::abs(static_cast<double>(value)) <= kMaxNumber;  // false of a NaN
    }
    return out;
  }
  bool exact() const { return fits_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool fits_ = true;
};

}  // namespace

bool OutcomeModel::reads(std::size_t vector, std::size_t checks) const {
  return weights_.size() == vector + checks && (!domains_ || domains_->sentence->inputs == vector);
}

std::string OutcomeModel::encode() const {
  std::string out;
  put(out, static_cast<std::uint32_t>(weights_.size()));
  put(out, static_cast<std::uint32_t>(domain_gains_.size()));
  put(out, domains_ ? domains_->sentence->inputs : 0);
  put(out, domains_ ? domains_->sentence->dimension : 0);
  put(out, offset_);
  put_numbers(out, scale_.centre);
  put_numbers(out, scale_.spread);
  put_numbers(out, weights_);
  put_numbers(out, domain_gains_);
  if (!domains_) return out;
  put_numbers(out, domains_->sentence->centre);
  put_numbers(out, domains_->sentence->projection);
  put_numbers(out, domains_->sentence->means);
  return out;
}

Result<OutcomeModel> OutcomeModel::decode(std::string_view bytes) {
  NumberReader in(bytes);
  const std::size_t width = in.count(kMaxWidth);
  const std::size_t domains = in.count(kMaxLabels);
  SentenceHeads space;
  space.inputs = in.count(kMaxWidth);
  space.dimension = in.count(kMaxSentenceDimension);
  OutcomeModel out;
  out.offset_ = in.one<double>();
  out.scale_.width = width;
  out.scale_.centre = in.many<float>(width);
  out.scale_.spread = in.many<float>(width);
  out.weights_ = in.many<float>(width);
  out.domain_gains_ = in.many<double>(domains);
  space.centre = in.many<float>(space.inputs);
  space.projection = in.many<float>(std::size_t{space.dimension} * space.inputs);
  space.means = in.many<float>(domains * space.dimension);
  const bool spread = std::ranges::all_of(out.scale_.spread, [](float value) { return value >= kMinSpread; });
  if (!in.exact() || !spread || !(std::abs(out.offset_) <= kMaxNumber) || (domains > 0) != (space.inputs > 0))
    return fail(Errc::corrupt, "its numbers are not as many as it says, or not such as learning makes");
  if (domains == 0) return out;
  out.domains_.emplace().labels.resize(domains);
  out.domains_->sentence = std::move(space);
  return out;
}

}  // namespace sb::triage
