#include "triage/cascade.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/bytes.h"
#include "triage/answer_faults.h"
#include "triage/verifier.h"

namespace sb::triage {
namespace {

constexpr std::array<std::string_view, kAnswerFaults> kNames = {"empty",      "cut",    "refused",
                                                                "arithmetic", "schema", "repeats"};

bool shows(AnswerFault fault, const SmallAnswer& answer, std::string_view text) {
  switch (fault) {
    case AnswerFault::empty:
      return trim(text).empty() && !answer.calls_tools && !answer.refuses && !answer.withheld;
    case AnswerFault::cut:
      return answer.cut;
    case AnswerFault::refused:
      return answer.refuses || refuses(text);
    case AnswerFault::arithmetic:
      return miscalculates(text);
    case AnswerFault::schema:
      return answer.misformed;
    case AnswerFault::repeats:
      return repeats_itself(text);
  }
  return false;
}

bool contains_fault(const std::vector<AnswerFault>& faults, AnswerFault fault) {
  return std::ranges::find(faults, fault) != faults.end();
}

void append_faults(RecordWriter& out, RecordText name, const std::vector<AnswerFault>& faults) {
  out.key(name).begin_array();
  for (const auto fault : faults) out.string(RecordText::ours(to_string(fault)));
  out.end_array();
}

// As text, so that it is the same number when it is read: the canonical form of JSON numbers is another.
std::string exactly(double value) {
  return fmt::format("{}", value);
}

std::unexpected<Error> no_verdict(std::string_view member) {
  return fail(Errc::corrupt, fmt::format("a recorded look at an answer: \"{}\" is not what it should be", member));
}

Result<std::vector<AnswerFault>> read_faults(const json::value& document, std::string_view name) {
  const auto* list = find_member(document, name);
  if (!list || !list->is_array()) return no_verdict(name);
  std::vector<AnswerFault> out;
  for (const auto& one : list->get_array()) {
    const auto* word = one.if_string();
    const auto fault = word ? answer_fault_from(*word) : std::nullopt;
    if (!fault) return no_verdict(name);
    out.push_back(*fault);
  }
  return out;
}

Result<double> read_exact(const json::value& document, std::string_view name) {
  const auto digits = string_member(document, name);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return no_verdict(name);
  return value;
}

}  // namespace

std::string_view to_string(AnswerFault fault) {
  return kNames[static_cast<std::size_t>(fault)];
}

std::optional<AnswerFault> answer_fault_from(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<AnswerFault>(found - kNames.begin());
}

std::vector<AnswerFault> all_answer_faults() {
  std::vector<AnswerFault> all;
  for (std::size_t i = 0; i < kAnswerFaults; ++i) all.push_back(static_cast<AnswerFault>(i));
  return all;
}

Verdict verify(const Cascade& cascade, const SmallAnswer& answer) {
  const auto text = answer.text.substr(0, kMaxOutcomeAnswer);
  Verdict out;
  out.looked = cascade.checks;
  for (const auto fault : cascade.checks) {
    if (shows(fault, answer, text)) out.found.push_back(fault);
  }
  if (!cascade.verifier || answer.withheld) return out;
  out.gain = cascade.verifier->gain(answer.prompt, text);
  out.gain_over = cascade.gain_over;
  out.verifier = cascade.verifier->version();
  return out;
}

std::expected<Verdict, Unverified> verify_again(const Cascade& cascade, const Verdict& before) {
  Verdict out;
  out.looked = cascade.checks;
  bool looked_for_all = true;
  for (const auto fault : cascade.checks) {
    looked_for_all = looked_for_all && contains_fault(before.looked, fault);
    if (contains_fault(before.found, fault)) out.found.push_back(fault);
  }
  // One veto is enough, whatever else there may be.
  if (!looked_for_all && !out.vetoed()) return std::unexpected(Unverified::not_looked);
  if (!cascade.verifier) return out;
  if (!before.gain || before.verifier != cascade.verifier->version()) {
    if (out.vetoed()) return out;
    return std::unexpected(Unverified::other_verifier);
  }
  out.gain = before.gain;
  out.gain_over = cascade.gain_over;
  out.verifier = before.verifier;
  // Whom one could have asked is on record only where the answer was doubtful then, too.
  out.kept = before.kept && out.doubtful() && !out.vetoed();
  return out;
}

RecordJson record_of(const Verdict& verdict, std::string_view triage) {
  RecordWriter out(320);
  out.begin_object().member("chosen", verdict.accepted() ? RecordText("accept") : "escalate");
  append_faults(out, "found", verdict.found);
  if (verdict.gain) out.member("gain", RecordText::ours(exactly(*verdict.gain)));
  if (verdict.kept) out.member("kept", true);
  out.member("kind", "verify");
  append_faults(out, "looked", verdict.looked);
  if (verdict.gain) out.member("threshold", RecordText::ours(exactly(verdict.gain_over)));
  out.key("versions").begin_object().member("triage", RecordText::ours(triage));
  if (verdict.gain) out.member("verifier", RecordText::ours(verdict.verifier));
  return std::move(out.end_object().end_object()).take();
}

Result<Verdict> read_verdict(const json::value& document) {
  if (string_member(document, "kind") != "verify") return no_verdict("kind");
  Verdict out;
  SB_TRY(out.looked, read_faults(document, "looked"));
  SB_TRY(out.found, read_faults(document, "found"));
  out.kept = bool_member(document, "kept");
  if (find_member(document, "gain")) {
    SB_TRY(out.gain, read_exact(document, "gain"));
    SB_TRY(out.gain_over, read_exact(document, "threshold"));
    const auto* versions = find_member(document, "versions");
    if (versions) out.verifier = string_member(*versions, "verifier");
  }
  if ((string_member(document, "chosen") == "accept") != out.accepted()) return no_verdict("chosen");
  return out;
}

}  // namespace sb::triage
