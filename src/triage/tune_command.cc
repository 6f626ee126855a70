#include "triage/tune_command.h"

#include <fmt/ostream.h>

#include <algorithm>
#include <ostream>

#include "base/files.h"
#include "triage/dataset.h"
#include "triage/tune.h"

namespace sb::triage {

const std::string_view kTuneHelp = R"(signalbox triage tune --model MODEL --data FILE... --out MODEL [options]

Sets the threshold above which scripts answer so that a promise holds: with the stated confidence, of the scripted
answers at most a share is wrong in traffic like the data. The data: labelled texts the model was NOT trained on, as in
train --help. Where they cannot support the promise nothing is written and the message says how many it takes.

  --wrong-scripts P     most wrong ones among scripted answers (0.01)
  --confidence P        that the promise holds (0.95)
  --out-of-scope P      promise it for traffic with this share of queries that fit no intent (as in the data)
  --routes FILE         its "equivalent_intents" count as right for each other
  --rehearse N          tunes on N random halves of the data, tries each on the other half, and prints what was realised
  --encoder FILE        as in train --help
)";

namespace {

std::vector<Tried> try_texts(const IntentModel& model, const std::vector<Example>& examples, const RouteMap* routes) {
  std::vector<Tried> out;
  for (const auto& example : examples) {
    const auto p = model.predict(example.text);
    const auto* label = model.find_label(example.intent);
    const double human = p.kind_mass[static_cast<std::size_t>(AnswerKind::human)];
    const bool may = p.kind == AnswerKind::script && human < p.limits.veto && human < p.limits.human && !p.truncated;
    const bool outside = !label || label->out_of_scope;
    const bool right = p.intent == example.intent || (routes && routes->same_intent(p.intent, example.intent));
    out.push_back({may ? p.script_score : 0, right && !outside, outside, label && label->kind == AnswerKind::script});
  }
  return out;
}

// How often which share of wrong scripts came true, as bars of text.
void print_rehearsals(std::vector<double> shares, double target, std::ostream& out) {
  constexpr std::size_t kBars = 12;
  constexpr std::size_t kWidth = 50;
  const auto refused = std::erase_if(shares, [](double share) { return share < 0; });
  fmt::print(out, "rehearsals: {} halves supported no threshold, {} did", refused, shares.size());
  if (shares.empty()) {
    out << '\n';
    return;
  }
  std::array<std::size_t, kBars> counts{};
  for (const double share : shares) ++counts[std::min(static_cast<std::size_t>(share / target * 8), kBars - 1)];
  const auto kept = std::ranges::count_if(shares, [&](double share) { return share <= target; });
  fmt::print(out, "; of these {:.1f} % realised at most {:.2f} % wrong scripts\n",
             100.0 * static_cast<double>(kept) / static_cast<double>(shares.size()), target * 100);
  for (std::size_t bar = 0; bar < kBars; ++bar) {
    fmt::print(out, "  {} {:5.2f} %  {:5}  {}\n", bar + 1 == kBars ? "from" : "  to",
               100 * target * static_cast<double>(bar + 1 == kBars ? bar : bar + 1) / 8, counts[bar],
               std::string(counts[bar] * kWidth / shares.size(), '#'));
  }
}

}  // namespace

Result<> run_tune(const Options& options, const IntentModel& model, std::ostream& out) {
  TuneTarget target;
  SB_CHECK(options.rate("--wrong-scripts", target.wrong_scripts));
  SB_CHECK(options.rate("--confidence", target.confidence));
  SB_CHECK(options.rate("--out-of-scope", target.out_of_scope));
  if (target.wrong_scripts <= 0 || target.wrong_scripts >= 1 || target.confidence >= 1) {
    return fail(Errc::invalid_argument,
                "--wrong-scripts and --confidence lie between 0 and 1: nothing is ever certain");
  }
  SB_TRY(const auto path, options.one("--out"));
  SB_TRY(const auto dataset, read_dataset(options.list("--data")));
  std::optional<RouteMap> routes;
  if (options.has("--routes")) {
    SB_TRY(const auto name, options.one("--routes"));
    SB_TRY(routes, read_routes(name));
  }
  const auto tried = try_texts(model, dataset.examples, routes ? &*routes : nullptr);
  std::size_t times = 0;
  SB_CHECK(options.number("--rehearse", times));
  if (times > 0) print_rehearsals(rehearse_tuning(tried, target, times, 1), target.wrong_scripts, out);
  SB_TRY(const auto tuned, tune(tried, target));
  auto data = model.data();
  data.thresholds.script = tuned.threshold;
  if (data.sentence) data.sentence->thresholds.script = tuned.threshold;
  SB_CHECK(replace_file(path, encode_model(data)));
  fmt::print(out,
             "script at {:.4f}: {:.1f} % of scriptable texts; {} wrong of {} scripted, at most {:.2f} % with {:.0f} % "
             "confidence\nwrote {}, version {}\n",
             tuned.threshold, tuned.scripted_share * 100, tuned.wrong, tuned.scripted, tuned.bound * 100,
             target.confidence * 100, path, IntentModel::from_data(std::move(data)).version());
  return {};
}

}  // namespace sb::triage
