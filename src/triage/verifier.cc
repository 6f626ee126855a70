#include "triage/verifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>
#include <sstream>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/json.h"
#include "triage/answer_checks.h"
#include "triage/calibrate.h"
#include "triage/sealed_file.h"

namespace sb::triage {
namespace {

constexpr FileKind kVerifierFile{"SBOUTCOM", "a verifier", 1,
                                 "make it anew with `signalbox triage outcomes --cascade --out`"};

// Limits are tried in steps of so many rows, or of this share of them, not row by row.
constexpr std::size_t kStepRows = 10;
constexpr std::size_t kGainStepShare = 200;
// Beyond so many times the rows nobody is told a number.
constexpr double kMostTimes = 100;

// Of the queries that the large model answers rightly, those that the small one would have answered wrongly.
struct Lost {
  std::size_t of = 0;
  std::size_t count = 0;
  double share() const { return part(count, of); }
  double at_most(const QualityTarget& target, double times = 1) const {
    const auto up = [&](std::size_t n) { return static_cast<std::size_t>(std::ceil(static_cast<double>(n) * times)); };
    return of == 0 ? 1 : upper_bound(up(count), up(of), target.confidence);
  }
};

std::vector<std::size_t> least_gain_first(const std::vector<double>& gains) {
  std::vector<std::size_t> order(gains.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return gains[a] < gains[b]; });
  return order;
}

std::string rows_needed(std::size_t rows, const Lost& first, const QualityTarget& target) {
  if (first.of == 0) return "in none of them is the large model right";
  if (first.share() >= 1 - target.quality)
    return fmt::format("of those with the least gain alone {:.1f} % are lost, and more like them would not change that",
                       first.share() * 100);
  for (double times = 1; times <= kMostTimes; times *= 1.1) {
    if (first.at_most(target, times) <= 1 - target.quality)
      return fmt::format("about {:.0f} like them could", std::ceil(static_cast<double>(rows) * times));
  }
  return fmt::format("it takes more than {:.0f} like them", static_cast<double>(rows) * kMostTimes);
}

double number_of(const json::value& header, std::string_view name) {
  const auto* value = find_member(header, name);
  return value && value->is_number() ? value->to_number<double>() : NAN;
}

bool is_share(double value) {
  return value > 0 && value < 1;
}

}  // namespace

OutcomeRow outcome_row(const Encoder* encoder, std::string_view prompt, std::optional<std::string_view> answer) {
  OutcomeRow out;
  if (encoder) {
    Encoding seen;
    encoder->encode(prompt.substr(0, kMaxOutcomePrompt), seen);
    out.vector = std::move(seen.vector);
  } else {
    out.vector = hashed_vector(prompt);
  }
  if (!answer) return out;
  const auto checks = check_answer(prompt, answer->substr(0, kMaxOutcomeAnswer));
  out.checks.assign(checks.begin(), checks.end());
  return out;
}

Result<GainLimit> limit_for(const std::vector<OutcomeRow>& rows, const std::vector<double>& gains,
                            const QualityTarget& target) {
  const auto order = least_gain_first(gains);
  Lost lost{.of = static_cast<std::size_t>(std::ranges::count_if(rows, &OutcomeRow::strong_ok))};
  std::optional<GainLimit> best;
  std::optional<Lost> first;
  std::size_t due = kStepRows;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto& row = rows[order[i]];
    lost.count += row.strong_ok && !row.weak_ok;
    const bool last_of_its_gain = i + 1 == order.size() || gains[order[i + 1]] > gains[order[i]];
    if (i + 1 < due || !last_of_its_gain) continue;
    due = i + 1 + std::max(kStepRows, rows.size() / kGainStepShare);
    if (!first) first = lost;
    const double bound = lost.at_most(target);
    if (bound > 1 - target.quality) break;
    best = {gains[order[i]], part(i + 1, rows.size()), bound};
  }
  if (best) return *best;
  return fail(Errc::invalid_argument,
              fmt::format("{} recorded outcomes cannot promise {:.1f} % of the large model's right answers with "
                          "{:.0f} % confidence: {}",
                          rows.size(), target.quality * 100, target.confidence * 100,
                          rows_needed(rows.size(), first.value_or(lost), target)));
}

std::string encode_verifier(const VerifierData& data) {
  const auto header = to_text(json::object{{"encoder", data.encoder},
                                           {"quality", data.target.quality},
                                           {"confidence", data.target.confidence},
                                           {"rows", data.rows}});
  std::string payload;
  put(payload, static_cast<std::uint32_t>(header.size()));
  payload += header;
  put(payload, data.gain_over);
  payload += data.model.encode();
  return seal_file(kVerifierFile, payload);
}

Result<VerifierData> decode_verifier(std::string_view bytes) {
  SB_TRY(auto payload, open_file(kVerifierFile, bytes));
  std::uint32_t size = 0;
  VerifierData out;
  if (payload.size() < sizeof size) return fail(Errc::corrupt, "no header");
  std::memcpy(&size, payload.data(), sizeof size);
  payload.remove_prefix(sizeof size);
  if (payload.size() < size || payload.size() - size < sizeof out.gain_over)
    return fail(Errc::corrupt, "header longer than the file");
  const auto header = parse_json(payload.substr(0, size));
  if (!header) return fail(Errc::corrupt, "the header is no JSON");
  payload.remove_prefix(size);
  std::memcpy(&out.gain_over, payload.data(), sizeof out.gain_over);
  payload.remove_prefix(sizeof out.gain_over);
  out.encoder = string_member(*header, "encoder");
  out.target = {number_of(*header, "quality"), number_of(*header, "confidence")};
  out.rows = static_cast<std::uint64_t>(std::max<std::int64_t>(0, int_member(*header, "rows")));
  if (!std::isfinite(out.gain_over) || !is_share(out.target.quality) || !is_share(out.target.confidence))
    return fail(Errc::corrupt, "the header's numbers are not such as making it writes");
  SB_TRY(out.model, OutcomeModel::decode(payload));
  return out;
}

Result<std::shared_ptr<const Verifier>> Verifier::from_bytes(std::string_view bytes, std::optional<Encoder> encoder) {
  SB_TRY(auto data, decode_verifier(bytes));
  if (data.encoder.empty()) {
    encoder.reset();
  } else if (!encoder) {
    return fail(Errc::conflict,
                fmt::format("it was learnt with the sentence encoder {}: name that as \"encoder\"", data.encoder));
  } else if (encoder->version() != data.encoder) {
    return fail(Errc::conflict, fmt::format("it was learnt with the sentence encoder {}, this one is {}", data.encoder,
                                            encoder->version()));
  }
  const std::size_t vector = encoder ? encoder->dimension() : hashed_vector({}).size();
  if (!data.model.reads(vector, kAnswerChecks))
    return fail(Errc::corrupt, "it reads other numbers of an answer than there are; make it anew");
  return std::shared_ptr<const Verifier>(
      new Verifier(std::move(data), std::move(encoder), to_hex(sha256(bytes)).substr(0, 16)));
}

Result<std::shared_ptr<const Verifier>> Verifier::load_file(const std::string& path, std::optional<Encoder> encoder) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("verifier {}: cannot be opened", path));
  std::ostringstream bytes;
  bytes << file.rdbuf();
  auto made = from_bytes(bytes.view(), std::move(encoder));
  if (!made) return fail(made.error().code, fmt::format("verifier {}: {}", path, made.error().detail));
  return made;
}

double Verifier::gain(std::string_view prompt, std::string_view answer) const {
  return data_.model.gain(outcome_row(encoder_ ? &*encoder_ : nullptr, prompt, answer));
}

}  // namespace sb::triage
