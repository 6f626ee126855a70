#include "triage/trial.h"

#include <chrono>

namespace sb::triage {

std::vector<Trial> try_texts(const Router& router, std::span<const Example> examples, const RouteMap& routes) {
  const auto& model = *router.model();
  const auto never = router.with_script_threshold(1.1);
  const auto always = router.with_script_threshold(0);
  std::vector<Trial> out;
  out.reserve(examples.size());
  for (const auto& example : examples) {
    Trial trial;
    trial.example = &example;
    const auto begin = std::chrono::steady_clock::now();
    trial.said = model.predict(example.text);
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    trial.latency_us = took.count();
    const auto* label = model.find_label(example.intent);
    trial.outside = !label || label->out_of_scope;
    trial.truth = label ? label->kind : AnswerKind::none;
    trial.right = routes.same_intent(trial.said.intent, example.intent);
    const RouteQuery query{.text = example.text, .prompt_bytes = example.text.size()};
    trial.route = router.decide(query, &trial.said).route;
    trial.unscripted = never->decide(query, &trial.said).route;
    trial.scriptable = trial.unscripted != Route::script && always->decide(query, &trial.said).route == Route::script;
    out.push_back(trial);
  }
  return out;
}

}  // namespace sb::triage
