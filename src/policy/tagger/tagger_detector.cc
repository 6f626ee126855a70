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
constexpr std::array kTypes = {tagger::type_of(Label::person), tagger::type_of(Label::place),
                               tagger::type_of(Label::organisation), tagger::type_of(Label::group)};

class TaggerDetector final : public Detector {
 public:
  explicit TaggerDetector(std::shared_ptr<const tagger::Model> model) : model_(std::move(model)) {}

  std::string_view name() const override { return "tagger"; }

  bool reports(std::string_view type) const override { return std::ranges::find(kTypes, type) != std::end(kTypes); }

  std::vector<std::string_view> types() const override { return {std::begin(kTypes), std::end(kTypes)}; }

  bool sweeps() const override { return true; }

  std::size_t sweep(const Sweep& in, Findings& out) const override {
    thread_local tagger::Scratch scratch;
    thread_local std::vector<tagger::TaggedSpan> spans;
    spans.clear();
    const std::size_t decided = tag(*model_, {in.text, in.from, in.complete, in.label}, scratch, spans);
    for (const auto& span : spans) {
      const auto type = std::ranges::find(kTypes, type_of(span.label));
      if (span.score < kLeastScore || type == std::end(kTypes)) continue;
      out.push_back({*type, name(), rule_of(span.label), span.span, span.score});
    }
    return decided;
  }

 private:
  static std::string_view rule_of(Label label) {
    constexpr std::array<std::string_view, kLabels> kRules = {"",       "name",  "place", "organisation",
                                                              "street", "group", "title", "age"};
    return kRules[static_cast<std::size_t>(label)];
  }

  std::shared_ptr<const tagger::Model> model_;
};

}  // namespace

Result<std::shared_ptr<const tagger::Model>> load_tagger_model(std::string_view bytes, std::string_view origin) {
  SB_TRY(auto data, tagger::read_model(bytes, origin));
  return std::make_shared<const tagger::Model>(std::move(data));
}

std::shared_ptr<const Detector> make_tagger_detector(std::shared_ptr<const tagger::Model> model) {
  return std::make_shared<TaggerDetector>(std::move(model));
}

std::shared_ptr<const Detector> make_tagger_detector() {
  return make_tagger_detector(shipped_tagger_model());
}

}  // namespace sb::policy
