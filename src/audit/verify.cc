#include "audit/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "audit/leaf.h"
#include "audit/merkle.h"
#include "audit/run_chain.h"
#include "audit/stored_claims.h"
#include "base/clock.h"
#include "store/sqlite/record_reader.h"

namespace sb::audit {
namespace {

using store::sqlite::RecordReader;
using store::sqlite::StoredSteps;

constexpr std::size_t kMaxProblems = 20;

struct ExpectedRoot {
  TreeHead head;
  std::string note;
  bool kept;
};

class Verification {
 public:
  Verification(RecordReader& record, const VerifyOptions& options) : record_(record), options_(options) {}

  VerifyReport run() {
    collect_heads();
    check_roots();  // heads of the empty tree
    walk_leaves();
    finish_heads();
    finish_steps();
    finish_runs();
    finish_erasures();
    return std::move(report_);
  }

 private:
  template <class... Args>
  void problem(fmt::format_string<Args...> format, Args&&... args) {
    if (++report_.problem_count <= kMaxProblems) {
      report_.problems.push_back(fmt::format(format, std::forward<Args>(args)...));
    }
  }

  void collect_heads() {
    auto stored = record_.heads();
    if (!stored) return problem("{}", stored.error().detail);
    for (const auto& row : *stored) {
      auto head = open_tree_head(row.note, *options_.key);
      if (!head)
        problem("tree head of {} leaves: {}", row.size, head.error().detail);
      else if (head->size != row.size)
        problem("tree head of {} leaves is filed under {}", head->size, row.size);
      else
        expected_.push_back({*std::move(head), row.note, false});
    }
    if (!options_.kept_head.empty()) {
      auto head = open_tree_head(options_.kept_head, *options_.key);
      if (!head)
        problem("kept tree head: {}", head.error().detail);
      else
        expected_.push_back({*std::move(head), options_.kept_head, true});
    }
    std::ranges::stable_sort(expected_, {}, [](const ExpectedRoot& expected) { return expected.head.size; });
  }

  void check_roots() {
    for (; next_head_ < expected_.size() && expected_[next_head_].head.size == range_.size(); ++next_head_) {
      const ExpectedRoot& expected = expected_[next_head_];
      if (expected.head.root != range_.root()) {
        problem("the first {} leaves are not those of the {}tree head", range_.size(), expected.kept ? "kept " : "");
        continue;
      }
      if (expected.kept) continue;
      ++report_.heads;
      report_.signed_leaves = expected.head.size;
      report_.newest_head = expected.note;
    }
  }

  void walk_leaves() {
    advance_steps();
    for (;;) {
      auto leaf = record_.next_leaf();
      if (!leaf) return problem("{}", leaf.error().detail);
      if (!*leaf) return;
      check_leaf((*leaf)->index, (*leaf)->bytes);
      range_.append(leaf_hash((*leaf)->bytes));
      check_roots();
    }
  }

  void check_leaf(std::uint64_t index, std::string_view bytes) {
    ++report_.leaves;
    const auto fields = parse_leaf(bytes);
    if (!fields) return problem("leaf {}: {}", index, fields.error().detail);
    if (fields->seq != index) problem("leaf {} says that it is number {}", index, fields->seq);
    const bool is_chained = fields->kind == "run.start" || !fields->prev_state.empty();
    if (!fields->run.empty() && is_chained) check_chain(index, *fields);
    while (steps_ && index >= steps_->leaf + steps_->leaves) finish_commit();
    if (fields->kind == "step" && fields->step) check_step(index, *fields);
    if (fields->kind == "run.end") check_end(index, *fields);
    if (fields->kind == "erasure") erasures_ += runs_erased(*fields);
    if (const auto run = RunId::parse(fields->run); run && fields->kind == "run.erased") erased_.insert(*run);
  }

  void check_step(std::uint64_t index, const LeafFields& fields) {
    if (steps_ && index >= steps_->leaf && steps_->run && steps_->run->to_string() == fields.run) {
      const auto found = std::ranges::find_if(steps_->steps, [&](const store::StepRow& step) {
        return static_cast<std::uint32_t>(step.index) == *fields.step && step.attempt == fields.attempt;
      });
      if (found != steps_->steps.end()) {
        if (!tells(fields, *found))
          problem("leaf {}: step {} attempt {} of run {} is stored otherwise than it is recorded", index, *fields.step,
                  fields.attempt, fields.run);
        steps_->steps.erase(found);
        ++report_.steps;
        return;
      }
    }
    problem("leaf {}: step {} attempt {} of run {} is recorded but not stored", index, *fields.step, fields.attempt,
            fields.run);
  }

  void check_end(std::uint64_t index, const LeafFields& fields) {
    ++ends_;
    const auto id = RunId::parse(fields.run);
    const auto run = id ? record_.run(*id) : fail(Errc::not_found, fmt::format("no run {}", fields.run));
    if (!run) return problem("leaf {}: {}", index, run.error().detail);
    if (!tells(fields, *run))
      problem("leaf {}: the end of run {} is stored otherwise than it is recorded", index, fields.run);
  }

  // A run that has ended is forgotten: nothing continues it.
  void check_chain(std::uint64_t index, const LeafFields& fields) {
    const auto run = RunId::parse(fields.run);
    if (!run) return problem("leaf {}: its run is no UUID", index);
    if (!chains_[*run].take(fields))
      problem("leaf {} does not continue the leaves of run {} before it", index, fields.run);
    if (fields.kind == "run.end") chains_.erase(*run);
  }

  // The commit's leaves are past: each of its steps must have had one.
  void finish_commit() {
    for (const store::StepRow& step : steps_->steps) {
      problem("step {} attempt {} of run {} is stored but not recorded (near leaf {})",
              static_cast<std::uint32_t>(step.index), step.attempt, steps_->run ? steps_->run->to_string() : "(gone)",
              steps_->leaf);
    }
    advance_steps();
  }

  void advance_steps() {
    const std::uint64_t end = steps_ ? steps_->leaf + steps_->leaves : 0;
    steps_.reset();
    auto next = record_.next_steps();
    if (!next) return problem("{}", next.error().detail);
    steps_ = *std::move(next);
    if (steps_ && steps_->leaf < end) problem("commits near leaf {} are not in their order", steps_->leaf);
  }

  void finish_heads() {
    for (; next_head_ < expected_.size(); ++next_head_) {
      const ExpectedRoot& expected = expected_[next_head_];
      problem("a {}tree head was signed for {} leaves, the log has {}: it was cut short or rolled back",
              expected.kept ? "kept " : "", expected.head.size, report_.leaves);
    }
    if (report_.leaves > 0 && report_.heads == 0 && report_.problem_count == 0)
      problem("no tree head vouches for the leaves: they were taken away, or no server has been started on them yet");
  }

  void finish_steps() {
    while (steps_) finish_commit();
  }

  void finish_runs() {
    const auto ended = record_.ended_runs();
    if (!ended) return problem("{}", ended.error().detail);
    if (*ended != ends_) problem("{} runs are stored as ended, the end of {} is recorded", *ended, ends_);
  }

  // Keys may only be gone by an erasure. Those before `run.erased` leaves were written are known by their number alone.
  void finish_erasures() {
    const auto erased = record_.erased_runs();
    if (!erased) return problem("{}", erased.error().detail);
    if (erased->size() != erasures_)
      problem("the content of {} runs is gone, the erasure of {} is recorded", erased->size(), erasures_);
    for (const RunId& run : *erased) erased_.erase(run);
    for (const RunId& run : erased_) problem("run {} is recorded as erased, and its content is there", run.to_string());
  }

  RecordReader& record_;
  const VerifyOptions& options_;
  VerifyReport report_;
  CompactRange range_;
  std::unordered_map<RunId, RunChain> chains_;  ///< of runs that go on
  std::vector<ExpectedRoot> expected_;
  std::size_t next_head_ = 0;
  std::optional<StoredSteps> steps_;
  std::uint64_t ends_ = 0;
  std::uint64_t erasures_ = 0;  ///< runs, by the leaves of erasures
  std::unordered_set<RunId> erased_;
};

}  // namespace

Result<VerifyReport> verify_store(const VerifyOptions& options) {
  SB_ASSERT(options.key.has_value());
  const auto begin = system_clock().steady();
  SB_TRY(const std::unique_ptr<RecordReader> record, RecordReader::open(options.database));
  VerifyReport report = Verification(*record, options).run();
  report.elapsed_us = std::chrono::duration_cast<std::chrono::microseconds>(system_clock().steady() - begin).count();
  return report;
}

}  // namespace sb::audit
