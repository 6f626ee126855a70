#include "audit/verify.h"

#include <fmt/format.h>

#include <algorithm>

#include "audit/leaf.h"
#include "audit/merkle.h"
#include "audit/stored_claims.h"
#include "audit/stored_contents.h"
#include "audit/verify_rows.h"
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
  std::string_view origin;  ///< "kept ", "published "; empty: it is stored
};

class RecordCheck {
 public:
  RecordCheck(RecordReader& record, const VerifyOptions& options)
      : record_(record),
        options_(options),
        rows_(record, options.actors, [this](std::string what) { add(std::move(what)); }) {}

  VerifyReport run() {
    collect_heads();
    check_roots();  // heads of the empty tree
    walk_leaves();
    finish_heads();
    finish_steps();
    rows_.finish();
    return std::move(report_);
  }

 private:
  template <class... Args>
  void problem(fmt::format_string<Args...> format, Args&&... args) {
    add(fmt::format(format, std::forward<Args>(args)...));
  }
  void add(std::string problem) {
    if (++report_.problem_count <= kMaxProblems) report_.problems.push_back(std::move(problem));
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
        expected_.push_back({*std::move(head), row.note, {}});
    }
    if (!options_.kept_head.empty()) expect(options_.kept_head, "kept ");
    for (const std::string& note : options_.published) expect(note, "published ");
    std::ranges::stable_sort(expected_, {}, [](const ExpectedRoot& expected) { return expected.head.size; });
  }

  void expect(const std::string& note, std::string_view origin) {
    auto head = open_tree_head(note, *options_.key);
    if (!head) return problem("{}tree head: {}", origin, head.error().detail);
    expected_.push_back({*std::move(head), note, origin});
  }

  void check_roots() {
    for (; next_head_ < expected_.size() && expected_[next_head_].head.size == range_.size(); ++next_head_) {
      const ExpectedRoot& expected = expected_[next_head_];
      if (expected.head.root != range_.root()) {
        problem("the first {} leaves are not those of the {}tree head", range_.size(), expected.origin);
        continue;
      }
      if (!expected.origin.empty()) continue;
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
    rows_.take(index, *fields);
    while (steps_ && index >= steps_->leaf + steps_->leaves) finish_commit();
    if (fields->kind == "step" && fields->step) check_step(index, *fields);
    if (options_.contents && !fields->payload_commit.empty()) check_content(index, *fields);
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

  void check_content(std::uint64_t index, const LeafFields& fields) {
    const auto compared = options_.contents->compare(fields);
    if (!compared) return problem("leaf {}: {}", index, compared.error().detail);
    if (*compared == StoredContents::Comparison::same) ++report_.contents;
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
              expected.origin, expected.head.size, report_.leaves);
    }
    if (report_.leaves > 0 && report_.heads == 0 && report_.problem_count == 0)
      problem("no tree head vouches for the leaves: they were taken away, or no server has been started on them yet");
  }

  void finish_steps() {
    while (steps_) finish_commit();
  }

  RecordReader& record_;
  const VerifyOptions& options_;
  VerifyReport report_;
  CompactRange range_;
  RowVerification rows_;
  std::vector<ExpectedRoot> expected_;
  std::size_t next_head_ = 0;
  std::optional<StoredSteps> steps_;
};

}  // namespace

Result<VerifyReport> verify_store(const VerifyOptions& options) {
  SB_ASSERT(options.key.has_value());
  const auto begin = system_clock().steady();
  SB_TRY(const std::unique_ptr<RecordReader> record, RecordReader::open(options.database));
  VerifyReport report = RecordCheck(*record, options).run();
  report.actors = options.actors != nullptr;
  report.elapsed_us = std::chrono::duration_cast<std::chrono::microseconds>(system_clock().steady() - begin).count();
  return report;
}

}  // namespace sb::audit
