#include "policy/injection_command.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <map>
#include <ostream>

#include "base/bytes.h"
#include "base/json.h"
#include "policy/injection_made.h"
#include "policy/injection_measure.h"

namespace sb::policy {
namespace {

constexpr std::string_view kInjectionHelp =
    R"(How good the classifier of injections is on texts that training did not see.

  signalbox policy injection [--data FILE] [--model FILE] [--target P]
  signalbox policy injection --families FILE [--target P]
  signalbox policy injection --made N [--grammar FILE] [--seed N]

  --data FILE     lines {"text":"...","intent":"attack" or another} (policies/injection.eval.jsonl)
  --model FILE    a file of `signalbox triage train`; without it the one that is built in
  --target P      share of texts that are no attacks which may be objected to (0.01)
  --families FILE lines as above with "family", for training: learns without each family of attacks in turn and prints how
                  much of it is found at the threshold that keeps the target on a fifth of the others, left out too
  --made N        instead print N texts made from a grammar, to be learnt from with `signalbox triage train --data`
  --grammar FILE  that grammar (policies/injection.grammar.txt)
  --seed N        another draw of the same kind (1)

Prints accuracy, attacks found and others objected to, for short and long texts apart, at three values of `min_score` and
at the least one that keeps the target; how such a threshold does on texts it was not picked on; and what scores mean.
)";

const std::vector<std::string> kInjectionOptions = {"--data", "--model",   "--target", "--families",
                                                    "--made", "--grammar", "--seed",   "--help"};

Result<std::map<std::string, std::string, std::less<>>> parse(std::span<const std::string> args) {
  std::map<std::string, std::string, std::less<>> options = {{"--data", "policies/injection.eval.jsonl"},
                                                             {"--target", "0.01"},
                                                             {"--grammar", "policies/injection.grammar.txt"},
                                                             {"--seed", "1"}};
  for (std::size_t i = 0; i < args.size(); i += 2) {
    if (std::ranges::find(kInjectionOptions, args[i]) == kInjectionOptions.end()) {
      const auto near = nearest(args[i], kInjectionOptions);
      return fail(Errc::invalid_argument,
                  fmt::format("unknown option {}{}", args[i], near ? "; did you mean " + *near + "?" : ""));
    }
    if (i + 1 == args.size()) return fail(Errc::invalid_argument, fmt::format("{} needs a value", args[i]));
    options[args[i]] = args[i + 1];
  }
  return options;
}

Result<std::vector<ScoredText>> score_lines(const std::string& name, const InjectionScorer& scorer) {
  std::ifstream file(name, std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("{}: no such file, or not readable", name));
  std::vector<ScoredText> texts;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    if (trim(line).empty()) continue;
    const auto row = parse_json(line);
    const auto text = row ? string_member(*row, "text") : std::string_view();
    if (text.empty() || string_member(*row, "intent").empty())
      return fail(Errc::invalid_argument, fmt::format("{}: line {}: needs \"text\" and \"intent\"", name, number));
    texts.push_back({scorer.score(text), string_member(*row, "intent") == "attack", text.size() > kLongText});
  }
  return texts;
}

Result<std::vector<FamilyText>> read_families(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("{}: no such file, or not readable", name));
  std::vector<FamilyText> texts;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    if (trim(line).empty()) continue;
    const auto row = parse_json(line);
    const auto member = [&](std::string_view key) { return row ? std::string(string_member(*row, key)) : ""; };
    if (member("text").empty() || member("intent").empty() || member("family").empty()) {
      return fail(Errc::invalid_argument,
                  fmt::format("{}: line {}: needs \"text\", \"intent\" and \"family\"", name, number));
    }
    texts.push_back({member("text"), member("family"), member("intent") == "attack"});
  }
  return texts;
}

Result<std::uint64_t> whole_number(const std::string& name, const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return fail(Errc::invalid_argument, fmt::format("{} is a whole number", name));
  return value;
}

Result<> make(const std::map<std::string, std::string, std::less<>>& options, std::ostream& out) {
  SB_TRY(const auto count, whole_number("--made", options.at("--made")));
  SB_TRY(const auto seed, whole_number("--seed", options.at("--seed")));
  SB_TRY(const auto texts, make_injection_texts(options.at("--grammar"), count, seed));
  for (const auto& text : texts) out << training_line(text) << '\n';
  return {};
}

Result<> run(std::span<const std::string> args, std::ostream& out, const PolicyTools& tools) {
  SB_TRY(const auto options, parse(args));
  if (options.contains("--made")) return make(options, out);
  const auto& target = options.at("--target");
  double share = 0;
  const auto [end, error] = std::from_chars(target.data(), target.data() + target.size(), share);
  if (error != std::errc() || end != target.data() + target.size() || !(share >= 0 && share < 1))
    return fail(Errc::invalid_argument, "--target is a share from 0 to below 1, e.g. 0.01");
  if (const auto families = options.find("--families"); families != options.end()) {
    if (!tools.train_scorer) return fail(Errc::unsupported, "--families is not to be had here");
    SB_TRY(const auto texts, read_families(families->second));
    return print_families(texts, share, tools.train_scorer, out);
  }
  std::unique_ptr<const InjectionScorer> own;
  if (const auto model = options.find("--model"); model != options.end()) {
    if (!tools.load_scorer) return fail(Errc::unsupported, "--model is not to be had here");
    SB_TRY(own, tools.load_scorer(model->second));
  }
  const InjectionScorer* scorer = own ? own.get() : tools.scorer;
  if (!scorer) return fail(Errc::unsupported, "no classifier is built in: name one with --model");
  SB_TRY(const auto texts, score_lines(options.at("--data"), *scorer));
  out << fmt::format("classifier {}, {} texts\n", scorer->version(), texts.size());
  print_measures(texts, share, out);
  return {};
}

}  // namespace

int injection_command(std::span<const std::string> args, std::ostream& out, std::ostream& err,
                      const PolicyTools& tools) {
  if (std::ranges::find(args, "--help") != args.end()) {
    out << kInjectionHelp;
    return 0;
  }
  const auto done = run(args, out, tools);
  if (done) return 0;
  err << "signalbox policy injection: " << done.error().detail << '\n';
  return 2;
}

}  // namespace sb::policy
