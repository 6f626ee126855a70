#include "triage/tune_command.h"

#include <fmt/ostream.h>

#include <algorithm>
#include <ostream>

#include "base/files.h"
#include "triage/calibrate.h"
#include "triage/command_models.h"
#include "triage/evaluate_command.h"
#include "triage/report.h"

namespace sb::triage {

const std::string_view kTuneHelp = R"(signalbox triage tune --model MODEL --data FILE... --out MODEL [options]

Sets the threshold above which scripts answer so that a promise holds: with the stated confidence, of the scripted
answers at most a share is wrong in traffic like the data. The data: labelled texts the model was NOT trained on, as in
train --help. Where they cannot support the promise nothing is written and the message says how many it takes.

  --wrong-scripts P     most wrong ones among scripted answers (0.01)
  --confidence P        that the promise holds (0.95)
  --out-of-scope P      promise it for traffic with this share of queries that fit no intent (as in the data)
  --routes FILE         its "equivalent_intents" count as right for each other
  --rehearse N          tunes N times on texts drawn at random from the data, and prints how often the promise held
  --sizes TEXTS...      so many texts a draw (half of the data, all, twice and four times as many)
  --price NAME=X...     as in eval --help
  --encoder FILE        as in train --help
  --html FILE           also writes a page with plots, where the promise is refused, too
)";

namespace {

std::vector<Tried> tried_of(std::span<const Trial> trials) {
  std::vector<Tried> out;
  for (const auto& trial : trials) {
    out.push_back({trial.score(), trial.right_script(), trial.outside, trial.truth == AnswerKind::script});
  }
  return out;
}

Result<TuneTarget> target_of(const Options& options) {
  TuneTarget target;
  SB_CHECK(options.rate("--wrong-scripts", target.wrong_scripts));
  SB_CHECK(options.rate("--confidence", target.confidence));
  SB_CHECK(options.rate("--out-of-scope", target.out_of_scope));
  if (target.wrong_scripts <= 0 || target.wrong_scripts >= 1 || target.confidence >= 1) {
    return fail(Errc::invalid_argument,
                "--wrong-scripts and --confidence lie between 0 and 1: nothing is ever certain");
  }
  return target;
}

// How often which share of wrong scripts came true, as bars of text.
void print(const Rehearsals& rehearsals, double target, std::ostream& out) {
  constexpr std::size_t kWidth = 50;
  const auto sum = summary_of(rehearsals, target);
  fmt::print(out, "{} texts: {:.1f} % of {} recalibrations could promise {:.2f} %", rehearsals.texts,
             sum.promised * 100, rehearsals.times, target * 100);
  if (rehearsals.wrong.empty()) {
    out << '\n';
    return;
  }
  fmt::print(out, "; {:.1f} % kept what they promised, or promised nothing; {:.1f} % of scriptable texts scripted\n",
             sum.kept * 100, sum.scripted_share * 100);
  const auto bars = histogram_of(rehearsals, target);
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const bool last = i + 1 == bars.size();
    fmt::print(out, "  {} {:5.2f} %  {:5}  {}\n", last ? "from" : "  to",
               100 * (last ? bars[i].from : bars[i + 1].from), bars[i].count,
               std::string(bars[i].count * kWidth / rehearsals.wrong.size(), '#'));
  }
}

// Samples of --sizes texts; without it of half of the data, all of it, and twice and four times as much.
Result<std::vector<Rehearsals>> rehearse(const Options& options, std::span<const Tried> tried, const TuneTarget& target,
                                         std::ostream& out) {
  std::size_t times = 0;
  SB_CHECK(options.number("--rehearse", times));
  std::vector<std::size_t> sizes;
  for (const auto& size : options.list("--sizes")) {
    SB_TRY(const auto texts, Options::number_of<std::size_t>("--sizes", size));
    sizes.push_back(texts);
  }
  if (sizes.empty()) sizes = {tried.size() / 2, tried.size(), tried.size() * 2, tried.size() * 4};
  std::vector<Rehearsals> all;
  for (const auto texts : sizes) {
    if (times == 0) break;
    all.push_back(rehearse_tuning(tried, target, texts, times, 1));
    print(all.back(), target.wrong_scripts, out);
  }
  return all;
}

}  // namespace

Result<> run_tune(const Options& options, std::ostream& out) {
  SB_TRY(const auto target, target_of(options));
  SB_TRY(const auto path, options.one("--out"));
  SB_TRY(auto model, load_model(options));
  SB_TRY(const auto routes, load_routes(options));
  SB_TRY(const auto dataset, read_dataset(options.list("--data")));
  auto router = Router::of_model(model);
  const auto trials = try_texts(*router, dataset.examples, routes);
  const auto tried = tried_of(trials);
  TuneReport report{.target = target};
  SB_TRY(report.rehearsals, rehearse(options, tried, target, out));
  const auto tuned = tune(tried, target, &report.steps);
  if (tuned) {
    report.tuned = *tuned;
    router = router->with_script_threshold(tuned->threshold);
  } else {
    report.refusal = tuned.error().detail;
  }
  const auto routed = try_texts(*router, dataset.examples, routes);
  const auto costs = economics(routed, routes.prices);
  if (options.has("--html")) {
    SB_TRY(const auto page, options.one("--html"));
    const auto subject = fmt::format("model {} tuned on {} texts", model.version(), trials.size());
    SB_CHECK(replace_file(page, html_report(subject, routed, evaluate(routed, model.has_routes()), &costs, &report)));
  }
  if (!tuned) return std::unexpected(tuned.error());
  auto data = model.data();
  // Every look gets it: the texts were looked at by those that production asks.
  data.thresholds.script = tuned->threshold;
  data.origin = {"tune",       target.wrong_scripts, target.confidence, target.out_of_scope, six_digits(tuned->bound),
                 trials.size()};
  for (auto* heads : {&data.early, &data.sentence}) {
    if (!*heads) continue;
    (*heads)->thresholds.script = tuned->threshold;
    (*heads)->origin = data.origin;
  }
  SB_CHECK(replace_file(path, encode_model(data)));
  fmt::print(out,
             "script at {:.4f}: {:.1f} % of scriptable texts; {} wrong of {} scripted, at most {:.2f} % with {:.0f} % "
             "confidence\nwrote {}, version {}\n",
             tuned->threshold, tuned->scripted_share * 100, tuned->wrong, tuned->scripted, tuned->bound * 100,
             target.confidence * 100, path, IntentModel::from_data(std::move(data)).version());
  print(costs, out);
  return {};
}

}  // namespace sb::triage
