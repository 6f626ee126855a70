/// Recorded traffic under a candidate: where it would go, what it would cost, how long it would take, what people said
/// of it, what would be found in it; and of all that, what is not known.
///
/// Sums only: memory does not grow with the runs. No provider is called. One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "replay/choose.h"
#include "replay/look.h"
#include "replay/spread.h"

namespace sb::replay {

/// Money of the candidate.
struct Bill {
  MicroMoney known = 0;  ///< of calls that would be made as they were: their tokens at the candidate's prices
  double expected = 0;   ///< of calls to another deployment, by the tokens of what it answered on record ...
  double deviation = 0;  ///< ... and the standard deviation of that sum
  std::uint64_t known_runs = 0;
  std::uint64_t expected_runs = 0;
  std::uint64_t changed_runs = 0;      ///< of the known: they cost another sum than on record
  std::uint64_t unknown_runs = 0;      ///< nothing can be said
  MicroMoney recorded_of_unknown = 0;  ///< what these cost
  std::uint64_t refused_runs = 0;      ///< of the unknown: the model that was asked for is none of the candidate's
  std::uint64_t old_prices = 0;        ///< calls of the known from before cached tokens were recorded
  MicroMoney unexplained = 0;          ///< of the known: answers that were corrected, at the price of then

  double total() const { return static_cast<double>(known) + expected; }
  /// Half of the 95 % interval of `total`.
  double margin() const { return 1.96 * deviation; }
};

/// Everything to one tier: what triage has to beat.
struct Control {
  std::string tier;
  double cost = 0;  ///< of the runs whose tokens are on record, expected
};

/// What people decided of runs that they were asked about.
struct Judged {
  std::uint64_t approved = 0;
  std::uint64_t edited = 0;
  std::uint64_t rejected = 0;
  std::uint64_t open = 0;  ///< nobody decided yet
  std::uint64_t decided() const { return approved + edited + rejected; }
};

/// Answers of the small model, and what came of looking at them.
struct Looks {
  std::uint64_t recorded = 0;         ///< that were looked at
  std::uint64_t recorded_passed = 0;  ///< of them: another model was asked
  std::uint64_t exact = 0;            ///< of them: as recorded, to the byte
  std::uint64_t given = 0;            ///< under the candidate, of all that it may say something of ...
  std::uint64_t passed_on = 0;
  std::uint64_t not_looked_at = 0;
  std::array<std::uint64_t, 2> unknown{};  ///< ... or not: by triage::Unverified
};

struct Report {
  std::uint64_t runs = 0;
  std::uint64_t erased = 0;  ///< of them; decisions stay
  std::uint64_t without_choice = 0;
  std::uint64_t choices = 0;
  std::uint64_t exact = 0;    ///< as recorded, to the byte
  std::uint64_t same = 0;     ///< the same route and script, for other reasons or by another version
  std::uint64_t changed = 0;  ///< another route or script
  std::uint64_t looked = 0;   ///< of all: told from the text
  std::array<std::uint64_t, kReasons> unknown{};

  /// By route on record and route of the candidate; "?" where it is not known.
  std::map<std::pair<std::string, std::string>, std::uint64_t> routes{};

  Looks looks{};

  MicroMoney recorded_cost = 0;
  MicroMoney recorded_all_large = 0;  ///< what the large tier would have cost, as counted then
  Bill bill{};
  std::vector<Control> controls{};
  std::uint64_t control_runs = 0;

  std::map<std::string, Durations> recorded_times{};  ///< by route; people are no route here
  Durations times_before{}, times_after{};
  double untimed = 0;  ///< runs that go to a route of which too few times are on record

  Judged people_stay{};     ///< runs that go to a person under the candidate too
  Judged people_spared{};   ///< runs that a person saw and that would be answered without one
  Judged people_unknown{};  ///< runs that a person saw, and where they would go is not known
  std::uint64_t newly_to_people = 0;
  std::uint64_t unjudged = 0;  ///< runs that no person saw: how good their answers were is not known

  FindingCounts inbound_before{}, inbound_after{}, outbound_before{};
  std::uint64_t findings_unknown_runs = 0;
  std::uint64_t taken_out = 0;  ///< values that no other policy sees again, in the runs that were held against one

  std::uint64_t unknown_count() const;
  /// Every decision is exactly as recorded, and every cost.
  bool nothing_differs() const;
};

/// Answers on record of a deployment before its tokens are believed; and times of a route.
inline constexpr std::uint64_t kFewest = 30;

class Replay {
 public:
  /// `open`: empty: texts stay closed.
  Replay(const Candidate& candidate, flow::OpenInput open);

  /// Errors: as choose.
  Result<> add(const RecordedRun& run);
  /// What is expected rests on everything that was added so far.
  Report report() const;

 private:
  /// Calls that would be made of one deployment, and were not.
  struct Moved {
    double runs = 0;
    double input_tokens = 0;
    double recorded_cost = 0;
  };

  /// What a run's calls come to.
  enum class Standing : std::uint8_t { known, expected, refused, unknown };

  void count_choices(const RecordedRun& run, const Chosen& chosen);
  /// The candidate's choices are the recorded ones.
  static bool goes_on_as_before(const RecordedRun& run, const Chosen& chosen);
  using Look = std::optional<std::expected<LookedAgain, triage::Unverified>>;
  void count_look(const RecordedRun& run, const Look& look);
  void count_cost(const RecordedRun& run, const Chosen& chosen, const Look& look);
  void count_time(const RecordedRun& run, const Choice* choice, const Look& look);
  void count_people(const RecordedRun& run, const Choice* choice);
  void count_findings_of(const RecordedRun& run, const Chosen& chosen);
  void learn(const RecordedRun& run);
  /// `cost` grows by what is known of it.
  Standing calls_as_they_were(const RecordedRun& run, std::size_t calls, MicroMoney& cost);
  /// As they were, but for what another look at the small answer changes.
  Standing calls_after_look(const RecordedRun& run, const Look& look, MicroMoney& cost);
  Standing calls_of_route(const RecordedRun& run, const std::string& route, MicroMoney& cost);
  /// As it was made, where `target` offers the deployment that answered; else it moves there.
  Standing call_again(const RecordedCall& call, const model::Target& target, MicroMoney& cost);
  void move_to(const model::Target& target, double input_tokens, double recorded_cost);
  /// What `runs` questions of so many tokens would cost; nothing where too few answers are on record.
  struct Expected {
    double cost = 0;
    double variance = 0;
  };
  std::optional<Expected> expect(const model::Deployment& deployment, double runs, double input_tokens) const;
  void finish(Bill& bill) const;
  void finish_controls(Report& report) const;
  void finish_times(Report& report) const;

  const Candidate& candidate_;
  flow::OpenInput open_;
  std::map<std::string, std::size_t, std::less<>> deployments_;  ///< of the candidate, by name
  Report sums_;
  std::map<std::string, Moments> answer_tokens_;  ///< by deployment
  Moments all_answer_tokens_;
  double all_input_tokens_ = 0;         ///< of the runs in control_runs
  std::map<std::size_t, Moved> moved_;  ///< by deployment of the candidate
  std::map<std::string, double> moved_times_;
};

}  // namespace sb::replay
