#include "policy/json_nesting.h"

#include <algorithm>

namespace sb::policy {
namespace {

// Of names, those of arrays around objects included.
constexpr std::size_t kMaxNamesBytes = 192;
constexpr std::size_t kMaxNamed = 3;

}  // namespace

void JsonNesting::open(bool is_object, std::string_view label) {
  if (is_object) {
    if (depth_ > 0 && (in_object() || names_.size() > kMaxNamesBytes)) begin_name();
    names_ += '\0';
    objects_ |= std::uint64_t{1} << depth_;
  } else {
    objects_ &= ~(std::uint64_t{1} << depth_);
  }
  ++depth_;
  if (!is_object || label.empty()) return;
  label.remove_prefix(label.size() - std::min(label.size(), kMaxNameBytes));
  if (named_.size() == kMaxNamed) named_.erase(named_.begin());
  named_.push_back({depth_, std::string(label)});
}

void JsonNesting::close() {
  if (!named_.empty() && named_.back().depth == depth_) named_.pop_back();
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

void JsonNesting::begin_name_of_values() {
  if (named_.empty() || named_.back().depth != depth_) {
    if (named_.size() == kMaxNamed) named_.erase(named_.begin());
    named_.push_back({depth_, {}});
  }
  named_.back().name.clear();
}

void JsonNesting::read_name_of_values(std::string_view more) {
  auto& name = named_.back().name;
  name += more;
  if (name.size() > kMaxNameBytes) name.erase(0, name.size() - kMaxNameBytes);
}

std::uint32_t JsonNesting::count_masked_name() {
  if (masked_.empty() || masked_.back().depth != depth_) masked_.push_back({depth_, 0});
  return ++masked_.back().names;
}

}  // namespace sb::policy
