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
    if (depth_ > 0 && (in_object() || names_size_ > kMaxNamesBytes)) begin_name();
    stack_.insert(names_size_++, 1, '\0');
    objects_ |= std::uint64_t{1} << depth_;
  } else {
    objects_ &= ~(std::uint64_t{1} << depth_);
  }
  ++depth_;
  if (is_object && depth_ > 1 && !label.empty()) add_named(label);
}

void JsonNesting::close() {
  if (has_named() && last_named_depth() == depth_) drop_named();
  if (in_object()) pop_name();
  if (masked_ && !masked_->empty() && masked_->back().depth == depth_) masked_->pop_back();
  --depth_;
}

std::string_view JsonNesting::name() const {
  const auto size = static_cast<unsigned char>(names().back());
  return names().substr(names_size_ - 1U - size, size);
}

void JsonNesting::pop_name() {
  const std::size_t size = 1 + name().size();
  names_size_ = static_cast<std::uint16_t>(names_size_ - size);
  stack_.erase(names_size_, size);
}

void JsonNesting::set_name(std::string_view name) {
  pop_name();
  std::string entry(name);
  entry += static_cast<char>(name.size());
  stack_.insert(names_size_, entry);
  names_size_ = static_cast<std::uint16_t>(names_size_ + entry.size());
}

void JsonNesting::begin_name() {
  if (has_name()) set_name({});
}

void JsonNesting::read_name(std::string_view more) {
  std::string longer(name());
  longer += more;
  if (longer.size() > kMaxNameBytes) longer.erase(0, longer.size() - kMaxNameBytes);
  set_name(longer);
}

void JsonNesting::begin_name_of_values() {
  if (has_named() && last_named_depth() == depth_) drop_named();
  add_named({});
}

void JsonNesting::read_name_of_values(std::string_view more) {
  std::string longer(last_named());
  longer += more;
  drop_named();
  add_named(longer);
}

std::string_view JsonNesting::last_named() const {
  const std::size_t end = stack_.size() - 2;
  const auto size = static_cast<unsigned char>(stack_[end]);
  return std::string_view(stack_).substr(end - size, size);
}

void JsonNesting::drop_named() {
  stack_.resize(stack_.size() - 2 - last_named().size());
}

// Where there are many, those of the outermost objects are forgotten.
void JsonNesting::add_named(std::string_view name) {
  name.remove_prefix(name.size() - std::min(name.size(), kMaxNameBytes));
  std::size_t first = stack_.size();  // of those that stay
  for (std::size_t i = 1; i < kMaxNamed && first > names_size_; ++i)
    first -= 2 + static_cast<unsigned char>(stack_[first - 2]);
  stack_.erase(names_size_, first - names_size_);
  stack_ += name;
  stack_ += static_cast<char>(name.size());
  stack_ += static_cast<char>(depth_);
}

std::uint32_t JsonNesting::count_masked_name() {
  if (!masked_) masked_ = std::make_unique<std::vector<Masked>>();
  if (masked_->empty() || masked_->back().depth != depth_) masked_->push_back({depth_, 0});
  return ++masked_->back().names;
}

}  // namespace sb::policy
