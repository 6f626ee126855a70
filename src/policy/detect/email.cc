#include <algorithm>

#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/packed_words.h"
#include "policy/detect/scripts.h"

namespace sb::policy {
namespace {

// Where the word that ends at `end` begins.
std::size_t word_start(std::string_view text, std::size_t end, std::size_t least) {
  return word_before(text, end, least, is_word_byte);
}

// Whether an address follows `word` and a '=': mailing lists write the reader's own so into their sender's
// ("news+17-ann=pages.org@lists.example.org"), forwarders and bounce filters behind their mark (SRS, BATV). Other words
// before a '=' are names of fields.
bool tags_sender(std::string_view word) {
  static constexpr PackedWords kMarks({"SRS0", "SRS1", "prvs", "btv1"});
  return word.find('+') != std::string_view::npos || kMarks.has(word);
}

// Where the local part begins whose last word begins at `start`: there, or at a word that tags the sender.
std::size_t tagged_start(std::string_view text, std::size_t start, std::size_t least) {
  std::size_t tagged = start;
  while (start > least && text[start - 1] == '=') {
    const std::size_t end = start - 1;
    start = word_start(text, end, least);
    if (tags_sender(text.substr(start, end - start))) tagged = start;
  }
  return tagged;
}

// Where the local part that ends at `end` begins; `end` where there is none.
std::size_t local_start(std::string_view text, std::size_t end, std::size_t least) {
  std::size_t start = word_start(text, end, least);
  if (start < end) start = tagged_start(text, start, least);
  while (start < end && std::string_view(".-'%_+").find(text[start]) != std::string_view::npos) ++start;
  return std::min(start, end);
}

bool is_host_byte(int byte) {
  return is_a(byte, kDigit | kUpper | kLower | kHigh) || byte == '-' || byte == '.';
}

// "j o h n @ e x a m p l e": single characters with single blanks between them, before the blank at `end`.
std::size_t spaced_start(std::string_view text, std::size_t end, std::size_t least) {
  std::size_t start = end;
  while (start >= least + 2 && text[start - 1] == ' ' && is_alnum(byte_of(text, start - 2)) &&
         (start == 2 || text[start - 3] == ' ')) {
    start -= 2;
  }
  return start;
}

// "[at]", "(at)", " at ", " AT ", with blanks around it: behind it, or 0.
std::size_t behind_spoken(ScanWindow& window, std::size_t at, std::string_view word) {
  const int open = window.at(at);
  const bool bracket = open == '[' || open == '(' || open == '{';
  if (bracket) ++at;
  if (bracket && window.at(at) == ' ') ++at;
  for (const char c : word) {
    if (to_lower(window.at(at++)) != c) return 0;
  }
  if (!bracket) return window.at(at) == ' ' ? at : 0;
  if (window.at(at) == ' ') ++at;
  const int close = window.at(at);
  return close == ']' || close == ')' || close == '}' ? at + 1 : 0;
}

// "jane.doe", "k_meier", "ann84": more than a word of a sentence.
bool is_telling_local(std::string_view local) {
  return std::ranges::any_of(local,
                             [](char c) { return !is_a(static_cast<unsigned char>(c), kUpper | kLower | kHigh); });
}

class EmailDetector final : public Detector {
 public:
  std::string_view name() const override { return "email"; }
  bool reports(std::string_view type) const override { return type == kEmailType; }
  std::vector<std::string_view> types() const override { return {kEmailType}; }
  std::string_view wake_bytes() const override { return "@[({"; }
  std::vector<Beside> wakes_beside() const override {
    static constexpr std::string_view kOpening = "[({";
    const auto ends_local =
        ByteSet::where([](int byte) { return is_word_byte(byte) || byte == ' ' || byte == '"' || byte == '*'; });
    std::vector<Beside> all{{'@', ends_local, ByteSet::all()}};
    for (const char bracket : kOpening) all.push_back({bracket, ends_local, ByteSet(" aA")});  // "[at]"
    return all;
  }
  std::vector<std::string_view> wake_literals() const override { return {"at "}; }

  void verify(ScanWindow& window, std::size_t at, Findings& out) const override {
    const auto text = window.text();
    if (text[at] != '@') return spoken(window, at, out);
    if (at > 1 && text[at - 1] == ' ') return spaced(window, at, out);
    const std::size_t end = behind_local(text, at);
    std::size_t start = local_start(text, end, window.first(at, kMaxWordBytes));
    if (start == end) {  // where it begins in a text without blanks nobody can tell
      if (!is_behind_unspaced(text, at)) return;
      start = at;
    }
    window.begin(start);
    if (window.at(at + 1) == '[') return literal_host(window, start, at + 1, out);
    host(window, start, behind_at(window, at), out);
  }

  std::size_t pending_start(std::string_view text) const override {
    const std::size_t least = text.size() > kMaxWordBytes ? text.size() - kMaxWordBytes : 0;
    return std::min(pending_local(text, least), pending_tagged(text, least));
  }

 private:
  // RFC 5321: "odd name"@example.com, of which the last word is enough; Markdown: **ann**@example.com.
  static std::size_t behind_local(std::string_view text, std::size_t at) {
    if (at > 0 && text[at - 1] == '"') return at - 1;
    std::size_t end = at;
    while (end > 0 && at - end < 2 && text[end - 1] == '*') --end;
    return end;
  }

  static bool is_behind_unspaced(std::string_view text, std::size_t at) {
    std::size_t begin = at;
    while (begin > 0 && at - begin < 4 && (begin == at || (byte_of(text, begin) & 0xc0) == 0x80)) --begin;
    return script_at(text, begin) == Script::unspaced;
  }

  // Where the host begins: behind the '@', or a line end or Markdown's marks there.
  static std::size_t behind_at(ScanWindow& window, std::size_t at) {
    std::size_t begin = at + 1;
    if (window.at(begin) == '\r') ++begin;
    if (window.at(begin) == '\n') return begin + 1;
    while (begin - at < 3 && window.at(begin) == '*') ++begin;
    return begin;
  }

  // What tags a sender and the '=' behind it: an address may follow.
  static std::size_t pending_tagged(std::string_view text, std::size_t least) {
    const std::size_t start = word_start(text, text.size(), least);
    const std::size_t tagged = tagged_start(text, start, least);
    return tagged == start ? text.size() : tagged;
  }

  // A word that "[at]" or a spaced '@' may follow, or a quoted one; and the rest of what is spelled out with blanks.
  static std::size_t pending_local(std::string_view text, std::size_t least) {
    std::size_t end = text.size();
    const std::size_t tail = end > 6 ? end - 6 : 0;
    while (end > tail && std::string_view(" [({at@\"*AT").find(text[end - 1]) != std::string_view::npos) --end;
    while (end < text.size() && std::string_view(" \"*[({").find(text[end]) == std::string_view::npos) ++end;
    if (end > 1 && end == text.size() && is_alnum(byte_of(text, end - 1)) && text[end - 2] == ' ') --end;
    if (end == text.size()) return end;
    if (is_alnum(byte_of(text, end))) return spaced_start(text, end, least);
    const std::size_t spaced = text[end] == ' ' ? spaced_start(text, end + 1, least) : text.size();
    const std::size_t local = local_start(text, end, least);
    const bool is_host = local > 0 && text[local - 1] == '@';
    const bool marked = text[end] != ' ';
    const bool held = local < end && !is_host && (marked || is_telling_local(text.substr(local, end - local)));
    return std::min(spaced <= end ? spaced : text.size(), held ? local : text.size());
  }

  static void host(ScanWindow& window, std::size_t start, std::size_t begin, Findings& out) {
    const auto text = window.text();
    std::size_t end = begin;
    std::size_t last_dot = 0;
    std::size_t label = begin;
    while (is_host_byte(window.at(end)) && !changes_script(window, label, end, label > begin && end - label >= 2)) {
      if (text[end] == '.') {
        if (end == begin || text[end - 1] == '.') break;  // ".." ends the sentence, not a label
        last_dot = end;
        label = end + 1;
      }
      ++end;
    }
    if (end >= window.limit()) {
      out.push_back({kEmailType, "email", "address", {start, end}, 0.9F, Tail::host});
      return;
    }
    while (end > begin && (text[end - 1] == '.' || text[end - 1] == '-')) --end;
    if (last_dot >= end) last_dot = text.substr(0, end).rfind('.');
    if (last_dot == std::string_view::npos || last_dot <= begin || end - last_dot < 3) return;
    // A top-level domain has letters ("xn--" too); "@1.0.2" is a version.
    if (!is_a(byte_of(text, last_dot + 1), kUpper | kLower | kHigh)) return;
    out.push_back({kEmailType, "email", "address", {start, end}, 0.99F});
  }

  static void literal_host(ScanWindow& window, std::size_t start, std::size_t bracket, Findings& out) {
    std::size_t end = bracket + 1;
    while (is_alnum(window.at(end)) || window.at(end) == '.' || window.at(end) == ':') ++end;
    if (window.at(end) != ']' || end - bracket < 4) return;
    out.push_back({kEmailType, "email", "address_literal", {start, end + 1}, 0.95F});
  }

  // "jane.doe [at] example [dot] org", "k.meier AT firma DOT de".
  static void spoken(ScanWindow& window, std::size_t at, Findings& out) {
    const auto text = window.text();
    std::size_t local_end = at;
    while (local_end > 0 && at - local_end < 2 && text[local_end - 1] == ' ') --local_end;
    const bool bracket = !is_letter(byte_of(text, at));
    if (!bracket && local_end == at) return;
    // A plain word before it was let go already where a stream paused behind it; the rest of the address is enough.
    std::size_t start = local_start(text, local_end, window.first(local_end, kMaxWordBytes));
    if (start == local_end) return;
    const bool is_glued = local_end == at;
    if (!is_glued && !is_telling_local(text.substr(start, local_end - start))) start = at;
    window.begin(start);
    std::size_t i = behind_spoken(window, at, "at");
    if (i == 0) return;
    // A host of at least two labels, "dot" or '.' between them.
    int labels = 0;
    std::size_t end = 0;
    while (true) {
      while (window.at(i) == ' ') ++i;
      const std::size_t label = i;
      const auto is_part = [](int byte) { return is_host_byte(byte) && byte != '.'; };
      while (is_part(window.at(i)) && !changes_script(window, label, i, labels > 0 && i - label >= 2)) ++i;
      if (i == label) break;
      ++labels;
      end = i;
      if (window.at(i) == '.' && is_alnum(window.at(i + 1))) {
        ++i;
        continue;
      }
      std::size_t dot = i;
      while (window.at(dot) == ' ') ++dot;
      if (dot > i || !is_alnum(window.at(dot)))
        dot = behind_spoken(window, dot, "dot");
      else
        dot = 0;
      if (dot == 0) break;
      i = dot;
    }
    // "look at example.com" is prose.
    const bool spoken_dot = text.substr(at, end > at ? end - at : 0).find(' ') != std::string_view::npos;
    if (labels < 2 || (!bracket && !spoken_dot) || !is_letter(byte_of(text, end - 1))) return;
    if (!bracket && !says_dot(text.substr(at, end - at))) return;
    out.push_back({kEmailType, "email", "spelled", {start, end}, bracket ? 0.9F : 0.8F});
  }

  static bool says_dot(std::string_view text) {
    for (std::size_t i = 0; i + 5 <= text.size(); ++i) {
      if (text[i] == ' ' && to_lower(text[i + 1]) == 'd' && to_lower(text[i + 2]) == 'o' &&
          to_lower(text[i + 3]) == 't' && text[i + 4] == ' ') {
        return true;
      }
    }
    return false;
  }

  // "j o h n @ e x a m p l e . c o m".
  static void spaced(ScanWindow& window, std::size_t at, Findings& out) {
    const auto text = window.text();
    const std::size_t least = window.first(at, kMaxWordBytes);
    const std::size_t start = spaced_start(text, at, least);
    if (start == at) {  // "jane.doe @ example.org"
      const std::size_t local = local_start(text, at - 1, least);
      if (local == at - 1 || !is_telling_local(text.substr(local, at - 1 - local))) return;
      window.begin(local);
      if (window.at(at + 1) == ' ') host(window, local, at + 2, out);
      return;
    }
    window.begin(start);
    std::size_t i = at + 1;
    std::size_t end = i;
    std::size_t letters = 0;
    std::size_t dots = 0;
    while (window.at(i) == ' ' && (is_alnum(window.at(i + 1)) || window.at(i + 1) == '.' || window.at(i + 1) == '-') &&
           !is_alnum(window.at(i + 2))) {
      const bool dot = window.at(i + 1) == '.';
      if (dot && window.at(i + 2) != ' ') break;  // the end of a sentence
      dots += dot;
      letters = dot ? 0 : letters + 1;
      i += 2;
      if (!dot) end = i;
    }
    if (dots == 0 || letters < 2) return;
    out.push_back({kEmailType, "email", "spaced", {start, end}, 0.85F});
  }
};

}  // namespace

std::unique_ptr<Detector> make_email_detector() {
  return std::make_unique<EmailDetector>();
}

}  // namespace sb::policy
