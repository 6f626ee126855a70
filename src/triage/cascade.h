/// The small model's answer is looked at before it is given: checks that know a bad answer without knowing the right
/// one, and a verifier that has learnt what the large model would gain (verifier.h).
///
/// Each check is a veto by name. Pure: no I/O, no clock. Time grows with the answer, of which the first 64 KiB are
/// read.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/json.h"
#include "base/record_writer.h"

namespace sb::triage {

class Verifier;

/// What is wrong with an answer. On record by name.
enum class AnswerFault : std::uint8_t {
  empty,       ///< nothing is said, and no tool is called
  cut,         ///< it ran into the limit of its length
  refused,     ///< the model says that it cannot, will not or does not know
  arithmetic,  ///< a stated result is not the one that comes out
  schema,      ///< it has not the form that the request asks for
  repeats,     ///< it says the same again and again
};
inline constexpr std::size_t kAnswerFaults = 6;
std::string_view to_string(AnswerFault fault);
std::optional<AnswerFault> answer_fault_from(std::string_view name);
std::vector<AnswerFault> all_answer_faults();

/// An answer as the checks see it. Views: valid during the call.
struct SmallAnswer {
  std::string_view prompt;  ///< the last user message; only a verifier reads it
  std::string_view text{};
  bool cut = false;          ///< by the limit of its length
  bool calls_tools = false;  ///< then there need be no text
  bool refuses = false;      ///< it says so in a member of its own
  bool misformed = false;    ///< it has not the form that the request asks for
  bool withheld = false;     ///< the policy did not let it pass: there is no text to look at
};

/// Which checks there are, and what the large model must gain at the least.
struct Cascade {
  std::vector<AnswerFault> checks = all_answer_faults();  ///< in their order
  std::shared_ptr<const Verifier> verifier{};             ///< null: checks alone
  double gain_over = 0;                                   ///< a greater gain: doubtful
};

/// What came of looking, without a word of the texts.
struct Verdict {
  std::vector<AnswerFault> looked{};  ///< what was looked for
  std::vector<AnswerFault> found{};
  std::optional<double> gain{};  ///< none: no verifier looked
  double gain_over = 0;          ///< with a gain
  std::string verifier{};        ///< its version, with a gain
  bool kept = false;             ///< doubtful, and no model could be asked that may see the request

  bool vetoed() const { return !found.empty(); }
  bool doubtful() const { return gain && *gain > gain_over; }
  bool accepted() const { return !vetoed() && (!doubtful() || kept); }
};

Verdict verify(const Cascade& cascade, const SmallAnswer& answer);

/// Why a verdict cannot be given again from what is on record.
enum class Unverified : std::uint8_t {
  not_looked,      ///< nobody looked at the answer, or not for all that this cascade looks for
  other_verifier,  ///< another one has told the gain, or none has
};

/// The same for an answer that was looked at before and is not at hand.
std::expected<Verdict, Unverified> verify_again(const Cascade& cascade, const Verdict& before);

/// `{"chosen":"accept"|"escalate","kind":"verify",...}`. `triage`: version of the document that asks for the look.
RecordJson record_of(const Verdict& verdict, std::string_view triage);
/// Exact in what `verify_again` reads. Errors: corrupt (not such a document; names the member).
Result<Verdict> read_verdict(const json::value& document);

}  // namespace sb::triage
