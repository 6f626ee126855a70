#include "triage/evaluate_command.h"

#include <fmt/ostream.h>

#include <algorithm>
#include <filesystem>
#include <ostream>

#include "base/files.h"
#include "triage/command_models.h"
#include "triage/evaluate.h"
#include "triage/report.h"

namespace sb::triage {

const std::string_view kEvalHelp =
    R"(signalbox triage eval --model MODEL --data FILE... [--config TRIAGE] [options]

Prints accuracy, calibration error, out-of-scope detection and latency on labelled texts (format: train --help); for
models with routes also how much is scripted, how often wrongly, whether people get what is theirs, and what it all
costs beside both controls: the large model for everything, and the best single cheaper model.

  --config FILE      judges a triage document, rules and thresholds included; without it the model decides alone
  --routes FILE      its "equivalent_intents" count as right for each other, its "cost" are the prices
  --price NAME=X...  script, small, large, human, wrong_script, missed_human, needless_human; in units of one's own
                     (small=1 large=20, the others 0)
  --encoder FILE     as in train --help; models trained without one do not need it
  --json             one JSON object instead of lines for people
  --html FILE        also writes a page with plots: reliability, coverage against error, cost against quality, confusion
)";

Result<> run_evaluate(const Options& options, std::ostream& out) {
  const auto files = options.list("--data");
  if (files.empty()) return fail(Errc::invalid_argument, "eval needs --data FILE...; see --help");
  SB_TRY(const auto router, load_router(options));
  SB_TRY(const auto routes, load_routes(options));
  SB_TRY(const auto dataset, read_dataset(files));
  const auto& model = *router->model();
  const auto trials = try_texts(*router, dataset.examples, routes);
  const auto evaluation = evaluate(trials, model.has_routes());
  const auto costs = model.has_routes() ? std::optional(economics(trials, routes.prices)) : std::nullopt;
  if (options.has("--html")) {
    SB_TRY(const auto path, options.one("--html"));
    const auto subject = fmt::format("model {} on {} texts", model.version(), trials.size());
    SB_CHECK(replace_file(path, html_report(subject, trials, evaluation, costs ? &*costs : nullptr, nullptr)));
  }
  if (options.has("--json")) {
    print_json(evaluation, costs ? &*costs : nullptr, out);
    return {};
  }
  print(evaluation, out);
  if (costs) print(*costs, out);
  return {};
}

void print(const Economics& economics, std::ostream& out) {
  const auto rows = rows_of(economics);
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  fmt::print(out, "\nunits per 1,000 queries; whether a model's answer was right no label tells: both models pass\n");
  for (const auto& row : rows) {
    std::string line = fmt::format("{:<{}}", row[0], widths[0]);
    for (std::size_t i = 1; i < row.size(); ++i) line += fmt::format("  {:>{}}", row[i], widths[i]);
    fmt::print(out, "{}\n", line);
  }
}

}  // namespace sb::triage
