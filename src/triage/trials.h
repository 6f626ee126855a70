/// Trials of triage on live traffic: candidates beside the router in force.
///
/// A shadow decides too, and nothing comes of it but a word on record. In a split a candidate decides in place of the
/// router in force for some of the askers: drawn by a hash of the trial's name and of who asks, so that somebody stays
/// where they are, over restarts and on every server. A request is in one split at most, the first that speaks of it.
///
/// Shared by all shards; thread-safe. What changed is the caller's to record.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "triage/live_router.h"
#include "triage/router.h"

namespace sb::triage {

enum class TrialMode : std::uint8_t { shadow, split };
std::string_view to_string(TrialMode mode);

struct TrialRules {
  std::string name;
  TrialMode mode = TrialMode::shadow;
  std::uint32_t weight_per_mille = 1000;      ///< of the askers that it speaks of, those whom the candidate gets
  std::vector<std::string> tenants{};         ///< it speaks of these alone; empty: of all
  std::map<std::string, std::string> tags{};  ///< of requests whose metadata have all of these
  std::string sticky_by = "conversation_id";  ///< the entry of the metadata that names what stays together
};

/// Who asks, as far as a trial wants to know.
struct Asker {
  std::string tenant{};
  std::map<std::string, std::string, std::less<>> tags{};  ///< metadata of the request
  std::string person{};                                    ///< as the caller names them; empty: not told
  std::string key{};                                       ///< API key; empty: none
  std::string otherwise{};  ///< where nobody is named: the run's id, so that each request is drawn by itself
};

bool speaks_of(const TrialRules& rules, const Asker& asker);
/// Whether the candidate gets an asker that the trial speaks of.
bool draws(const TrialRules& rules, const Asker& asker);

/// What is kept of a trial, as JSON in `trial_document`.
struct TrialState {
  std::string identity;  ///< of what is tried: the state of another trial says nothing of this one
  Micros began_us = 0;
  std::uint64_t from_leaf = 0;  ///< of the record: no run before it is in the trial
  Micros ended_us = 0;          ///< 0: it goes on
  std::string guard;            ///< LiveRouter::state_json; empty: nobody watches, or nothing has changed
};
std::string trial_document(std::string_view name);
std::string to_json(const TrialState& state);
/// Nothing where the text is no such state.
std::optional<TrialState> read_trial_state(std::string_view json);

class LiveTrial {
 public:
  LiveTrial(TrialRules rules, std::unique_ptr<LiveRouter> candidate, std::string identity);

  const TrialRules& rules() const { return rules_; }
  LiveRouter& live() const { return *live_; }
  /// The candidate, as its guard tightens it.
  std::shared_ptr<const Router> candidate() const { return live_->current(); }
  const std::string& identity() const { return identity_; }

  /// Goes on where a trial of the same identity stood. Before any shard uses it.
  void resume(const TrialState& state);
  /// From here on nobody is drawn any more. True: until now it went on.
  bool end(Micros now_us);
  bool goes_on() const { return ended_us_.load(std::memory_order_acquire) == 0; }
  TrialState state() const;

 private:
  const TrialRules rules_;
  const std::unique_ptr<LiveRouter> live_;
  const std::string identity_;
  Micros began_us_ = 0;
  std::uint64_t from_leaf_ = 0;
  std::atomic<Micros> ended_us_ = 0;
};

/// The trials that a request is in, from its beginning to its end: that of a trial changes nothing for it.
struct Membership {
  LiveTrial* split = nullptr;
  bool candidate = false;  ///< of the split: its candidate decides; else the router in force does
  std::vector<LiveTrial*> shadows;

  /// Whose candidate decides; null: the router in force does.
  LiveTrial* deciding() const { return candidate ? split : nullptr; }
};

class Trials {
 public:
  explicit Trials(std::vector<std::unique_ptr<LiveTrial>> trials) : trials_(std::move(trials)) {}

  /// Null: in none.
  std::unique_ptr<Membership> membership(const Asker& asker) const;
  /// What a run is kept with, and back; trials that are not there any more are left out.
  static std::string to_json(const Membership& membership);
  std::unique_ptr<Membership> read_membership(const json::value& kept) const;

  LiveTrial* find(std::string_view name) const;
  const std::vector<std::unique_ptr<LiveTrial>>& all() const { return trials_; }
  bool splits() const;

 private:
  std::vector<std::unique_ptr<LiveTrial>> trials_;
};

/// The shadow's word on what `decided` says of a query. `query` is looked at only where the candidate sees it in
/// another way.
RouteDecision decide_beside(const Router& candidate, const RouteDecision& decided, const RouteQuery& query);
/// Whether that takes the sentence encoder's millisecond.
bool is_slow_beside(const Router& candidate, const RouteDecision& decided);

}  // namespace sb::triage
