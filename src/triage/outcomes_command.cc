#include "triage/outcomes_command.h"

#include <fmt/ostream.h>

#include <algorithm>
#include <istream>
#include <ostream>
#include <random>
#include <utility>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/files.h"
#include "base/json.h"
#include "triage/outcomes.h"
#include "triage/verifier.h"

namespace sb::triage {

const std::string_view kOutcomesHelp =
    R"(signalbox triage outcomes --train FILE... --jsonl FILE [--cascade] [--cross-validate] [--encoder FILE]
signalbox triage outcomes --train FILE... --cascade --out FILE [--quality Q] [--confidence C] [--encoder FILE]

Learns from recorded outcomes, JSON lines {"prompt", "weak_ok", "strong_ok", "domain"?, "weak_response"?}, what the large
(strong) model would gain on a query, copies each line of --jsonl and adds
  p_gain   P(strong right) - P(weak right), from -1 to 1: call the strong model from the greatest down
  --cascade         also reads the weak model's answer ("weak_response"): its arithmetic, numbers, hedges
  --cross-validate  prints on standard error how many strong calls are avoided at 95, 98, 99 and 100 % of the strong
                    model's quality, on training rows in fifths that were not seen, beside chance and the best possible,
                    with the interval that holds 95 % of redraws of the rows; likewise for the lines of --jsonl, where
                    all of them name both outcomes
  --encoder FILE    as in train --help; without one n-grams are hashed, which is worse
"-" reads standard input. "domain" is learnt from, never read from the lines that are scored.

  --out FILE        writes a verifier for `cascade` in triage.yaml: what was learnt, and the gain beyond which the strong
                    model is asked. That is the greatest for which an exact test still allows that at least
  --quality Q       of the queries that the strong model answers rightly are answered rightly (0.95), with
  --confidence C    (0.95), by gains of models that had not seen the query. Where the outcomes support none, nothing is
                    written, and about how many it takes is said
)";

namespace {

Result<> outcomes_of(const json::value& line, OutcomeRow& out) {
  for (const auto& [key, to] : {std::pair{"weak_ok", &out.weak_ok}, {"strong_ok", &out.strong_ok}}) {
    const auto* value = find_member(line, key);
    if (!value || !value->is_bool()) return fail(Errc::invalid_argument, fmt::format("no \"{}\": true or false", key));
    *to = value->get_bool();
  }
  return {};
}

class OutcomeReader {
 public:
  OutcomeReader(const std::optional<Encoder>& encoder, bool cascade) : encoder_(encoder), cascade_(cascade) {}

  Result<OutcomeRow> row(const json::value& line, bool labelled) {
    const auto prompt = string_member(line, "prompt");
    if (!find_member(line, "prompt")) return fail(Errc::invalid_argument, "no \"prompt\"");
    std::optional<std::string_view> answer;
    if (cascade_) {
      const auto* said = find_member(line, "weak_response");
      if (!said || !said->is_string()) return fail(Errc::invalid_argument, "--cascade needs \"weak_response\"");
      answer = said->get_string();
    }
    auto out = outcome_row(encoder_ ? &*encoder_ : nullptr, prompt, answer);
    out.domain = string_member(line, "domain");
    if (labelled) SB_CHECK(outcomes_of(line, out));
    return out;
  }

 private:
  const std::optional<Encoder>& encoder_;
  bool cascade_;
};

// How far the share of calls avoided depends on which queries happened to be asked (bootstrap: Efron, 1979).
std::pair<double, double> redrawn(const std::vector<double>& gains, const std::vector<OutcomeRow>& rows,
                                  double quality) {
  constexpr std::size_t kDraws = 200;
  std::mt19937_64 random(1);
  std::vector<double> avoided;
  std::vector<double> drawn_gains(rows.size());
  std::vector<OutcomeRow> drawn(rows.size());
  for (std::size_t draw = 0; draw < kDraws; ++draw) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto from = static_cast<std::size_t>(random() % rows.size());
      drawn_gains[i] = gains[from];
      drawn[i].weak_ok = rows[from].weak_ok;
      drawn[i].strong_ok = rows[from].strong_ok;
    }
    avoided.push_back(calls_avoided(drawn_gains, drawn, quality));
  }
  std::ranges::sort(avoided);
  return {avoided[kDraws * 25 / 1000], avoided[kDraws * 975 / 1000]};
}

void print_curve(const std::vector<OutcomeRow>& rows, const std::vector<double>& gains, std::ostream& err) {
  std::vector<double> oracle;
  std::vector<double> chance;
  double weak = 0;
  double strong = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    oracle.push_back(static_cast<double>(rows[i].strong_ok) - static_cast<double>(rows[i].weak_ok));
    chance.push_back(static_cast<double>(i * 2654435761U % 4294967291U));
    weak += rows[i].weak_ok;
    strong += rows[i].strong_ok;
  }
  const auto count = static_cast<double>(rows.size());
  fmt::print(err,
             "{} queries; weak right {:.1f} %, strong {:.1f} %\nquality kept   strong calls avoided   95 % of redraws  "
             " chance  "
             " best possible\n",
             rows.size(), weak / count * 100, strong / count * 100);
  bool eighty = false;
  for (const double quality : {0.95, 0.98, 0.99, 1.0}) {
    const double avoided = calls_avoided(gains, rows, quality);
    eighty = eighty || avoided >= 0.8;
    const auto [low, high] = redrawn(gains, rows, quality);
    fmt::print(err, "{:9.0f} %   {:18.1f} %   {:4.1f} to {:4.1f} %   {:4.1f} %   {:11.1f} %\n", quality * 100,
               avoided * 100, low * 100, high * 100, calls_avoided(chance, rows, quality) * 100,
               calls_avoided(oracle, rows, quality) * 100);
  }
  if (!eighty)
    fmt::print(err, "80 % of the strong calls cannot be avoided here at 95 % of the strong model's quality\n");
}

Result<> write_verifier(const Options& options, const std::vector<OutcomeRow>& rows, const std::vector<double>& gains,
                        OutcomeModel model, const std::optional<Encoder>& encoder, std::ostream& err) {
  SB_TRY(const auto target_file, options.one("--out"));
  if (!options.has("--cascade"))
    return fail(Errc::invalid_argument, "--out needs --cascade: a verifier reads the small model's answer");
  QualityTarget target;
  SB_CHECK(options.rate("--quality", target.quality));
  SB_CHECK(options.rate("--confidence", target.confidence));
  SB_TRY(const auto limit, limit_for(rows, gains, target));
  const auto bytes = encode_verifier({.model = std::move(model),
                                      .encoder = encoder ? encoder->version() : std::string(),
                                      .gain_over = limit.gain_over,
                                      .target = target,
                                      .rows = rows.size()});
  SB_CHECK(decode_verifier(bytes));  // what no server would read is not written
  SB_CHECK(replace_file(target_file, bytes));
  fmt::print(
      err,
      "wrote {} ({} bytes, version {}): the strong model is asked beyond a gain of {:.3f}, which avoids {:.1f} % "
      "of its calls here; of its right answers at most {:.2f} % are lost, with {:.0f} % confidence\n",
      target_file, bytes.size(), to_hex(sha256(bytes)).substr(0, 16), limit.gain_over, limit.avoided * 100,
      limit.lost_at_most * 100, target.confidence * 100);
  return {};
}

}  // namespace

Result<> run_outcomes(const Options& options, const std::optional<Encoder>& encoder, std::istream& in,
                      std::ostream& out, std::ostream& err) {
  OutcomeReader reader(encoder, options.has("--cascade"));
  std::vector<OutcomeRow> rows;
  const auto files = options.list("--train");
  if (files.empty()) return fail(Errc::invalid_argument, "outcomes needs --train FILE...; see --help");
  for (const auto& file : files) {
    SB_CHECK(each_line(file, in, [&](std::string_view line) -> Result<> {
      SB_TRY(const auto value, parse_json(line));
      SB_TRY(auto row, reader.row(value, true));
      rows.push_back(std::move(row));
      return {};
    }));
  }
  if (rows.size() < 50) {
    return fail(Errc::invalid_argument,
                fmt::format("{} recorded outcomes; 50 are the least that teach anything", rows.size()));
  }
  const bool to_file = options.has("--out");
  const bool judged = options.has("--cross-validate");
  std::vector<double> rehearsed;
  if (to_file || judged) rehearsed = cross_validated(rows, progress_bar("rehearsing", err));
  if (judged) print_curve(rows, rehearsed, err);
  const auto model = OutcomeModel::fit(rows);
  if (to_file) SB_CHECK(write_verifier(options, rows, rehearsed, model, encoder, err));
  if (to_file && !options.has("--jsonl")) return {};
  SB_TRY(const auto source, options.one("--jsonl"));
  std::vector<OutcomeRow> known;  // of the scored lines, those that tell both outcomes
  std::vector<double> gains;
  SB_CHECK(each_line(source, in, [&](std::string_view line) -> Result<> {
    SB_TRY(auto value, parse_json(line));
    SB_TRY(const auto row, reader.row(value, false));
    gains.push_back(model.gain(row));
    if (judged && !outcomes_of(value, known.emplace_back())) known.pop_back();
    value.get_object()["p_gain"] = gains.back();
    out << to_text(value) << '\n';
    return {};
  }));
  if (!known.empty() && known.size() == gains.size()) {
    fmt::print(err, "\nlines of --jsonl:\n");
    print_curve(known, gains, err);
  }
  return {};
}

}  // namespace sb::triage
