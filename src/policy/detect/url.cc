#include <algorithm>
#include <array>
#include <cstdint>

#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/packed_words.h"
#include "policy/detect/scripts.h"
#include "policy/tail.h"

namespace sb::policy {
namespace {

constexpr PackedWords kUrlSchemes({"http", "https", "ftp", "ftps", "sftp", "ws", "wss", "ssh", "git", "hxxp", "hxxps"});

// Of names that stand without a scheme, only those under the most used top-level domains: "node.js" and "a.out" are
// files.
constexpr PackedWords kTopLevel({"com", "org", "net", "edu", "gov", "mil", "int", "info", "biz",     "io",
                                 "ai",  "app", "dev", "co",  "eu",  "uk",  "de",  "fr",   "es",      "it",
                                 "nl",  "be",  "ch",  "at",  "pl",  "se",  "no",  "dk",   "fi",      "pt",
                                 "ie",  "gr",  "cz",  "hu",  "ro",  "ru",  "ua",  "tr",   "us",      "ca",
                                 "mx",  "br",  "ar",  "cl",  "au",  "nz",  "in",  "jp",   "cn",      "kr",
                                 "sg",  "hk",  "tw",  "za",  "ng",  "ke",  "il",  "ae",   "example", "museum"});

bool is_label_byte(int byte) {
  return is_a(byte, kDigit | kUpper | kLower | kHigh) || byte == '-';
}

struct Host {
  std::size_t end = 0;  ///< 0: none
  std::size_t last_label = 0;
  int labels = 0;
};

Host read_host(ScanWindow& window, std::size_t at) {
  Host host;
  while (true) {
    const std::size_t label = at;
    while (is_label_byte(window.at(at)) && !changes_script(window, label, at, host.labels > 0 && at - label >= 2)) ++at;
    if (at == label) break;
    host.last_label = label;
    host.end = at;
    ++host.labels;
    if (window.at(at) != '.' || !is_label_byte(window.at(at + 1))) break;
    ++at;
  }
  return host;
}

// Between two marks of a path or query.
struct Segment {
  std::size_t begin = 0;
  std::size_t digits = 0;
  std::size_t capitals = 0;
  bool address = false;

  void add(int byte) {
    digits += is_digit(byte);
    capitals += is_a(byte, kUpper);
    address = address || byte == '@';
  }
  // An address, a long number, a key.
  bool may_be_value(std::size_t end) const {
    return address || digits >= 7 || (end - begin >= 20 && digits > 0 && capitals > 0);
  }
};

class UrlDetector final : public Detector {
 public:
  std::string_view name() const override { return "url"; }
  bool reports(std::string_view type) const override { return type == kUrlType; }
  std::vector<std::string_view> types() const override { return {kUrlType}; }
  std::string_view wake_bytes() const override { return ":."; }
  std::vector<Beside> wakes_beside() const override {
    const auto label = ByteSet::where(is_label_byte);
    return {{':', ByteSet::where(is_letter), ByteSet("/")}, {'.', label, label}};
  }

  void verify(ScanWindow& window, std::size_t at, Findings& out) const override {
    if (window.text()[at] == ':')
      scheme(window, at, out);
    else
      name_alone(window, at, out);
  }

 private:
  static void scheme(ScanWindow& window, std::size_t at, Findings& out) {
    const auto text = window.text();
    std::size_t start = at;
    while (start > 0 && at - start < 6 && is_letter(byte_of(text, start - 1))) --start;
    if (!kUrlSchemes.has_label(text.substr(start, at - start))) return;
    if (!begins_word(text, start)) return;
    window.begin(start);
    if (window.at(at + 1) != '/' || window.at(at + 2) != '/') return;
    const Host host = read_host(window, at + 3);
    if (host.end == 0 || host.labels < 2 || window.at(host.end) == '@') return;
    finish(window, start, host, 0.95F, out);
  }

  static void name_alone(ScanWindow& window, std::size_t at, Findings& out) {
    const auto text = window.text();
    if (at == 0 || !is_label_byte(byte_of(text, at - 1)) ||
        (at + 1 < text.size() && !is_label_byte(byte_of(text, at + 1))))
      return;
    static constexpr ByteSet kJoins("@.:/_\\#$%&=+");
    const std::size_t start = word_before(text, at, at > kMaxWordBytes ? at - kMaxWordBytes : 0, is_label_byte);
    if (start == at) return;
    if (start > 0 && kJoins.has(byte_of(text, start - 1))) return;
    window.begin(start);
    const Host host = read_host(window, start);
    if (host.labels < 2) return;
    const auto last = text.substr(host.last_label, host.end - host.last_label);
    const bool www =
        host.labels > 2 && at - start == 3 && to_lower(text[start]) == 'w' && to_lower(text[at - 1]) == 'w';
    if (!kTopLevel.has_label(last) || (!www && is_a(byte_of(last, 0), kUpper))) return;  // "end.It goes on"
    if (window.at(host.end) == '@' || window.at(host.end) == '_' || window.at(host.end) == '(') return;
    finish(window, start, host, www ? 0.9F : 0.6F, out);
  }

  static void finish(ScanWindow& window, std::size_t start, const Host& host, float score, Findings& out) {
    std::size_t end = host.end;
    const int next = window.at(end);
    if (next == ':' && is_digit(window.at(end + 1))) {
      ++end;
      while (is_digit(window.at(end))) ++end;
    }
    if (window.at(end) == '/' || window.at(end) == '?' || window.at(end) == '#')
      return path(window, start, end, score, out);
    const Tail tail = end >= window.limit() ? Tail::url : Tail::none;
    out.push_back({kUrlType, "url", "host_and_path", {start, end}, score, tail});
  }

  // The path, query and fragment behind a host, to their end. A finding covers what begins inside it, so what may be a
  // value of its own is one apart, less sure than whoever knows it; so is what follows that. Commas and semicolons
  // belong to a query: before one they part a list's elements.
  static void path(ScanWindow& window, std::size_t start, std::size_t at, float score, Findings& out) {
    static constexpr ByteSet kMarks("/?#&=;,:~!");
    static constexpr ByteSet kTrailing(".:!?*");
    constexpr float kDoubtful = 0.5F;
    const auto report = [&](std::size_t begin, std::size_t end, float sure, Tail tail) {
      if (begin < end) out.push_back({kUrlType, "url", "host_and_path", {begin, end}, sure, tail});
    };
    std::size_t begin = start;
    Segment segment{.begin = at};
    bool query = false;
    std::size_t end = at;
    for (bool goes_on = true; goes_on; ++end) {
      const int byte = window.at(end);
      query = query || byte == '?' || byte == '#';
      const bool listed = query && (byte == ',' || byte == ';') && is_alnum(window.at(end + 1));
      goes_on = (listed || in_tail(Tail::word, byte)) && !changes_script(window, segment.begin, end);
      if (goes_on && !kMarks.has(byte)) {
        segment.add(byte);
        continue;
      }
      if (end < window.limit() && segment.may_be_value(end)) {
        report(begin, segment.begin, score, Tail::none);
        report(segment.begin, end, kDoubtful, Tail::none);
        begin = end;
      }
      if (!goes_on) break;
      segment = {.begin = end + 1};
    }
    const bool open = end >= window.limit();
    while (!open && end > begin && kTrailing.has(byte_of(window.text(), end - 1))) --end;
    report(begin, end, score, open ? Tail::url : Tail::none);
  }
};

}  // namespace

std::unique_ptr<Detector> make_url_detector() {
  return std::make_unique<UrlDetector>();
}

}  // namespace sb::policy
