#include "policy/tagger/tagger_detector.h"

#include <algorithm>
#include <array>

#include "policy/tagger/tagger.h"

namespace sb::policy {
namespace {

using tagger::kLabels;
using tagger::Label;

// Less likely spans are not worth a person's look. A policy's own `min_score` says more: 0.5 to treat, this to ask.
constexpr float kLeastScore = 0.3F;

// The scanner tells types by where their names stand in memory: all come from this one list.
constexpr std::array kTaggerTypes = {tagger::type_of(Label::person), tagger::type_of(Label::place),
                                     tagger::type_of(Label::organisation), tagger::type_of(Label::group)};

// Of a name that is as likely as this, each word is remembered for the rest of the document...
constexpr float kSureName = 0.8F;
// ...and where one of them stands again, that it is a name is so much more likely (a factor of its odds).
constexpr float kNamedBefore = 30;

float when_named_before(float p) {
  return kNamedBefore * p / (1 + (kNamedBefore - 1) * p);
}

class TaggerDetector final : public Detector {
 public:
  explicit TaggerDetector(std::shared_ptr<const tagger::Model> model) : model_(std::move(model)) {}

  std::string_view name() const override { return kTaggerName; }

  bool reports(std::string_view type) const override {
    return std::ranges::find(kTaggerTypes, type) != std::end(kTaggerTypes);
  }

  std::vector<std::string_view> types() const override { return {std::begin(kTaggerTypes), std::end(kTaggerTypes)}; }

  bool sweeps() const override { return true; }

  std::size_t sweep(const Sweep& in, Findings& out) const override {
    thread_local tagger::Scratch scratch;
    thread_local std::vector<tagger::TaggedSpan> spans;
    spans.clear();
    const std::size_t decided = tag(*model_, {in.text, in.from, in.complete, in.label, in.fold}, scratch, spans);
    for (const auto& span : spans) {
      const auto type = std::ranges::find(kTaggerTypes, type_of(span.label));
      const float score = score_of(in, span);
      if (score < kLeastScore || type == std::end(kTaggerTypes)) continue;
      out.push_back({*type, name(), rule_of(span.label), span.span, score, Tail::none, true});
    }
    return decided;
  }

 private:
  static float score_of(const Sweep& in, const tagger::TaggedSpan& span) {
    const float alone = span.faint ? 0 : span.score;
    if (span.label != Label::person || !in.names) return alone;
    if (alone >= kSureName) {
      remember(in, span);
      return alone;
    }
    return !in.names->empty() && is_named_before(in, span) ? when_named_before(span.score) : alone;
  }

  // Calls see(token) for the words of a span that tell who is meant (initials may be anybody's), until it says true.
  template <class See>
  static bool any_word(const Sweep& in, const tagger::TaggedSpan& span, See see) {
    const auto text = in.text.substr(0, span.span.end);
    for (std::size_t at = span.span.begin; at < span.span.end;) {
      const auto token = tagger::next_token(text, at);
      at = token.end;
      if (token.length >= 3 && token.shape <= tagger::Shape::caseless && see(token)) return true;
      if (span.faint) break;  // what begins so weakly is a name by its first word or not at all
    }
    return false;
  }

  static void remember(const Sweep& in, const tagger::TaggedSpan& span) {
    any_word(in, span, [&](const tagger::Token& token) {
      in.names->remember(token.word, span.span.begin);
      return false;
    });
  }

  static bool is_named_before(const Sweep& in, const tagger::TaggedSpan& span) {
    return any_word(in, span, [&](const tagger::Token& token) { return in.names->knows(token.word, span.span.begin); });
  }

  static std::string_view rule_of(Label label) {
    constexpr std::array<std::string_view, kLabels> kRules = {"",       "name",  "place", "organisation",
                                                              "street", "group", "title", "age"};
    return kRules[static_cast<std::size_t>(label)];
  }

  std::shared_ptr<const tagger::Model> model_;
};

}  // namespace

std::shared_ptr<const Detector> make_tagger_detector(std::shared_ptr<const tagger::Model> model) {
  return std::make_shared<TaggerDetector>(std::move(model));
}

std::shared_ptr<const Detector> make_tagger_detector() {
  return make_tagger_detector(shipped_tagger_model());
}

}  // namespace sb::policy
