#include "injection_training.h"

#include "flow/injection.h"
#include "triage/train.h"

namespace sb {

Result<std::unique_ptr<const policy::InjectionScorer>> train_injection_scorer(
    std::span<const policy::FamilyText* const> texts) {
  triage::Dataset dataset;
  for (const auto* text : texts)
    dataset.examples.push_back({text->text, text->attack ? "attack" : "plain", text->attack ? "human" : "generative"});
  triage::TrainOptions options;
  options.learn.dimension = 8;
  SB_TRY(const auto trained, triage::train(dataset, nullptr, options, [](double) {}));
  return flow::make_injection_scorer(triage::encode_model(trained.data));
}

}  // namespace sb
