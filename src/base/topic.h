/// Names of topics, as brokers of Kafka take them.
#pragma once

#include <algorithm>
#include <string_view>

namespace sb {

constexpr bool is_topic_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}
constexpr bool is_topic(std::string_view text) {
  constexpr std::size_t kLongest = 249;
  return !text.empty() && text.size() <= kLongest && text != "." && text != ".." &&
         std::ranges::all_of(text, is_topic_character);
}

}  // namespace sb
