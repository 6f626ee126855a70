#include "triage/command.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/files.h"
#include "base/json.h"
#include "triage/command_models.h"
#include "triage/encoder/encoder.h"
#include "triage/evaluate_command.h"
#include "triage/likeness_command.h"
#include "triage/outcomes_command.h"
#include "triage/train.h"
#include "triage/tune_command.h"

namespace sb::triage {
namespace {

constexpr std::string_view kHelp = R"(signalbox triage: the small model that decides who answers

  train    labelled texts -> a model file, seconds to a minute
  eval     how good a model file is on labelled texts it has not seen
  tune     a target (wrong scripts, confidence) -> thresholds that keep it, or why the data cannot
  predict  adds intent, route, confidence, abstained to each JSON line
  explain  why a text takes its route, and what would have to change
  outcomes what the large model would gain, from recorded outcomes of both
  likeness how alike questions must be for one answer to do for both, from labelled texts
  encoder  weights of a sentence encoder -> the file that tier 1 reads
  trials   how candidates do on a running server, beside the triage in force
  versions what was ever in force on a running server; `use` puts one in force again, `approve` is a second person's word

`signalbox triage <command> --help` explains one. A first round:

  signalbox triage train --data train.jsonl.gz --out my.sbm
  signalbox triage eval --model my.sbm --data validation.jsonl.gz
  echo '{"text": "where is my card?"}' | signalbox triage predict --model my.sbm --jsonl -
)";

constexpr std::string_view kTrainHelp = R"(signalbox triage train --data FILE... --out MODEL [options]

Learns from JSON lines, plain or gzip: {"text": "...", "intent": "...", "route": "script|generative|human"}.
"route" says who answers the intent; give it in the data, or for all intents at once with --routes, or not at all.
Texts that fit no intent carry the intent "oos". Twenty texts an intent are a start.
The same files, options and seed give the same bytes.

  --data FILE...        texts to learn from
  --out MODEL           file to write (made complete, then moved into place)
  --routes FILE         JSON {"routes": {"intent": "script|generative|human"}, "equivalent_intents": [["a", "b"]]}
  --encoder FILE        sentence encoder for tier 1 (see `triage encoder`); without it: $SIGNALBOX_ENCODER, if set, else
                        .third_party/encoder/minilm.sbe, if there; "none": tier 0 alone
  --seed N              another draw of the same kind (1)
  --wrong-scripts P     at most this share of scripted answers is wrong as counted, and of all queries with 95 %
                        confidence (0.01); where the texts cannot support it, the report says so
  --out-of-scope P      ... in traffic with this share of queries that fit no intent (0.12)
  --needless-human P    of queries that need no person, at most this share may go to one (0.01)

Knobs of the learner; the defaults were chosen on three public sets and seldom need a touch:
  --epochs N (20)  --rate R (0.4)  --dimension N (32)  --members N (3)  --min-count N (2)  --max-rows N (60000)
  --words N (2)  --char-min N (3)  --char-max N (4)  --dropout P (0.6)
)";

constexpr std::string_view kPredictHelp = R"(signalbox triage predict --model MODEL --jsonl FILE [--encoder FILE]

Copies each JSON line and adds
  intent      the likeliest label
  route       script, generative or human, thresholds applied (null for models without routes)
  confidence  probability that the intent is right, calibrated
  abstained   true: do not act on the intent; a model or a person should answer
  out_of_scope, alternatives   more of what was seen
FILE may be gzip; "-" reads standard input. Texts are read from "text", or from "prompt".
)";

constexpr std::string_view kEncoderHelp = R"(signalbox triage encoder --from FOLDER --out FILE

Converts the weights of a MiniLM-class sentence encoder (BERT; config.json, vocab.txt and model.safetensors in FOLDER)
to the 8-bit file that tier 1 reads. scripts/install-deps fetches such weights; any encoder of the kind will do, but
heads are trained for one encoder and refuse another.
)";

Result<> run_encoder(const Options& options, std::ostream& out) {
  SB_TRY(const auto folder, options.one("--from"));
  SB_TRY(const auto target, options.one("--out"));
  SB_TRY(const auto data, convert_encoder(folder));
  const auto bytes = encode_encoder(data);
  SB_CHECK(replace_file(target, bytes));
  fmt::print(out, "wrote {} ({} bytes): {} blocks of width {}, version {}\n", target, bytes.size(), data.blocks.size(),
             data.width, to_hex(sha256(bytes)).substr(0, 16));
  return {};
}

Result<TrainOptions> train_options(const Options& options) {
  TrainOptions out;
  SB_CHECK(options.number("--seed", out.seed));
  SB_CHECK(options.rate("--wrong-scripts", out.target.wrong_scripts));
  SB_CHECK(options.rate("--out-of-scope", out.target.out_of_scope));
  SB_CHECK(options.rate("--needless-human", out.target.needless_human));
  SB_CHECK(options.number("--epochs", out.learn.epochs));
  SB_CHECK(options.number("--rate", out.learn.rate));
  SB_CHECK(options.number("--dimension", out.learn.dimension));
  SB_CHECK(options.number("--members", out.learn.members));
  SB_CHECK(options.number("--min-count", out.learn.min_count));
  SB_CHECK(options.number("--max-rows", out.learn.max_rows));
  SB_CHECK(options.number("--words", out.features.word_max));
  SB_CHECK(options.number("--char-min", out.features.char_min));
  SB_CHECK(options.number("--char-max", out.features.char_max));
  SB_CHECK(options.rate("--dropout", out.learn.feature_dropout));
  return out;
}

void print_thresholds(const Thresholds& t, const ThresholdReport& r, const Target& target, std::ostream& out) {
  fmt::print(
      out,
      "  script at {:.4f}: {:.1f} % of scriptable texts; wrong: {:.2f} % of scripted, at most {:.2f} % of all (95 "
      "% sure)\n",
      t.script, r.scripted * 100, r.wrong_scripts * 100, r.wrong_scripts_bound * 100);
  if (r.wrong_scripts_bound > target.wrong_scripts) {
    fmt::print(out, "  this data cannot promise {:.2f} %: more out-of-scope texts (intent \"oos\") would help most\n",
               target.wrong_scripts * 100);
  }
  fmt::print(out, "  person at {:.4f}: recall {:.2f} %, needless {:.2f} %\n", t.human, r.human_recall * 100,
             r.needless_human * 100);
}

void print_report(const TrainReport& report, const ModelData& data, const Target& target, std::ostream& out) {
  fmt::print(out, "texts {}, intents {}, n-grams {}\n", report.samples, report.labels, report.rows);
  const bool has_routes = std::ranges::any_of(data.labels, [](const Label& l) { return l.kind != AnswerKind::none; });
  const auto tier = [&](std::string_view name, double accuracy, const Thresholds& t, const ThresholdReport& r) {
    fmt::print(out, "{}: accuracy on withheld fifths {:.4f}\n", name, accuracy);
    if (has_routes)
      print_thresholds(t, r, target, out);
    else
      fmt::print(out, "  no routes; abstains below confidence {:.3f}\n", t.confidence);
  };
  tier("tier 0 (n-grams)", report.accuracy, data.thresholds, report.thresholds);
  if (!data.sentence) return;
  const auto heads = [&](std::string_view name, std::string_view before, const SentenceHeads& h, const HeadsReport& r) {
    tier(name, r.accuracy, h.thresholds, r.thresholds);
    fmt::print(out, "{}: {:.1f} %, from probability {} on and up to {} out of scope; {:.2f} % fewer right\n", before,
               r.certainty.enough * 100, h.certainty.probability, h.certainty.out_of_scope, r.certainty.lost * 100);
  };
  if (data.early) {
    heads(fmt::format("tier 1 (sentence encoder), the first {} blocks", data.early->blocks), "tier 0 alone",
          *data.early, report.early);
    heads("tier 1 (sentence encoder)", "the first blocks would do", *data.sentence, report.sentence);
  } else {
    heads("tier 1 (sentence encoder)", "tier 0 alone", *data.sentence, report.sentence);
  }
}

std::string command_line(std::span<const std::string> args) {
  // Folders are left out: the same files elsewhere are the same files.
  std::string line = "signalbox triage train";
  for (const auto& arg : args)
    line += " " + (arg.starts_with("--") ? arg : std::filesystem::path(arg).filename().string());
  return line;
}

Result<> run_train(const Options& options, std::span<const std::string> args, std::ostream& out, std::ostream& err) {
  SB_TRY(auto settings, train_options(options));
  settings.command = command_line(args);
  SB_TRY(const auto target, options.one("--out"));
  const auto files = options.list("--data");
  if (files.empty()) return fail(Errc::invalid_argument, "train needs --data FILE...; see --help");
  SB_TRY(const auto dataset, read_dataset(files));
  std::optional<RouteMap> routes;
  if (options.has("--routes")) {
    SB_TRY(routes, load_routes(options));
  }
  SB_TRY(const auto encoder, find_encoder(options));
  settings.encoder = encoder ? &*encoder : nullptr;
  SB_TRY(const auto trained, train(dataset, routes ? &*routes : nullptr, settings, progress_bar("training", err)));
  const auto bytes = encode_model(trained.data);
  SB_CHECK(replace_file(target, bytes));
  print_report(trained.report, trained.data, settings.target, out);
  fmt::print(out, "wrote {} ({} bytes), version {}\n", target, bytes.size(),
             IntentModel::from_data(trained.data).version());
  return {};
}

Result<> predict_line(const IntentModel& model, std::string_view line, std::ostream& out) {
  SB_TRY(auto value, parse_json(line));
  SB_TRY(const auto query, text_of(value));
  const auto p = model.predict(query);
  auto& object = value.get_object();
  object["intent"] = p.intent;
  object["route"] = p.route == AnswerKind::none ? json::value(nullptr) : json::value(to_string(p.route));
  object["confidence"] = p.confidence;
  object["abstained"] = p.abstained;
  object["out_of_scope"] = p.out_of_scope;
  json::array alternatives;
  for (const auto& one : p.alternatives) {
    if (!one.intent.empty()) alternatives.push_back({{"intent", one.intent}, {"probability", one.probability}});
  }
  object["alternatives"] = std::move(alternatives);
  out << to_text(value) << '\n';
  return {};
}

Result<> run_predict(const Options& options, std::istream& in, std::ostream& out) {
  SB_TRY(const auto model, load_model(options));
  SB_TRY(const auto source, options.one("--jsonl"));
  return each_line(source, in, [&](std::string_view line) { return predict_line(model, line, out); });
}

struct Command {
  std::string_view help;
  Strings options;
  std::function<Result<>(const Options&)> run;
};

}  // namespace

int triage_command(std::span<const std::string> args, std::istream& in, std::ostream& out, std::ostream& err,
                   const ReadDecision& read_decision) {
  const std::map<std::string, Command, std::less<>> commands{
      {"train",
       {kTrainHelp,
        {"--data", "--out", "--routes", "--encoder", "--seed", "--wrong-scripts", "--out-of-scope", "--needless-human",
         "--epochs", "--rate", "--dimension", "--members", "--min-count", "--max-rows", "--words", "--char-min",
         "--char-max", "--dropout"},
        [&](const Options& options) { return run_train(options, args.subspan(1), out, err); }}},
      {"eval",
       {kEvalHelp,
        {"--model", "--data", "--config", "--routes", "--price", "--encoder", "--json", "--html"},
        [&](const Options& options) { return run_evaluate(options, out); }}},
      {"predict",
       {kPredictHelp,
        {"--model", "--jsonl", "--encoder"},
        [&](const Options& options) { return run_predict(options, in, out); }}},
      {"tune",
       {kTuneHelp,
        {"--model", "--data", "--out", "--wrong-scripts", "--confidence", "--out-of-scope", "--routes", "--rehearse",
         "--sizes", "--price", "--encoder", "--html"},
        [&](const Options& options) { return run_tune(options, out); }}},
      {"explain",
       {kExplainHelp,
        {"--model", "--config", "--text", "--jsonl", "--json", "--features", "--training", "--encoder", "--data",
         "--run"},
        [&](const Options& options) { return run_explain(options, read_decision, in, out); }}},
      {"outcomes",
       {kOutcomesHelp,
        {"--train", "--jsonl", "--cascade", "--cross-validate", "--encoder", "--out", "--quality", "--confidence"},
        [&](const Options& options) -> Result<> {
          SB_TRY(const auto encoder, find_encoder(options));
          return run_outcomes(options, encoder, in, out, err);
        }}},
      {"likeness",
       {kLikenessHelp,
        {"--data", "--out", "--with", "--cached", "--wrong-hits", "--confidence", "--routes", "--show", "--encoder"},
        [&](const Options& options) { return run_likeness(options, out); }}},
      {"encoder",
       {kEncoderHelp, {"--from", "--out"}, [&](const Options& options) { return run_encoder(options, out); }}},
  };
  if (args.empty() || args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
    (args.empty() ? err : out) << kHelp;
    return args.empty() ? 2 : 0;
  }
  const auto found = commands.find(args[0]);
  if (found == commands.end()) {
    const auto near =
        nearest(args[0], Strings{"train", "eval", "tune", "predict", "explain", "outcomes", "likeness", "encoder"});
    fmt::print(err, "triage: no command \"{}\"{}\n\n{}", args[0], near ? fmt::format("; did you mean {}?", *near) : "",
               kHelp);
    return 2;
  }
  if (std::ranges::any_of(args, [](const auto& arg) { return arg == "--help" || arg == "-h"; })) {
    out << found->second.help;
    return 0;
  }
  const auto options =
      Options::parse(args[0] == "explain" ? with_text_named(args.subspan(1)) : Strings(args.begin() + 1, args.end()),
                     found->second.options, err);
  if (!options) return 2;
  const auto done = found->second.run(*options);
  if (!done) fmt::print(err, "triage: {}\n", done.error().detail);
  return done ? 0 : 1;
}

}  // namespace sb::triage
