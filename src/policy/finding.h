/// What a detector saw, where, and how sure it is. Never the value itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sb::policy {

/// Byte range [begin, end) of the text that was scanned.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;

  std::size_t size() const { return end - begin; }
  friend bool operator==(const Span&, const Span&) = default;
};

/// How a candidate that reached its window's limit goes on: by which bytes, to its true end.
enum class Tail : std::uint8_t {
  none,      ///< the span is complete
  host,      ///< letters, digits, '-' and '.': a long domain name
  token,     ///< letters, digits and "-_.+/=~": a long key
  word,      ///< anything but blanks, quotes, backslashes and separators: a long password
  userinfo,  ///< of a URL: the same, but no '@': a long password before a host
  quoted,    ///< anything but quotation marks and line ends: a long pass phrase
  line,      ///< anything but line ends
  pem,       ///< a private key block, to its END line
  url,       ///< of a path or query: as a word, and values in it are findings of their own
};

/// What the rules make of a finding, the weakest first. None takes the place of one that weighs more.
enum class Weight : std::uint8_t {
  looks,   ///< recorded, or a value that a rule lets pass: the text stays
  routes,  ///< the text stays and goes to fewer models
  acts,    ///< the text changes or goes nowhere
};
inline constexpr std::size_t kWeights = 3;

/// One located observation. The names point into the detector that made it: they live as long as the Policy.
struct Finding {
  std::string_view type;      ///< "EMAIL", "CREDIT_CARD", ...: what policies speak of
  std::string_view detector;  ///< "email", "card", ...: who found it
  std::string_view rule;      ///< which of the detector's rules: "luhn_grouped", "openai_key", ...
  Span span;
  float score = 0;  ///< 0..1; a policy's `min_score` is compared with it
  Tail tail = Tail::none;
  /// Another begins at each of its later words: what of it lies behind another finding is found by itself.
  bool resumes = false;
  Weight weight = Weight::looks;
  bool stops = false;  ///< its rule stops the text: what covers it does not undo that
  /// Another reading of the same place that was less sure, or inside a finding: recorded by those who only look, its
  /// bytes never touched. What `stops` and is no less sure than what covers it stops the text all the same.
  bool beside = false;

  friend bool operator==(const Finding&, const Finding&) = default;
};

using Findings = std::vector<Finding>;

}  // namespace sb::policy
