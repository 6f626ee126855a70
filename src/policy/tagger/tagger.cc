#include "policy/tagger/tagger.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/errors.h"

namespace sb::policy::tagger {
namespace {

constexpr std::size_t kContextBytes = 2 * kSightBytes;  // sight of a token in sight
constexpr std::size_t kSliceBytes = 2048;               // a long text is read as a stream is, piece by piece
constexpr std::size_t kChainAhead = 3;                  // neighbours whose labels speak for or against this token's
constexpr std::size_t kChainBack = 3;
constexpr float kSurelyNothing = 0.995F;  // of a token alone: its neighbours are not asked
constexpr float kLeast = 0.15F;           // spans that begin less likely than this are not worth a finding: "faint"
constexpr float kFaintest = 0.03F;        // and not worth a word
// A span of more tokens in one sight is no name but a row of initials: it ends there, and is not looked at so often.
constexpr std::size_t kMaxSpanTokens = 16;
constexpr std::size_t kLooksAhead = 8;   // tokens whose place in the lists of names is on its way
constexpr std::int64_t kNotLooked = -1;  // `end` of a look that nobody took yet
constexpr float kGoOn = 0.3F;            // a span goes on over tokens that are at least this likely of its kind

// Where the character begins that the end of `text` cuts, else its size.
std::size_t whole_characters(std::string_view text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const std::size_t need = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return need > back ? text.size() - back : text.size();
  }
  return text.size();
}

// Letters and digits, or digits alone, as no name holds: "AB123456C".
bool is_serial(const Token& token) {
  const bool mixed = token.shape == Shape::digit_first || token.shape == Shape::letter_first;
  return (mixed && token.length >= 8) || token.shape == Shape::digits6 || token.shape == Shape::digits_more;
}

class Reading {
 public:
  // Tokens that begin before `from` are only context. Of a text that ends behind a whole character or that nothing
  // follows, all is `readable`.
  Reading(const Model& model, std::string_view text, std::size_t readable, std::size_t from, bool complete,
          std::uint32_t field, std::size_t offset, const Fold* fold, Scratch& scratch)
      : model_(model),
        size_(static_cast<std::int64_t>(text.size())),
        readable_(readable),
        complete_(complete),
        s_(scratch) {
    tokenise(text.substr(0, readable_), s_.tokens, field);
    if (fold && !fold->is_sparse()) narrow_windows(*fold, offset);
    const Gazetteer gazetteer = model.gazetteer();
    for (std::size_t i = 0; i < s_.tokens.size(); ++i) {
      if (i + kLooksAhead < s_.tokens.size()) gazetteer.expect(s_.tokens[i + kLooksAhead].word);
      auto& token = s_.tokens[i];
      if (token.shape <= Shape::caseless) token.gazetteer = gazetteer.find(token.word);
    }
    s_.emissions.resize(s_.tokens.size());
    s_.emission_looks.resize(s_.tokens.size());
    s_.marginals.resize(s_.tokens.size());
    s_.marginal_looks.resize(s_.tokens.size());
    for (auto& narrowed : s_.narrowed) narrowed.token = s_.tokens.size();
    first_ = first_at(from);
    emit(first_at(from < kSightBytes ? 0 : from - kSightBytes));
    for (std::size_t i = first_; i < s_.tokens.size(); ++i) {
      // No span begins with a mark: what it may be is asked where one goes on over it.
      if (s_.tokens[i].shape == Shape::mark)
        s_.marginal_looks[i].end = kNotLooked;
      else
        s_.marginals[i] = marginal_at(i, Sight::of(s_.tokens[i]), s_.marginal_looks[i]);
    }
  }

  std::size_t first() const { return first_; }
  std::size_t readable() const { return readable_; }

  // False where bytes that have not come could change what was looked at.
  bool is_decided(std::size_t i) const {
    return s_.tokens[i].shape == Shape::mark || !reached_end(s_.marginal_looks[i], Sight::of(s_.tokens[i]));
  }

  // The span that begins with token `at`; label none where there is none. `decided` is cleared if more text may change
  // it.
  TaggedSpan span_at(std::size_t at, bool& decided) const {
    const Token& first = s_.tokens[at];
    if (first.shape == Shape::mark || first.shape == Shape::overlong) return {};
    if (s_.marginals[at][0] > 1 - kFaintest / 2) return {};  // most tokens
    const Label label = best(s_.marginals[at]);
    float sum = kind_probability(s_.marginals[at], label);
    if (sum < kFaintest) return {};
    const bool faint = sum < kLeast;
    const Sight sight = Sight::of(first);
    if (is_mailbox(at, sight, decided)) return {};
    std::size_t end = first.end;
    float count = 1;
    const std::size_t limit = std::min(s_.tokens.size(), at + kMaxSpanTokens);
    for (std::size_t i = at + 1; i < limit && sight.has_end_of(s_.tokens[i]); ++i) {
      const Token& token = s_.tokens[i];
      Looked looked;
      const float p = kind_probability(marginal_within(i, sight, looked), label);
      decided = decided && !reached_end(looked, sight);
      if (p < kGoOn || (is_serial(token) && !same_kind(label, Label::place)) ||
          (token.gap == Gap::line && label == Label::person))
        break;
      if (token.shape == Shape::mark) continue;
      if (is_mailbox(i, sight, decided)) break;
      end = token.end, sum += p, ++count;
    }
    return {{first.begin, end}, label, calibrated(label, sum / count), faint};
  }

 private:
  // The emissions of the tokens from `first` on. A token's rows are asked for some tokens before they are read.
  void emit(std::size_t first) {
    constexpr std::size_t kRowsAhead = 3;
    std::array<FeatureRows, kRowsAhead + 1> rows;
    const std::size_t size = s_.tokens.size();
    for (std::size_t i = first; i < size + kRowsAhead; ++i) {
      if (i < size) {
        const auto around = neighbours(s_.tokens, i, Sight::around(s_.tokens[i]), s_.emission_looks[i]);
        model_.find_rows(around, rows[i % rows.size()]);
      }
      if (i >= first + kRowsAhead) s_.emissions[i - kRowsAhead] = model_.emission(rows[(i - kRowsAhead) % rows.size()]);
    }
  }

  // "jane.doe@host": not a name here but a part of what the e-mail detector finds, whole.
  bool is_mailbox(std::size_t at, Sight sight, bool& decided) const {
    static const std::uint32_t at_sign = word_hash("@");
    static const std::array<std::uint32_t, 3> inside = {word_hash("."), word_hash("-"), word_hash("+")};
    for (std::size_t i = at + 1; i < s_.tokens.size(); ++i) {
      const Token& token = s_.tokens[i];
      if (token.gap != Gap::none) return false;
      // Of a word that fills its own sight the '@' may stand behind it.
      if (!sight.has_end_of(token)) return sight.limit == Sight::around(s_.tokens[at]).limit;
      if (reached_end({.end = token.end}, sight)) break;
      if (token.shape != Shape::mark) continue;
      if (token.word == at_sign) return true;
      if (std::ranges::find(inside, token.word) == inside.end()) return false;
    }
    if (is_open(sight)) decided = false;
    return false;
  }

  void narrow_windows(const Fold& fold, std::size_t offset) {
    for (Token& token : s_.tokens) {
      const std::size_t window = fold.skip_characters(offset + token.begin, kSightBytes) - offset - token.begin;
      token.window = static_cast<std::uint8_t>(std::min<std::size_t>(window, kSightBytes));
    }
  }

  static Label best(const Scores& scores) {
    Scores joined = scores;
    joined[static_cast<std::size_t>(Label::place)] += joined[static_cast<std::size_t>(Label::street)];
    return static_cast<Label>(std::max_element(joined.begin() + 1, joined.end()) - joined.begin());
  }

  static float kind_probability(const Scores& scores, Label label) {
    float sum = 0;
    for (std::size_t l = 1; l < kLabels; ++l) {
      if (same_kind(static_cast<Label>(l), label)) sum += scores[l];
    }
    return sum;
  }

  // Whether bytes that have not come yet may be in sight.
  bool is_open(const Sight& sight) const { return !complete_ && sight.window > size_; }

  // Whether they may change what was seen.
  bool reached_end(const Looked& looked, const Sight& sight) const {
    return is_open(sight) && (looked.wanted_more || looked.end >= static_cast<std::int64_t>(readable_));
  }

  std::size_t first_at(std::size_t byte) const {
    const auto found = std::ranges::lower_bound(s_.tokens, byte, {}, &Token::begin);
    return static_cast<std::size_t>(found - s_.tokens.begin());
  }

  float calibrated(Label label, float p) const {
    const auto l = static_cast<std::size_t>(label);
    p = std::clamp(p, 0.001F, 0.999F);
    const float odds = model_.data().slope[l] * std::log(p / (1 - p)) + model_.data().shift[l];
    return 1 / (1 + std::exp(-odds));
  }

  // Of token i by what `sight` (of an earlier token) and its own let see.
  Scores marginal_within(std::size_t i, Sight sight, Looked& looked) const {
    if (s_.marginal_looks[i].end == kNotLooked)
      s_.marginals[i] = marginal_at(i, Sight::of(s_.tokens[i]), s_.marginal_looks[i]);
    looked = s_.marginal_looks[i];
    if (sight.has_end(looked.end)) return s_.marginals[i];
    // Before the token its own sight goes further back than that of an earlier one is asked for.
    const Sight own = Sight::of(s_.tokens[i]);
    return marginal_at(i, own.within({own.low, sight.limit, sight.window}), looked);
  }

  // The emission of token `at` by what `sight` and its own let see; `all` learns how far that went. What it refers to
  // stays for the sixteen tokens around it.
  const Scores& emission_within(std::size_t at, Sight sight, Looked& all) const {
    const Looked& known = s_.emission_looks[at];
    if (known.low < sight.low || !sight.has_end(known.end)) return narrowed_emission(at, sight, all);
    all.add(known);
    return s_.emissions[at];
  }

  [[gnu::noinline]] const Scores& narrowed_emission(std::size_t at, Sight sight, Looked& all) const {
    Looked one;
    const auto around = neighbours(s_.tokens, at, sight, one);
    all.add(one);
    auto& narrowed = s_.narrowed[at % s_.narrowed.size()];
    // How far it looked says which neighbours it saw.
    if (narrowed.token != at || narrowed.looked != one) narrowed = {at, one, model_.emission(around)};
    return narrowed.emission;
  }

  Scores marginal_at(std::size_t i, Sight sight, Looked& looked) const {
    Looked all{.low = std::numeric_limits<std::int64_t>::max()};
    const Scores* own = &emission_within(i, sight, all);
    const float total = sum_of(*own);
    if ((*own)[0] > kSurelyNothing * total) {
      looked = all;
      Scores sure = *own;
      for (auto& value : sure) value /= total;
      return sure;
    }
    std::array<const Scores*, kChainBack + 1 + kChainAhead> chain;
    std::size_t first = i;
    while (first > 0 && i - first < kChainBack && sight.has_start_of(s_.tokens[first - 1])) --first;
    std::size_t size = 0;
    const std::size_t count = s_.tokens.size();
    for (std::size_t j = first; j <= i + kChainAhead; ++j) {
      if (j >= count) {
        all.wanted_more = true;
        break;
      }
      if (j > i && !sight.has_end_of(s_.tokens[j])) break;
      chain[size++] = j == i ? own : &emission_within(j, sight, all);
    }
    looked = all;
    return marginal({chain.data(), size}, i - first, model_.transitions());
  }

  const Model& model_;
  std::int64_t size_;
  std::size_t readable_;  // without a character that the end cuts
  bool complete_;
  Scratch& s_;
  std::size_t first_ = 0;
};

// `in`: of the whole text; the slice begins at `offset` and ends at `stop`.
std::size_t tag_slice(const Model& model, const TagInput& in, std::size_t offset, std::size_t stop, std::size_t from,
                      std::uint32_t field, Scratch& scratch, std::vector<TaggedSpan>& out) {
  const auto text = in.text.substr(offset, stop - offset);
  const bool last = stop == in.text.size();
  // Folding left out a character that the end cuts; what looks like one is none.
  const std::size_t readable = last && (in.complete || in.fold) ? text.size() : whole_characters(text);
  const Reading reading(model, text, readable, from - offset, last && in.complete, field, offset, in.fold, scratch);
  for (std::size_t i = reading.first(); i < scratch.tokens.size(); ++i) {
    bool decided = reading.is_decided(i);
    TaggedSpan span;
    if (decided) span = reading.span_at(i, decided);
    if (!decided) return scratch.tokens[i].begin;
    if (span.label == Label::none) continue;
    span.span.begin += offset, span.span.end += offset;
    out.push_back(span);
  }
  return reading.readable();
}

}  // namespace

std::size_t tag(const Model& model, const TagInput& in, Scratch& scratch, std::vector<TaggedSpan>& out) {
  const std::uint32_t field = key_hash(in.label);
  for (std::size_t from = in.from;;) {
    const std::size_t context = from < kContextBytes ? 0 : from - kContextBytes;
    const std::size_t stop = std::min(in.text.size(), from + kSliceBytes);
    const std::size_t decided =
        context + tag_slice(model, in, context, stop, from, context == 0 ? field : 0, scratch, out);
    if (stop == in.text.size()) return std::max(decided, in.from);
    // A slice is longer than a sight: its first tokens at least are decided.
    SB_ASSERT(decided > from);
    from = decided;
  }
}

}  // namespace sb::policy::tagger
