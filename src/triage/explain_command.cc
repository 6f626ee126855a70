#include "triage/explain_command.h"

#include <fmt/ostream.h>

#include <fmt/ranges.h>

#include <algorithm>
#include <ostream>
#include <ranges>

#include "triage/command_models.h"
#include "triage/explain.h"

namespace sb::triage {

const std::string_view kExplainHelp = R"(signalbox triage explain TEXT --model MODEL [--config TRIAGE] [options]
signalbox triage explain --data DIR --run ID

Why a text takes its route: the rules and limits that decided, and where the limit for scripts comes from; the features
that spoke for the intent and for the runner-up; the nearest training texts; and the words without which the text would
have taken another route. With --data and --run: what the record says of a decision that was taken, without its text.

  --config FILE    the triage document: its rules, thresholds and scripts; with its own model where --model is not given
  --text TEXT      the same as TEXT at the front, or at the end
  --jsonl FILE     explains each line's "text" (or "prompt") instead, one JSON object a line; "-" reads standard input
  --json           one JSON object instead of lines for people
  --features N     so many of the strongest features (8)
  --training F...  the files the model was trained on, in the same order: the nearest texts are quoted
  --encoder FILE   as in train --help
)";

namespace {

constexpr std::size_t kFeatures = 8;

// The very files of training, or the numbers of the nearest texts would mean other texts.
Result<std::vector<Example>> training_texts(const Options& options, const ModelData& model) {
  if (!options.has("--training")) return std::vector<Example>();
  SB_TRY(auto dataset, read_dataset(options.list("--training")));
  const auto& files = model.provenance.files;
  const bool same = std::ranges::equal(dataset.files, files, {}, &TrainingFile::sha256, &TrainingFile::sha256);
  if (same) return std::move(dataset.examples);
  return fail(Errc::invalid_argument, fmt::format("--training: the model was trained on other files: {}",
                                                  fmt::join(files | std::views::transform(&TrainingFile::name), ", ")));
}

Result<> explain_recorded(const Options& options, const ReadDecision& read_decision, std::ostream& out) {
  SB_TRY(const auto data, options.one("--data"));
  SB_TRY(const auto run, options.one("--run"));
  SB_TRY(const auto decision, read_decision(data, run));
  if (options.has("--json")) {
    fmt::print(out, "{}\n", to_text(decision));
    return {};
  }
  out << recorded_lines(decision);
  return {};
}

}  // namespace

Strings with_text_named(std::span<const std::string> args) {
  const auto is_option = [](const std::string& arg) { return arg.starts_with("--"); };
  Strings out(args.begin(), args.end());
  if (out.empty()) return out;
  if (!is_option(out.front())) {
    out.insert(out.begin(), "--text");
    return out;
  }
  const auto last = std::ranges::find_if(out.rbegin(), out.rend(), is_option);
  const auto values = last - out.rbegin();
  const bool takes_none = *last == "--json";
  const bool takes_several = *last == "--text" || *last == "--training";
  // The last option has what it takes, and one more stands behind it.
  if (!takes_several && values == (takes_none ? 1 : 2)) out.insert(out.end() - 1, "--text");
  return out;
}

Result<> run_explain(const Options& options, const ReadDecision& read_decision, std::istream& in, std::ostream& out) {
  if (options.has("--run")) {
    if (!read_decision)
      return fail(Errc::unsupported, "recorded decisions are read by `signalbox triage explain` only");
    return explain_recorded(options, read_decision, out);
  }
  SB_TRY(const auto router, load_router(options));
  std::size_t features = kFeatures;
  SB_CHECK(options.number("--features", features));
  SB_TRY(const auto training, training_texts(options, router->model()->data()));
  const auto explained = [&](std::string_view text) {
    return explain(*router, {.text = text, .prompt_bytes = text.size()});
  };
  if (options.has("--jsonl")) {
    SB_TRY(const auto source, options.one("--jsonl"));
    return each_line(source, in, [&](std::string_view line) -> Result<> {
      SB_TRY(auto value, parse_json(line));
      SB_TRY(const auto text, text_of(value));
      value.get_object()["explanation"] = to_json(explained(text), training, features);
      fmt::print(out, "{}\n", to_text(value));
      return {};
    });
  }
  if (!options.has("--text")) {
    return fail(Errc::invalid_argument, "explain needs a text, --jsonl FILE, or --data DIR --run ID; see --help");
  }
  const auto text = fmt::format("{}", fmt::join(options.list("--text"), " "));
  const auto explanation = explained(text);
  if (options.has("--json"))
    fmt::print(out, "{}\n", to_text(to_json(explanation, training, features)));
  else
    out << to_lines(explanation, training, features);
  return {};
}

}  // namespace sb::triage
