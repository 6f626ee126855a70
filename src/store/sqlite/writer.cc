#include "store/sqlite/writer.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>

#include "base/bytes.h"
#include "store/sqlite/columns.h"

namespace sb::store::sqlite {
namespace {

// Forgotten all at once beyond this; a look-up brings back those that still move.
constexpr std::size_t kMaxOpenRuns = 65'536;

// A run that waits for a person or has ended needs no place in memory.
bool is_moving(RunStatus status) {
  return status == RunStatus::pending || status == RunStatus::running;
}

void bind_rejected_cost(Statement& statement, int index, const RunRow& row) {
  if (row.rejected_cost)
    statement.bind(index, *row.rejected_cost);
  else
    statement.bind_null(index);
}

}  // namespace

std::unexpected<Error> Writer::fatal(std::string_view what) {
  fatal_ = database_.error(what);
  return std::unexpected(*fatal_);
}

Result<> Writer::run(Statement& statement, std::string_view what) {
  const int result = statement.step();
  if (result != SQLITE_DONE) {
    auto failed = fatal(what);
    statement.reset();
    return failed;
  }
  statement.reset();
  return {};
}

Result<> Writer::apply(std::span<Item*> items) {
  fatal_.reset();
  group_journal_ = next_journal_;
  group_bundle_.clear();
  group_leaves_ = 0;
  group_keys_.clear();
  group_spending_.clear();
  group_head_.reset();
  Result<> done = log_.has_room();
  if (!done) return done;
  done = run(sql_.begin, "cannot begin a transaction in");
  for (Item* item : items) {
    if (!done) break;
    item->result = apply_one(*item->prepared);
    if (fatal_) done = std::unexpected(*fatal_);
  }
  if (done) done = write_group();
  if (done && sink_) done = make_group();
  const auto written = std::chrono::steady_clock::now();
  if (done) done = run(sql_.commit, "cannot commit to");
  last_commit_us_ = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - written).count());
  if (!done) {
    roll_back();
    return done;
  }
  next_journal_ = group_journal_;
  next_leaf_ += group_leaves_;
  stored_bundle_ = std::exchange(group_bundle_, {});
  keep_head();
  if (open_runs_.size() > kMaxOpenRuns) open_runs_.clear();
  return {};
}

// What cannot be recorded would be missing from the copy for ever: stopping beats that.
Result<> Writer::make_group() {
  std::string mark;
  {
    const ResetAtEnd reset(sql_.count_group);
    if (sql_.count_group.step() != SQLITE_ROW) return fatal("cannot count a group in");
    mark = sql_.count_group.text(0);
  }
  auto patchset = recorder_->take();
  SB_ASSERT(patchset.has_value());
  group_.emplace(groups_ + 1, std::move(mark), group_mark_, *std::move(patchset), std::exchange(group_keys_, {}));
  sink_->committing(*group_);
  return {};
}

void Writer::tell() {
  if (group_) {
    groups_ = group_->number;
    group_mark_ = group_->mark;
    silent_ |= !sink_->committed(*std::exchange(group_, std::nullopt));
  }
  const std::string bundle = std::exchange(stored_bundle_, {});
  if (!bundle.empty() && !silent_) log_.committed(bundle);
}

void Writer::roll_back() {
  if (database_.in_transaction()) {
    sql_.rollback.step();
    sql_.rollback.reset();
  }
  open_runs_.clear();  // they may speak of rows that were taken back
  group_keys_.clear();
  group_.reset();
}

Result<> Writer::store_head() {
  fatal_.reset();
  group_head_.reset();
  const auto head = silent_ ? std::nullopt : log_.take_head(next_leaf_);
  asked_size_ = next_leaf_;
  if (!head) return {};
  Result<> done = run(sql_.begin, "cannot begin a transaction in");
  if (done) done = write_head(*head);
  // A group of its own to whoever keeps a copy: later groups change what it brought.
  if (done && sink_) done = make_group();
  if (done) done = run(sql_.commit, "cannot commit to");
  if (!done) {
    roll_back();
    return done;
  }
  keep_head();
  return {};
}

void Writer::keep_head() {
  if (!group_head_) return;
  head_size_ = group_head_->size;
  head_time_ = group_head_->time_us;
}

// Everything that can be refused is checked before the first write; so a refused commit leaves nothing to take back.
Result<> Writer::apply_one(PreparedCommit& prepared) {
  Work work{prepared};
  SB_CHECK(check(work));
  SB_CHECK(find_repeated_steps(work));
  const Commit& commit = prepared.commit;
  const std::size_t bundle_size = group_bundle_.size();
  Result<> born = encode_leaves(work);
  if (born && commit.create) born = create_run(work);
  if (!born) {
    group_bundle_.resize(bundle_size);
    return born;
  }
  SB_CHECK(append_journal(work));
  if (commit.update) SB_CHECK(update_run(work));
  SB_CHECK(write_rest(work));
  group_leaves_ += work.leaves;
  if (work.run && work.run != &scratch_ && !is_moving(work.run->status)) open_runs_.erase(commit.run);
  return {};
}

Result<> Writer::check(Work& work) {
  const Commit& commit = work.prepared.commit;
  if (!commit.create && commit.run != RunId()) {
    work.run = find_run(commit.run);
    if (fatal_) return std::unexpected(*fatal_);
  }
  const bool needs_run = commit.update || !work.prepared.steps.empty() || !work.prepared.body.empty() ||
                         !commit.outbox.empty() || !commit.notes.empty() || !commit.labels.empty();
  if (needs_run && !commit.create && !work.run) {
    return fail(Errc::not_found, fmt::format("no run {}", commit.run.to_string()));
  }
  if (commit.update && static_cast<std::uint64_t>(commit.update->epoch) < work.run->epoch) {
    return fail(Errc::lease_lost, fmt::format("run {} is at epoch {}, not {}", commit.run.to_string(), work.run->epoch,
                                              static_cast<std::uint64_t>(commit.update->epoch)));
  }
  SB_CHECK(check_end(work));
  for (const RunId& id : commit.erase) {
    const ResetAtEnd reset(sql_.find_ended);
    const int found = sql_.find_ended.bind_blob(1, blob_of(id.uuid)).step();
    if (found == SQLITE_DONE) return fail(Errc::not_found, fmt::format("no run {}", id.to_string()));
    if (found != SQLITE_ROW) return fatal("cannot read a run from");
    if (!is_final(static_cast<RunStatus>(sql_.find_ended.integer(2))))
      return fail(Errc::conflict, fmt::format("run {} has not ended: its content is still needed", id.to_string()));
  }
  SB_CHECK(check_not_erased(work));
  SB_CHECK(check_keys(commit));
  return check_reviews(commit);
}

// What has ended stays so, but for a run that failed or was stopped, where that is meant.
Result<> Writer::check_end(const Work& work) {
  const Commit& commit = work.prepared.commit;
  if (!commit.update) return {};
  const RunStatus status = work.run->status;
  if (commit.reopen ? status == RunStatus::cancelled || status == RunStatus::faulted : !is_final(status)) return {};
  if (!is_final(status)) return fail(Errc::conflict, fmt::format("run {} has not ended", commit.run.to_string()));
  return fail(Errc::conflict,
              fmt::format("run {} has ended as {}: nothing changes it", commit.run.to_string(), to_string(status)));
}

Result<> Writer::check_reviews(const Commit& commit) {
  const auto look_up = [&](const ReviewId& id) {
    sql_.find_review.bind_blob(1, blob_of(id.uuid));
    return sql_.find_review.step();
  };
  if (commit.review_create) {
    const ResetAtEnd reset(sql_.find_review);
    const int found = look_up(commit.review_create->id);
    if (found == SQLITE_ROW) return fail(Errc::already_exists, commit.review_create->id.to_string());
    if (found != SQLITE_DONE) return fatal("cannot read a review from");
  }
  if (commit.review_change) {
    const ReviewChange& change = *commit.review_change;
    const ResetAtEnd reset(sql_.find_review);
    const int found = look_up(change.row.id);
    if (found == SQLITE_DONE) return fail(Errc::not_found, fmt::format("no review {}", change.row.id.to_string()));
    if (found != SQLITE_ROW) return fatal("cannot read a review from");
    const auto state = static_cast<ReviewState>(sql_.find_review.integer(0));
    if (state != change.expected) {
      return fail(Errc::conflict, fmt::format("review {} is {}, not {}", change.row.id.to_string(), to_string(state),
                                              to_string(change.expected)));
    }
    if (state == ReviewState::claimed && sql_.find_review.bytes(1) != change.expected_claimant) {
      return fail(Errc::conflict, fmt::format("review {} is claimed by somebody else", change.row.id.to_string()));
    }
  }
  return {};
}

// Indexes only grow in the usual case: then nothing has to be looked up.
Result<> Writer::find_repeated_steps(Work& work) {
  OpenRun fresh;
  OpenRun& run = work.run ? *work.run : fresh;
  if (!work.run) fresh.known.emplace();
  work.steps = run.steps;
  for (std::size_t i = 0; i < work.prepared.steps.size(); ++i) {
    const StepKey key = work.prepared.steps[i];
    if (key.index >= work.steps) {
      work.steps = key.index + 1;
      continue;
    }
    if (!run.known) SB_CHECK(load_known_steps(run));
    const auto before = std::span(work.prepared.steps).first(i);
    if (run.known->contains(key.packed()) || std::ranges::find(before, key) != before.end())
      work.repeated.push_back(key);
  }
  if (work.repeated.empty()) return {};
  // A repetition within one commit drops one occurrence too many if dropped by key; such a commit is a caller's
  // mistake.
  for (const StepKey& key : work.repeated) {
    if (std::ranges::count(work.prepared.steps, key) > 1) {
      return fail(Errc::invalid_argument,
                  fmt::format("step {} attempt {} twice in one commit", key.index, key.attempt));
    }
  }
  SB_TRY(work.prepared.body, without_steps(work.prepared.body, work.repeated));
  std::erase_if(work.prepared.steps,
                [&](const StepKey& key) { return std::ranges::find(work.repeated, key) != work.repeated.end(); });
  return {};
}

Result<> Writer::load_known_steps(OpenRun& run) {
  std::unordered_set<std::uint64_t> known;
  for (std::int64_t at = run.last; at != 0;) {
    const ResetAtEnd reset(sql_.read_journal);
    if (sql_.read_journal.bind(1, at).step() != SQLITE_ROW) return fatal("cannot read a run's steps from");
    std::string buffer;
    SB_TRY(const std::string_view content, unpack(sql_.read_journal.bytes(1), buffer));
    SB_TRY(const Body body, parse_body(content));
    for (const std::string_view section : body.steps) {
      SB_TRY(const StepKey key, parse_step_key(section));
      known.insert(key.packed());
    }
    at = sql_.read_journal.integer(0);
  }
  run.known = std::move(known);
  return {};
}

Result<> Writer::encode_leaves(Work& work) {
  const Commit& commit = work.prepared.commit;
  const auto is_repeated = [&](const LeafDraft& leaf) {
    if (leaf.kind != "step" || !leaf.step) return false;
    return std::ranges::find(work.repeated, StepKey{static_cast<std::uint32_t>(*leaf.step), leaf.attempt}) !=
           work.repeated.end();
  };
  for (const LeafDraft& leaf : commit.leaves) {
    if (!work.repeated.empty() && is_repeated(leaf)) continue;
    const std::size_t begin = group_bundle_.size();
    group_bundle_.append(2, '\0');
    log_.encode(group_bundle_, static_cast<LeafIndex>(next_leaf_ + group_leaves_ + work.leaves), leaf);
    const std::size_t size = group_bundle_.size() - begin - 2;
    if (size > kMaxLeafBytes) {
      return fail(Errc::too_large, fmt::format("audit leaf of {} bytes, at most {} are kept", size, kMaxLeafBytes));
    }
    set_leaf_size(group_bundle_, begin, size);
    ++work.leaves;
  }
  return {};
}

Result<> Writer::create_run(Work& work) {
  const RunRow& row = *work.prepared.commit.create;
  OpenRun run{group_journal_, group_journal_, static_cast<std::uint64_t>(row.epoch),
              row.status,     work.steps,     std::nullopt};
  HexColumn flow_hash(row.flow_hash);
  HexColumn request_hash(row.request_hash);
  Statement& insert = sql_.insert_run;
  insert.bind(1, run.no).bind_blob(2, blob_of(row.id.uuid)).bind(3, row.tenant).bind(4, row.key).bind(5, row.flow);
  flow_hash.bind(insert, 6);
  insert.bind(7, static_cast<std::int64_t>(row.status))
      .bind(8, static_cast<std::int64_t>(row.epoch))
      .bind(9, row.route);
  insert.bind(10, row.model)
      .bind(11, row.cost)
      .bind(12, row.cost_all_large)
      .bind(13, row.created_us)
      .bind(14, row.updated_us);
  insert.bind(15, row.ended_us).bind(16, run.steps).bind(17, run.last).bind(18, is_final(row.status) ? run.no : 0);
  if (row.idempotency_key.empty())
    insert.bind_null(19);
  else
    insert.bind(19, row.idempotency_key);
  request_hash.bind(insert, 20);
  if (row.error.empty())
    insert.bind_null(21);
  else
    insert.bind(21, row.error);
  bind_rejected_cost(insert, 22, row);
  if (row.forked_from)
    insert.bind_blob(23, blob_of(row.forked_from->uuid)).bind(24, static_cast<std::int64_t>(row.forked_at));
  else
    insert.bind_null(23).bind_null(24);
  const int result = insert.step();
  insert.reset();
  if ((result & 0xff) == SQLITE_CONSTRAINT) {
    // The statement took itself back; who has the key is what the caller must know.
    const ResetAtEnd reset(sql_.find_idempotent);
    sql_.find_idempotent.bind(1, row.tenant).bind(2, row.idempotency_key);
    if (!row.idempotency_key.empty() && sql_.find_idempotent.step() == SQLITE_ROW) {
      return fail(Errc::already_exists, uuid_of(sql_.find_idempotent.bytes(0)).to_string(), "idempotency_key");
    }
    return fail(Errc::already_exists, row.id.to_string());
  }
  if (result != SQLITE_DONE) return fatal("cannot store a run in");
  if (!row.data_key.empty()) {
    sql_.insert_data_key.bind(1, run.no);
    if (row.subject.empty())
      sql_.insert_data_key.bind_null(2);
    else
      sql_.insert_data_key.bind(2, row.subject);
    sql_.insert_data_key.bind_blob(3, row.data_key);
    SB_CHECK(this->run(sql_.insert_data_key, "cannot store a run's key in"));
    if (sink_) group_keys_.push_back({SealedKind::data_key, run.no, row.subject, row.data_key, {}, {}});
  }
  if (!work.prepared.state.empty()) SB_CHECK(run_state(run.no, work.prepared.state));
  if (row.status == RunStatus::waiting) SB_CHECK(rest(run, row.tenant, work.prepared.commit.wake));
  if (is_moving(row.status)) {
    work.run = &(open_runs_[row.id] = std::move(run));
  } else {
    scratch_ = std::move(run);
    work.run = &scratch_;
  }
  return {};
}

Result<> Writer::run_state(std::int64_t run_no, std::string_view state) {
  sql_.put_state.bind(1, run_no).bind_blob(2, state);
  return run(sql_.put_state, "cannot store a run's state in");
}

Result<> Writer::append_journal(Work& work) {
  const PreparedCommit& prepared = work.prepared;
  if (!work.run || (prepared.body.size() <= 1 && work.leaves == 0 && !prepared.commit.create)) return {};
  constexpr std::string_view kNothing("\0", 1);
  const std::int64_t no = group_journal_++;
  const bool born = prepared.commit.create.has_value();
  const std::uint64_t leaf = next_leaf_ + group_leaves_;
  sql_.insert_journal.bind(1, no).bind(2, work.run->no).bind(3, born ? 0 : work.run->last);
  sql_.insert_journal.bind(4, static_cast<std::int64_t>(leaf)).bind(5, static_cast<std::int64_t>(work.leaves));
  sql_.insert_journal.bind_blob(6, prepared.body.empty() ? kNothing : std::string_view(prepared.body));
  SB_CHECK(run(sql_.insert_journal, "cannot append to"));
  work.run->last = no;
  work.run->steps = work.steps;
  if (work.run->known) {
    for (const StepKey& key : prepared.steps) work.run->known->insert(key.packed());
  }
  if (born || prepared.commit.update) return {};
  sql_.update_chain.bind(1, no).bind(2, work.steps).bind(3, work.run->no);
  return run(sql_.update_chain, "cannot store a run in");
}

Result<> Writer::update_run(Work& work) {
  const RunRow& row = *work.prepared.commit.update;
  OpenRun& open = *work.run;
  const bool ended = is_final(row.status);
  Statement& update = row.status == open.status ? sql_.update_run : sql_.update_run_status;
  update.bind(1, static_cast<std::int64_t>(row.epoch)).bind(2, row.route).bind(3, row.model).bind(4, row.cost);
  update.bind(5, row.cost_all_large)
      .bind(6, row.updated_us)
      .bind(7, row.ended_us)
      .bind(8, open.steps)
      .bind(9, open.last);
  update.bind(10, ended ? open.last : 0);
  if (row.error.empty())
    update.bind_null(11);
  else
    update.bind(11, row.error);
  update.bind(12, open.no);
  bind_rejected_cost(update, 14, row);
  if (row.status != open.status) update.bind(13, static_cast<std::int64_t>(row.status));
  SB_CHECK(run(update, "cannot store a run in"));
  if (ended && !is_final(open.status)) {
    SB_CHECK(run(sql_.drop_state.bind(1, open.no), "cannot store a run in"));
  } else if (!ended) {
    SB_CHECK(run_state(open.no, work.prepared.state));
  }
  if (open.status == RunStatus::waiting) SB_CHECK(rouse(open));
  if (row.status == RunStatus::waiting) SB_CHECK(rest(open, row.tenant, work.prepared.commit.wake));
  open.epoch = static_cast<std::uint64_t>(row.epoch);
  open.status = row.status;
  return {};
}

Result<> Writer::rest(const OpenRun& run, const std::string& tenant, const WakeUp& wake) {
  if (wake.due_us != 0)
    SB_CHECK(this->run(sql_.put_timer.bind(1, run.no).bind(2, wake.due_us), "cannot store a run's time in"));
  for (const std::string& type : wake.events) {
    sql_.put_listener.bind(1, run.no).bind(2, type).bind(3, tenant);
    SB_CHECK(this->run(sql_.put_listener, "cannot store what a run listens for in"));
  }
  return {};
}

Result<> Writer::rouse(const OpenRun& run) {
  SB_CHECK(this->run(sql_.drop_timer.bind(1, run.no), "cannot take a run's time out of"));
  return this->run(sql_.drop_listeners.bind(1, run.no), "cannot take what a run listens for out of");
}

Writer::OpenRun* Writer::find_run(RunId id) {
  if (const auto found = open_runs_.find(id); found != open_runs_.end()) return &found->second;
  const ResetAtEnd reset(sql_.find_run);
  const int result = sql_.find_run.bind_blob(1, blob_of(id.uuid)).step();
  if (result == SQLITE_ROW) {
    OpenRun run{sql_.find_run.integer(0),
                sql_.find_run.integer(1),
                static_cast<std::uint64_t>(sql_.find_run.integer(2)),
                static_cast<RunStatus>(sql_.find_run.integer(3)),
                static_cast<std::uint32_t>(sql_.find_run.integer(4)),
                std::nullopt};
    return &(open_runs_[id] = std::move(run));
  }
  if (result != SQLITE_DONE) fatal("cannot read a run from");
  return nullptr;
}

}  // namespace sb::store::sqlite
