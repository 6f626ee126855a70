#include <algorithm>

#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

// U+2010..U+2027 (dashes, quotation marks, bullets) and U+3000..U+303F (CJK punctuation) end a local part.
bool is_punctuation_sequence(std::string_view text, std::size_t at) {
  const int second = byte_of(text, at + 1);
  const int third = byte_of(text, at + 2);
  if (byte_of(text, at) == 0xe2) return second == 0x80 && third >= 0x90 && third <= 0xa7;
  return byte_of(text, at) == 0xe3 && second == 0x80;
}

// What belongs to an escape of JSON or source code ("\\n", "\\u003c") is not part of what follows it: taking it away
// would break the text around. Returns `start`, or the first byte behind the escape that `start` lies in.
std::size_t behind_escape(std::string_view text, std::size_t start) {
  if (start > 0 && text[start - 1] == '\\' && std::string_view("nrtbf").find(text[start]) != std::string_view::npos)
    return start + 1;
  for (std::size_t back = 1; back <= 5 && back <= start; ++back) {
    if (text[start - back] == '\\' && text[start - back + 1] == 'u') return start - back + 6;
  }
  return start;
}

std::size_t local_start(std::string_view text, std::size_t at) {
  std::size_t start = at;
  const std::size_t least = at > kMaxWordBytes ? at - kMaxWordBytes : 0;
  while (start > least && is_word_byte(byte_of(text, start - 1))) {
    --start;
    const int byte = byte_of(text, start);
    if ((byte == 0xe2 || byte == 0xe3) && is_punctuation_sequence(text, start)) {
      start += 3;
      break;
    }
  }
  start = to_sequence_start(text, start);
  start = std::min(at, behind_escape(text, start));
  while (start < at && std::string_view(".-'%_+").find(text[start]) != std::string_view::npos) ++start;
  return start;
}

bool is_host_byte(int byte) {
  return is_a(byte, kDigit | kUpper | kLower | kHigh) || byte == '-' || byte == '.';
}

class EmailDetector final : public Detector {
 public:
  std::string_view name() const override { return "email"; }
  bool reports(std::string_view type) const override { return type == "EMAIL"; }
  std::string_view wake_bytes() const override { return "@%&\\"; }

  void verify(ScanWindow& window, std::size_t at, Findings& out) const override {
    const auto text = window.text();
    const std::size_t start = local_start(text, at);
    if (start == at) return;
    window.begin(start);
    const std::size_t host = host_start(window, at);
    if (host == 0) return;
    std::size_t end = host;
    std::size_t last_dot = 0;
    while (is_host_byte(window.at(end))) {
      if (text[end] == '.') {
        if (end == host || text[end - 1] == '.') break;  // ".." ends the sentence, not a label
        last_dot = end;
      }
      ++end;
    }
    if (end >= window.limit()) {
      out.push_back({"EMAIL", "email", "address", {start, end}, 0.9F, Tail::host});
      return;
    }
    while (end > host && (text[end - 1] == '.' || text[end - 1] == '-')) --end;
    if (last_dot >= end) last_dot = text.substr(0, end).rfind('.');
    if (last_dot == std::string_view::npos || last_dot <= host || end - last_dot < 3) return;
    // A top-level domain has letters ("xn--" too); "@1.0.2" is a version.
    if (!is_a(byte_of(text, last_dot + 1), kUpper | kLower | kHigh)) return;
    out.push_back({"EMAIL", "email", "address", {start, end}, 0.99F});
  }

 private:
  // Behind the '@', which may be written as a URL, HTML or JSON writes it; 0 where there is none.
  static std::size_t host_start(ScanWindow& window, std::size_t at) {
    if (window.text()[at] == '@') return at + 1;
    for (const std::string_view escape : {"%40", "&#64;", "&#x40;", "\\u0040"}) {
      std::size_t i = 0;
      while (i < escape.size() && window.at(at + i) == static_cast<unsigned char>(escape[i])) ++i;
      if (i == escape.size()) return at + i;
    }
    return 0;
  }
};

}  // namespace

std::unique_ptr<Detector> make_email_detector() {
  return std::make_unique<EmailDetector>();
}

}  // namespace sb::policy
