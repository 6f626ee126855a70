#include "policy/json_nesting.h"

namespace sb::policy {
namespace {

// Of names, those of arrays around objects included.
constexpr std::size_t kMaxNamesBytes = 192;

}  // namespace

void JsonNesting::open(bool is_object) {
  if (is_object) {
    if (depth_ > 0 && (in_object() || names_.size() > kMaxNamesBytes)) begin_name();
    names_ += '\0';
    objects_ |= std::uint64_t{1} << depth_;
  } else {
    objects_ &= ~(std::uint64_t{1} << depth_);
  }
  ++depth_;
}

void JsonNesting::close() {
  if (in_object()) {
    begin_name();
    names_.pop_back();
  }
  if (!masked_.empty() && masked_.back().depth == depth_) masked_.pop_back();
  --depth_;
}

std::string_view JsonNesting::name() const {
  const auto size = static_cast<unsigned char>(names_.back());
  return std::string_view(names_).substr(names_.size() - 1 - size, size);
}

void JsonNesting::begin_name() {
  if (names_.empty()) return;
  names_.resize(names_.size() - 1 - name().size());
  names_ += '\0';
}

void JsonNesting::read_name(std::string_view more) {
  std::string longer(name());
  longer += more;
  if (longer.size() > kMaxNameBytes) longer.erase(0, longer.size() - kMaxNameBytes);
  begin_name();
  names_.pop_back();
  names_ += longer;
  names_ += static_cast<char>(longer.size());
}

std::uint32_t JsonNesting::count_masked_name() {
  if (masked_.empty() || masked_.back().depth != depth_) masked_.push_back({depth_, 0});
  return ++masked_.back().names;
}

}  // namespace sb::policy
