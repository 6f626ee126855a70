#include "policy/message_seams.h"

#include <algorithm>

#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

namespace od = simdjson::ondemand;

// What a candidate is decided by, behind the seam and before it, generously.
constexpr std::size_t kHeadBytes = kWindowRawBytes;
constexpr std::size_t kTailBytes = 256;

class Reader {
 public:
  explicit Reader(const char* base) : base_(base) {}

  // False: broken.
  bool messages(od::value value) {
    od::array array;
    if (value.get_array().get(array)) return true;
    for (auto element : array) {
      od::value item;
      if (std::move(element).get(item)) return false;
      if (!message(item)) return false;
      ++message_;
    }
    return true;
  }

  std::vector<SaidText> take() { return std::move(texts_); }

 private:
  bool message(od::value value) {
    od::object object;
    if (value.get_object().get(object)) return true;
    const std::size_t first = texts_.size();
    std::string_view role;
    for (auto member : object) {
      od::field field;
      std::string_view key;
      if (std::move(member).get(field) || field.unescaped_key().get(key)) return false;
      if (key == "role") {
        (void)field.value().get_string().get(role);
      } else if (key == "content" && !content(field.value())) {
        return false;
      }
    }
    for (std::size_t i = first; i < texts_.size(); ++i) texts_[i].role = role;
    return true;
  }

  bool content(od::value value) {
    od::json_type type;
    if (value.type().get(type)) return false;
    if (type == od::json_type::string) return text(value);
    if (type != od::json_type::array) return true;
    for (auto element : value.get_array()) {
      od::object part;
      if (std::move(element).get_object().get(part)) continue;
      for (auto member : part) {
        od::field field;
        std::string_view key;
        if (std::move(member).get(field) || field.unescaped_key().get(key)) return false;
        if (key == "text" && !text(field.value())) return false;
      }
    }
    return true;
  }

  bool text(od::value value) {
    const std::string_view token = value.raw_json_token();
    std::string_view said;
    if (value.get_string().get(said)) return token.empty() || token[0] != '"';
    texts_.push_back({{}, message_, static_cast<std::size_t>(token.data() - base_) + 1, said});
    return true;
  }

  const char* base_;
  std::size_t message_ = 0;
  std::vector<SaidText> texts_;
};

// Whether a half of a number may end at the end of `text`, its bytes taken by at(0), at(1), ... from there: behind
// blanks and a mark stands a word with a digit, or a short one and a digit behind that ("GB29 NWBK").
template <class At>
bool has_half(At at) {
  static constexpr ByteSet kMarks("-./:()+");
  constexpr std::size_t kMostBlanks = 4, kShortWord = 4, kMostWord = 40;
  std::size_t i = 0;
  for (std::size_t marks = 0; i < kMostBlanks; ++i) {
    if (!is_a(at(i), kBlank) && !(kMarks.has(at(i)) && ++marks == 1)) break;
  }
  const std::size_t word = i;
  for (; i - word < kMostWord && is_alnum(at(i)); ++i) {
    if (is_digit(at(i))) return true;
  }
  return i > word && i - word <= kShortWord && is_digit(at(i + 1));
}

bool may_go_on(const SaidText& text, const SaidText& next) {
  if (text.role != next.role || text.message == next.message) return false;
  const auto back = [&](std::size_t i) {
    return i < text.text.size() ? byte_of(text.text, text.text.size() - 1 - i) : ScanWindow::kEnd;
  };
  return has_half(back) && has_half([&](std::size_t i) { return byte_of(next.text, i); });
}

// A card, an account, a telephone number: no key, no address, no date, nothing that a tagger reads out of words.
bool is_number_like(const Finding& finding, std::string_view value) {
  static constexpr ByteSet kMarks("-./()+:\n\t ");
  constexpr std::size_t kLeastNumberDigits = 9;
  const bool is_other = finding.type == kSecretType || finding.type == kUrlType || finding.type.starts_with("DATE");
  if (is_other || finding.resumes) return false;
  std::size_t digits = 0, letters = 0;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    digits += is_digit(byte);
    letters += is_letter(byte);
    if (!is_alnum(byte) && !kMarks.has(byte)) return false;
  }
  return digits >= kLeastNumberDigits && letters <= digits;
}

}  // namespace

std::vector<SaidText> read_said_texts(od::document& document, const char* base) {
  od::object root;
  if (document.get_object().get(root)) return {};
  Reader reader(base);
  for (auto member : root) {
    od::field field;
    std::string_view key;
    if (std::move(member).get(field) || field.unescaped_key().get(key)) return {};
    if (key == "messages" && !reader.messages(field.value())) return {};
  }
  return reader.take();
}

// Of a text, what stands beside a seam: all of it, its beginning or its end.
struct MessageSeams::Piece {
  const SaidText* of;
  std::size_t begin;
  std::size_t size;
};

Result<Verdict> MessageSeams::find(const Policy& policy, GuardContext& context, std::vector<SaidText> texts,
                                   std::vector<GuardedFinding>& findings) {
  std::ranges::stable_sort(texts, {}, &SaidText::role);
  Verdict verdict = Verdict::allow;
  std::vector<Piece> chain;
  for (std::size_t i = 0; i + 1 < texts.size(); ++i) {
    const auto& text = texts[i];
    const auto& next = texts[i + 1];
    if (may_go_on(text, next)) {
      const std::size_t tail = std::min(text.text.size(), kTailBytes);
      if (chain.empty()) chain.push_back({&text, text.text.size() - tail, tail});
      const bool is_short = next.text.size() <= kHeadBytes;
      chain.push_back({&next, 0, is_short ? next.text.size() : kHeadBytes});
      if (is_short && i + 2 < texts.size()) continue;
    }
    if (chain.empty()) continue;
    SB_TRY(const Verdict one, find_in(policy, context, chain, findings));
    verdict = std::max(verdict, one);
    chain.clear();
  }
  return verdict;
}

Result<Verdict> MessageSeams::find_in(const Policy& policy, GuardContext& context, const std::vector<Piece>& chain,
                                      std::vector<GuardedFinding>& findings) {
  std::vector<std::string> texts;
  for (const auto& piece : chain) texts.emplace_back(piece.of->text.substr(piece.begin, piece.size));
  std::vector<PartCut> cuts;
  SB_TRY(const Verdict verdict, cut_seams(policy, context, texts, cuts, findings, is_number_like));
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const Piece& piece = chain[i];
    PartCut& one = cuts[i];
    if (one.begin == 0 && one.end == piece.size) continue;
    PartCut& text = cuts_.try_emplace(piece.of->offset, PartCut{0, piece.of->text.size()}).first->second;
    if (one.begin > 0) text.begin = piece.begin + one.begin;
    if (one.end == piece.size) continue;
    text.end = piece.begin + one.end;
    text.behind = std::move(one.behind);
  }
  return verdict;
}

const PartCut* MessageSeams::cut_at(std::size_t offset) const {
  const auto found = cuts_.find(offset);
  return found == cuts_.end() ? nullptr : &found->second;
}

}  // namespace sb::policy
