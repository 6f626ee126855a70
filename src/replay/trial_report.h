/// How trials of triage stand, counted from the record: who decided, where queries went, what they cost, what was said
/// of the answers; and of all that, what is not known.
///
/// Sums only: memory grows with the runs of which somebody said something, not with the runs. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "replay/recorded_run.h"
#include "replay/spread.h"
#include "triage/trials.h"

namespace sb::replay {

/// Who says whether an answer was right.
enum class JudgedBy : std::uint8_t { people, applications, models };
inline constexpr std::size_t kJudges = 3;

struct RunVerdict {
  JudgedBy by = JudgedBy::people;
  bool wrong = false;
};
using RunVerdicts = std::map<RunId, std::vector<RunVerdict>>;

/// Feedback, second opinions and reviews as the record has them from leaf `from` on.
/// Errors: not_found, unsupported, corrupt.
Result<RunVerdicts> read_verdicts(const std::string& database, std::uint64_t from);

/// Answers of which somebody said something. Who says two things of one answer counts with the first.
struct Answers {
  std::uint64_t answers = 0;
  std::uint64_t judged = 0;  ///< of them: by anybody
  std::uint64_t wrong = 0;   ///< of these: anybody says so
  std::array<std::uint64_t, kJudges> said{}, said_wrong{};
};

/// One side of a trial.
struct Arm {
  std::uint64_t queries = 0;
  std::uint64_t open = 0;    ///< runs that go on, or wait for somebody
  std::uint64_t failed = 0;  ///< runs that ended without an answer
  std::map<std::string, std::uint64_t> routes{};
  MicroMoney cost = 0;  ///< of the runs that have ended
  Moments costs{};
  std::map<std::string, Answers> answers{};  ///< by the route that answered
  void add(const RecordedRun& run, const RecordedChoice& choice, const std::vector<RunVerdict>* said);
};

/// A shadow beside what was decided.
struct Beside {
  std::uint64_t queries = 0;
  std::uint64_t same_intent = 0;
  std::map<std::pair<std::string, std::string>, std::uint64_t> routes{};  ///< decided, shadow
  std::map<std::string, std::uint64_t> unknown{};                         ///< by why it said nothing
  Arm agrees{}, differs{};  ///< what was decided, where the shadow says the same, or not
};

class TrialSums {
 public:
  explicit TrialSums(const triage::LiveTrial& trial);

  void add(const RecordedRun& run, const RunVerdicts& verdicts);
  json::object to_json() const;
  const triage::TrialState& state() const { return state_; }

 private:
  void add_split(const RecordedRun& run, const RecordedChoice& choice, const std::vector<RunVerdict>* said);
  void add_shadow(const RecordedRun& run, const RecordedChoice& choice, const std::vector<RunVerdict>* said);
  json::array unknown() const;

  triage::TrialRules rules_;
  triage::TrialState state_;
  std::string version_, classifier_;
  bool watched_ = false;
  Arm in_force_, candidate_;
  Beside beside_;
};

/// All of them, as the API answers. `tenant`: whose runs; empty: all. Errors: corrupt, as read_verdicts.
Result<std::string> report_trials(const std::string& database, const std::string& tenant, std::vector<TrialSums> trials,
                                  const std::string& currency);
/// That answer for people.
std::string trial_lines(const json::value& report);

}  // namespace sb::replay
