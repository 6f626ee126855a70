#include "flow/injection.h"

#include <algorithm>

#include "triage/classifier.h"

namespace sb::flow {
namespace {

// An instruction hidden in a page must not drown in it: pieces are about as long as the texts that were learnt.
constexpr std::size_t kPieceBytes = 192;
constexpr std::size_t kStepBytes = kPieceBytes / 2;

class ClassifierScorer final : public policy::InjectionScorer {
 public:
  explicit ClassifierScorer(triage::IntentModel model) : model_(std::move(model)) {}

  double score(std::string_view text) const override {
    double most = 0;
    for (std::size_t at = 0; at == 0 || at + kStepBytes < text.size(); at += kStepBytes) {
      std::size_t begin = at;
      while (begin > 0 && begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) --begin;
      std::size_t end = std::min(text.size(), at + kPieceBytes);
      while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
      const auto said = model_.predict(text.substr(begin, end - begin));
      if (said.readable) most = std::max(most, said.kind_mass[static_cast<std::size_t>(triage::AnswerKind::human)]);
    }
    return most;
  }
  std::string_view version() const override { return model_.version(); }

 private:
  triage::IntentModel model_;
};

Result<std::unique_ptr<const policy::InjectionScorer>> wrap(Result<triage::IntentModel> model) {
  if (!model) return std::unexpected(model.error());
  const auto& labels = model->data().labels;
  if (std::ranges::none_of(labels, [](const auto& label) { return label.kind == triage::AnswerKind::human; }))
    return fail(Errc::unsupported, "an injection classifier needs labels with the route \"human\": the attacks");
  return std::make_unique<const ClassifierScorer>(*std::move(model));
}

}  // namespace

Result<std::unique_ptr<const policy::InjectionScorer>> make_injection_scorer(std::string_view model_bytes) {
  return wrap(triage::IntentModel::load(model_bytes));
}

Result<std::unique_ptr<const policy::InjectionScorer>> load_injection_scorer(const std::string& path) {
  return wrap(triage::IntentModel::load_file(path));
}

}  // namespace sb::flow
