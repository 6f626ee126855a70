/// Where in a JSON text that arrives in pieces its reader stands.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/json_guard.h"

namespace sb::policy {

/// The brackets that are open, and the names that what comes next stands under. A stream keeps one: names that can be
/// needed no more are forgotten, those of arrays around objects too where there are many (their later items then stand
/// under none). REQUIRES: at most kMaxJsonDepth brackets.
class JsonNesting {
 public:
  /// Of a name its end is kept, which says what it is: detectors look no further back.
  static constexpr std::size_t kMaxNameBytes = 64;

  std::size_t depth() const { return depth_; }
  /// REQUIRES depth() > 0.
  bool in_object() const { return (objects_ >> (depth_ - 1) & 1) != 0; }
  /// `label`: what it stands under, and what a value in it is called where no member says otherwise (that of the
  /// outermost is not kept: it is the text's).
  void open(bool is_object, std::string_view label);
  void close();

  /// Whether a member's name was read: else what comes stands under what the text does.
  bool has_name() const { return names_size_ > 0; }
  /// The last member's that was read; of what stands in an array: of that array's.
  std::string_view name() const;
  void begin_name();
  void read_name(std::string_view more);

  /// What a value of the innermost object is called (member_names.h); empty: as its member is.
  std::string_view name_of_values() const { return has_named() ? last_named() : std::string_view(); }
  void begin_name_of_values();
  void read_name_of_values(std::string_view more);

  /// One more name of this object was masked; how many were.
  std::uint32_t count_masked_name();

 private:
  // By the object, from the outermost: names that are needed once more when it ends.
  struct Masked {
    std::uint8_t depth;
    std::uint32_t names;
  };

  std::string_view names() const { return std::string_view(stack_).substr(0, names_size_); }
  void set_name(std::string_view name);
  void pop_name();
  bool has_named() const { return stack_.size() > names_size_; }
  /// REQUIRES: has_named().
  std::string_view last_named() const;
  std::uint8_t last_named_depth() const { return static_cast<std::uint8_t>(stack_.back()); }
  void add_named(std::string_view name);
  void drop_named();

  std::uint64_t objects_ = 0;  // bit n: bracket n is an object's
  // Of each open object the name, with its size behind it; then name_of_values of the last few that have one, with its
  // size and the object's depth.
  std::string stack_;
  std::unique_ptr<std::vector<Masked>> masked_;  // few documents have any
  std::uint16_t names_size_ = 0;                 // in stack_
  std::uint8_t depth_ = 0;
};
static_assert(kMaxJsonDepth <= 64);

}  // namespace sb::policy
