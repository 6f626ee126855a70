#include "simulation/books.h"

#include <algorithm>

#include "base/json.h"
#include "store/testing.h"

namespace sb::simulation {
namespace {

using store::RunStatus;

constexpr Micros kSecond = 1'000'000;
constexpr Micros kDay = 86'400 * kSecond;
constexpr Micros kLateMost = 10 * kSecond;
constexpr std::size_t kTriesMost = 3;  // attempts of one call
constexpr std::size_t kUuidLength = 36;
constexpr std::string_view kMailHost = "@simulated.example";

/// How long the waits in flows/*.yaml are that have no branches beside them, and how long all are at least.
struct Wait {
  std::string_view flow, task;
  Micros duration;
  bool is_alone;
};
constexpr Wait kWaits[] = {
    {"sim/wait@1.0.0", "pause", 240 * kSecond, true}, {"sim/days@1.0.0", "pause", 7 * 3'600 * kSecond, true},
    {"sim/child@1.0.0", "rest", kSecond, true},       {"sim/parent@1.0.0", "rest", 700'000, true},
    {"sim/tell@1.0.0", "rest", 3 * kSecond, true},    {"sim/started@1.0.0", "rest", 5 * kSecond, true},
    {"sim/split@1.0.0", "rest", 20 * kSecond, false}, {"sim/race@1.0.0", "slow", 180 * kSecond, false}};

std::string name_of(const RunId& run) {
  return run.to_string();
}

/// "<run>-<task>" of a call's key, "<run>-<task>-<number of the effect>".
std::string task_of(std::string_view key) {
  return std::string(key.substr(0, key.rfind('-')));
}

bool same(const store::StepRow& a, const store::StepRow& b) {
  return a.index == b.index && a.name == b.name && a.kind == b.kind && a.attempt == b.attempt && a.cost == b.cost &&
         a.started_us == b.started_us && a.ended_us == b.ended_us && a.error.empty() == b.error.empty();
}

}  // namespace

void Books::written(bool on_disk) {
  if (on_disk) apply(*doubtful_);
  doubtful_.reset();
}

void Books::crashed() {
  unrecorded_.clear();
  ++recoveries_;
  disturbed();
}

void Books::apply(const store::Commit& commit) {
  if (commit.create) apply_row(*commit.create, true, false);
  if (commit.update) apply_row(*commit.update, false, commit.reopen);
  const auto run = runs_.find(commit.run != RunId() || !commit.create ? commit.run : commit.create->id);
  if (!commit.steps.empty()) {
    if (run == runs_.end()) return problem("steps of a run that is not there");
    apply_steps(run->first, run->second, commit.steps);
  }
  if (run != runs_.end()) {
    MicroMoney sum = 0, now = 0;
    for (const auto& step : run->second.steps) sum += step.cost;
    for (const auto& step : commit.steps) now += step.cost;
    if (run->second.cost != sum)
      problem(fmt::format("run {} costs {}, its steps {}", name_of(run->first), run->second.cost, sum));
    if (commit.spend != now)
      problem(fmt::format("run {} spends {}, its new steps {}", name_of(run->first), commit.spend, now));
    history_.add(fmt::format("disk: {} {} {} epoch {}, {} steps", run->second.flow, name_of(run->first),
                             store::to_string(run->second.status), run->second.epoch, run->second.steps.size()));
  }
  if (commit.spend != 0) spending_[commit.spend_at_us / kDay * kDay] += commit.spend;
  spent_ += commit.spend;
  if (commit.review_create && !reviews_.emplace(commit.review_create->id, *commit.review_create).second)
    problem("a review twice");
  if (commit.review_change) {
    auto& review = reviews_[commit.review_change->row.id];
    if (review.state >= store::ReviewState::approved) problem("a review is decided twice");
    review = commit.review_change->row;
    if (review.state == store::ReviewState::rejected) rejected_.insert(review.run);
    history_.add(fmt::format("disk: review of {} {}", name_of(review.run), store::to_string(review.state)));
  }
  for (const auto& [name, document] : commit.documents) {
    if (name.starts_with("event:") && !documents_.insert(name).second) problem("an event is taken twice");
  }
}

void Books::apply_row(const store::RunRow& row, bool is_new, bool reopens) {
  const auto [at, added] = runs_.try_emplace(row.id);
  Run& run = at->second;
  const std::string name = name_of(row.id);
  if (is_new) {
    if (!added) problem(fmt::format("run {} is made twice", name));
    run.flow = row.flow;
    run.idempotency_key = row.idempotency_key;
    if (!row.idempotency_key.empty() && !by_key_.emplace(row.idempotency_key, row.id).second)
      problem(fmt::format("run {} is the second one of its idempotency key", name));
  } else {
    if (added) problem(fmt::format("run {} is changed and is not there", name));
    const bool may_go_on = reopens && (run.status == RunStatus::faulted || run.status == RunStatus::cancelled);
    if (store::is_final(run.status) && !may_go_on) problem(fmt::format("run {} is changed after its end", name));
    if (reopens && !may_go_on) problem(fmt::format("run {} is retried and has not failed", name));
    if (reopens) ++run.retries;
    if (static_cast<std::uint64_t>(row.epoch) < run.epoch) problem(fmt::format("run {} goes back in its epochs", name));
  }
  run.status = row.status;
  run.epoch = static_cast<std::uint64_t>(row.epoch);
  run.cost = row.cost;
  run.updated_us = row.updated_us;
}

void Books::apply_steps(const RunId& id, Run& run, const std::vector<store::StepRow>& steps) {
  for (const auto& step : steps) {
    if (static_cast<std::size_t>(step.index) != run.steps.size())
      problem(fmt::format("run {} has step {} after {}", name_of(id), static_cast<std::size_t>(step.index),
                          run.steps.size()));
    if (step.kind == "chat") unrecorded_.erase(id);
    if (step.kind == "chat" && step.error.empty())
      committed_calls_.insert(fmt::format("{}-{}", name_of(id), step.name));
    if (step.kind == "wait") check_wait(run, step);
    run.steps.push_back(step);
  }
}

// By the wall clock, which is what a flow's author means.
void Books::check_wait(const Run& run, const store::StepRow& step) {
  const auto wait = std::ranges::find_if(
      kWaits, [&](const Wait& known) { return known.flow == run.flow && known.task == step.name; });
  if (wait == std::end(kWaits)) return problem(fmt::format("nobody knows how long {} of {} is", step.name, run.flow));
  const Micros took = step.ended_us - step.started_us;
  if (took < wait->duration) problem(fmt::format("{} of {} took {} us", step.name, run.flow, took));
  const bool quiet = !queues_ && !is_slow_ && disturbed_us_ < time_.steady_us() - took - kLateMost;
  if (wait->is_alone && quiet && took > wait->duration + kLateMost)
    problem(fmt::format("{} of {} is {} us late", step.name, run.flow, took - wait->duration));
}

bool Books::is_there(store::Store& disk, const store::Commit& commit) {
  using store::testing::wait_for;
  const auto id = commit.create ? commit.create->id : commit.run;
  const auto& changed = commit.create ? commit.create : commit.update;
  if (changed) {
    const auto row = wait_for(disk.load_run(id));
    const auto steps = wait_for(disk.load_steps(id));
    const Run* before = find(id);
    return row && steps && steps->size() == (before ? before->steps.size() : 0) + commit.steps.size() &&
           row->epoch == changed->epoch && row->status == changed->status && row->updated_us == changed->updated_us;
  }
  if (commit.review_change) {
    const auto review = wait_for(disk.load_review(commit.review_change->row.id));
    return review && review->state == commit.review_change->row.state &&
           review->claim_until_us == commit.review_change->row.claim_until_us;
  }
  return !commit.documents.empty() && wait_for(disk.load_document(commit.documents.front().first))->has_value();
}

void Books::compare(store::Store& disk) {
  using store::testing::wait_for;
  const VirtualTime::RealTime for_its_threads;
  if (const auto doubtful = std::exchange(doubtful_, std::nullopt); doubtful) {
    const bool there = is_there(disk, *doubtful);
    history_.add(there ? "the last commit before the crash is there" : "the last commit before the crash is not there");
    if (there) apply(*doubtful);
  }
  store::RunFilter all;
  all.limit = 1'000;
  const auto listed = wait_for(disk.list_runs(all));
  if (!listed || listed->size() != runs_.size())
    problem(fmt::format("{} runs are there, {} were written", listed ? listed->size() : 0, runs_.size()));
  for (const auto& [id, run] : runs_) {
    const auto row = wait_for(disk.load_run(id));
    if (!row) {
      problem(fmt::format("run {} is lost", name_of(id)));
      continue;
    }
    if (row->status != run.status || row->cost != run.cost || static_cast<std::uint64_t>(row->epoch) != run.epoch)
      problem(fmt::format("run {} is not as it was written", name_of(id)));
    const auto steps = wait_for(disk.load_steps(id));
    if (!steps || !std::ranges::equal(*steps, run.steps, same))
      problem(fmt::format("the steps of run {} are not as they were written", name_of(id)));
  }
  for (const auto& [id, review] : reviews_) {
    const auto row = wait_for(disk.load_review(id));
    const bool expired = row && row->state == store::ReviewState::expired;
    if (!row || (row->state != review.state && !expired)) problem("a review is not as it was written");
  }
  for (const auto& name : documents_) {
    if (!wait_for(disk.load_document(name))->has_value()) problem("an event that was taken is forgotten");
  }
}

void Books::called(std::string_view key, std::string_view body) {
  const auto run = RunId::parse(key.substr(0, kUuidLength));
  const Run* known = run ? find(*run) : nullptr;
  if (!known) return problem(fmt::format("call {}: its run is not on disk", key));
  if (store::is_final(known->status)) problem(fmt::format("call {}: its run has ended", key));
  if (const auto open = unrecorded_.find(*run); open != unrecorded_.end() && open->second != key)
    problem(fmt::format("call {}: the answer to {} is not on disk", key, open->second));
  if (committed_calls_.contains(task_of(key)) && !may_repeat_.contains(*run))
    problem(fmt::format("call {}: its step is on disk", key));
  // What is under way when a run is suspended is asked again when it goes on, as after a crash.
  const std::uint64_t beginnings = std::max<std::uint64_t>(1 + recoveries_, known->epoch);
  if (++calls_[std::string(key)] > kTriesMost * beginnings) problem(fmt::format("call {}: once too often", key));
  if (body.find(kMailHost) != std::string_view::npos) problem(fmt::format("call {}: it has a mail address in it", key));
}

void Books::answered(std::string_view key) {
  unrecorded_[*RunId::parse(key.substr(0, kUuidLength))] = key;
  if (++answers_[std::string(key)] > 1 + recoveries_) problem(fmt::format("call {}: answered once too often", key));
}

void Books::started(const std::string& key, const RunId& run, bool is_on_disk) {
  history_.add(fmt::format("acknowledged: {} is run {}{}", key, name_of(run), is_on_disk ? "" : ", not on disk"));
  if (!is_on_disk) return;
  if (!find(run)) problem(fmt::format("run {} was acknowledged and is not on disk", name_of(run)));
  if (acknowledged_.emplace(key, run).first->second != run) problem(fmt::format("{} has two runs", key));
}

void Books::retried(const RunId& run) {
  history_.add(fmt::format("acknowledged: {} is retried", name_of(run)));
  const Run* known = find(run);
  if (!known || known->retries == 0)
    problem(fmt::format("run {} was acknowledged as retried and is not", name_of(run)));
}

void Books::decided(const ReviewId& review, store::ReviewState state) {
  const auto known = reviews_.find(review);
  if (known == reviews_.end() || known->second.state != state) problem("a verdict was acknowledged and is not on disk");
}

void Books::suspended(const RunId& run) {
  history_.add(fmt::format("acknowledged: {} is suspended", name_of(run)));
  const Run* known = find(run);
  if (!known || (known->status != RunStatus::suspended && known->retries == 0))
    problem(fmt::format("run {} was acknowledged as suspended and is {}", name_of(run),
                        known ? store::to_string(known->status) : "not there"));
}

void Books::cancelled(const RunId& run) {
  history_.add(fmt::format("acknowledged: {} is cancelled", name_of(run)));
  const Run* known = find(run);
  if (!known || (known->status != RunStatus::cancelled && known->retries == 0))
    problem(fmt::format("run {} was acknowledged as cancelled and is {}", name_of(run),
                        known ? store::to_string(known->status) : "not there"));
}

void Books::close(MicroMoney bill, const std::function<bool(const std::string&)>& failed) {
  MicroMoney costs = 0;
  for (const auto& [id, run] : runs_) {
    costs += run.cost;
    const std::string name = name_of(id);
    if (!store::is_final(run.status))
      problem(fmt::format("run {} of {} is {} for ever", name, run.flow, store::to_string(run.status)));
    if (run.status == RunStatus::faulted && !rejected_.contains(id) && !failed(name))
      problem(fmt::format("run {} of {} failed without a reason", name, run.flow));
    if (run.status == RunStatus::faulted && run.flow == "sim/retry@1.0.0")
      problem(fmt::format("run {} failed by what it catches", name));
    if (run.status == RunStatus::cancelled && !may_be_cancelled_.contains(id))
      problem(fmt::format("run {} of {} is cancelled, which nobody asked for", name, run.flow));
  }
  for (const auto& [key, count] : calls_) {
    const auto run = runs_.find(*RunId::parse(key.substr(0, kUuidLength)));
    if (run->second.status == RunStatus::completed && !committed_calls_.contains(task_of(key)) &&
        !failed(name_of(run->first)))
      problem(fmt::format("call {}: it is in no step", key));
  }
  for (const auto& [key, run] : acknowledged_) {
    if (!find(run)) problem(fmt::format("{} is lost", key));
  }
  check_children();
  if (costs != spent_) problem(fmt::format("runs cost {}, {} was spent", costs, spent_));
  if (costs > bill) problem(fmt::format("the books say {}, the provider's bill {}", costs, bill));
  if (recoveries_ == 0 && costs != bill)
    problem(fmt::format("nothing was lost: the books say {}, the provider's bill {}", costs, bill));
}

// A task has one child, however often its parent begins anew. Of branches that compete another one may win before the
// child's is begun: that of a run which was suspended, and goes on when the others' time has come.
void Books::check_children() {
  std::size_t most = 0, fewest = 0;
  for (const auto& [id, run] : runs_) {
    const std::size_t own = run.flow == "sim/parent@1.0.0"                                  ? 2
                            : run.flow == "sim/split@1.0.0" || run.flow == "sim/race@1.0.0" ? 1
                                                                                            : 0;
    most += own * (1 + run.retries);
    if (run.status == RunStatus::completed && run.flow != "sim/race@1.0.0") fewest += own;
  }
  const std::size_t there = count_of("sim/child@1.0.0");
  if (there > most || there < fewest) problem(fmt::format("{} children, of {} to {} tasks", there, fewest, most));
}

const Books::Run* Books::find(const RunId& run) const {
  const auto found = runs_.find(run);
  return found == runs_.end() ? nullptr : &found->second;
}

bool Books::all_ended() const {
  return std::ranges::all_of(runs_, [](const auto& run) { return store::is_final(run.second.status); });
}

std::vector<ReviewId> Books::open_reviews() const {
  std::vector<ReviewId> open;
  for (const auto& [id, review] : reviews_) {
    const Run* run = find(review.run);
    const bool waits = run && run->status == RunStatus::waiting;
    if (review.state < store::ReviewState::approved && waits) open.push_back(id);
  }
  return open;
}

std::size_t Books::count_of(std::string_view flow) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(runs_, [&](const auto& run) { return run.second.flow == flow; }));
}

std::size_t Books::steps_of(std::string_view flow, std::string_view task) const {
  std::size_t count = 0;
  for (const auto& [id, run] : runs_) {
    if (run.flow != flow) continue;
    count += static_cast<std::size_t>(std::ranges::count_if(
        run.steps, [&](const store::StepRow& step) { return step.name == task && step.error.empty(); }));
  }
  return count;
}

}  // namespace sb::simulation
