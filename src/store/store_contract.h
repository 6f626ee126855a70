/// What every Store promises, as tests: instantiate StoreContract with a factory for each implementation.
#pragma once

#include <gtest/gtest.h>

#include <map>

#include "store/testing.h"

namespace sb::store::testing {

struct StoreFactory {
  const char* name;
  std::function<Result<std::unique_ptr<Store>>(const std::string& folder, LeafLog& log)> open;
};

class StoreContract : public ::testing::TestWithParam<StoreFactory> {
 protected:
  void SetUp() override { reopen(); }

  void reopen() {
    store_.reset();
    auto opened = GetParam().open(folder_.path(), log_);
    ASSERT_TRUE(opened) << opened.error().detail;
    store_ = *std::move(opened);
  }
  Result<> commit(Commit commit) { return wait_for(store_->commit(std::move(commit))); }
  static Errc code(const Result<>& result) { return result ? Errc{0} : result.error().code; }

  static Commit create(RunId id, RunStatus status = RunStatus::running) {
    Commit commit;
    RunRow run;
    run.id = id;
    run.tenant = "acme";
    run.flow = "acme/refund@1.0.0";
    run.status = status;
    run.epoch = LeaseEpoch{1};
    run.state = "at the start";
    run.input = "{\"amount\":12}";
    run.created_us = 1'000'000;
    commit.create = std::move(run);
    return commit;
  }
  static StepRow step(std::uint32_t index, std::uint32_t attempt = 1) {
    StepRow step;
    step.index = StepIndex{index};
    step.attempt = attempt;
    step.name = "step " + std::to_string(index);
    step.output = "{\"n\":" + std::to_string(index) + "}";
    step.cost = -7;
    step.started_us = 50;
    step.ended_us = 40;
    return step;
  }

  TemporaryFolder folder_;
  PlainLog log_;
  std::unique_ptr<Store> store_;
};

TEST_P(StoreContract, WhatWasCommittedIsReadBackWholeAndAfterReopening) {
  const RunId id = new_run_id();
  Commit chat = chat_commit(id);
  chat.create->idempotency_key = "key-1";
  chat.create->vault = std::string("\0sealed", 7);
  chat.create->error = "{\"title\":\"none\"}";
  const RunRow sent = *chat.create;
  ASSERT_TRUE(commit(std::move(chat)));
  for (int round = 0; round < 2; ++round) {
    const auto run = wait_for(store_->load_run(id));
    ASSERT_TRUE(run) << run.error().detail;
    EXPECT_EQ(run->id, id);
    EXPECT_EQ(run->tenant, sent.tenant);
    EXPECT_EQ(run->key, sent.key);
    EXPECT_EQ(run->flow, sent.flow);
    EXPECT_EQ(run->flow_hash, sent.flow_hash);
    EXPECT_EQ(run->status, sent.status);
    EXPECT_EQ(run->epoch, sent.epoch);
    EXPECT_EQ(run->state, sent.state);
    EXPECT_EQ(run->input, sent.input);
    EXPECT_EQ(run->output, sent.output);
    EXPECT_EQ(run->error, sent.error);
    EXPECT_EQ(run->route, sent.route);
    EXPECT_EQ(run->model, sent.model);
    EXPECT_EQ(run->vault, sent.vault);
    EXPECT_EQ(run->idempotency_key, sent.idempotency_key);
    EXPECT_EQ(run->request_hash, sent.request_hash);
    EXPECT_EQ(run->cost, sent.cost);
    EXPECT_EQ(run->cost_all_large, sent.cost_all_large);
    EXPECT_EQ(run->created_us, sent.created_us);
    EXPECT_EQ(run->ended_us, sent.ended_us);
    const auto steps = wait_for(store_->load_steps(id));
    ASSERT_TRUE(steps);
    ASSERT_EQ(steps->size(), 4U);
    EXPECT_EQ((*steps)[1].kind, "triage");
    EXPECT_EQ((*steps)[1].ref, "/do/1");
    reopen();
  }
  EXPECT_EQ(log_.read.size(), 5U);
  EXPECT_EQ(log_.head, "head of 5") << "a store that closes leaves no leaf without a tree head";
}

TEST_P(StoreContract, AnUnknownRunIsNotFound) {
  const RunId id = new_run_id();
  EXPECT_EQ(wait_for(store_->load_run(id)).error().code, Errc::not_found);
  EXPECT_EQ(wait_for(store_->load_steps(id)).error().code, Errc::not_found);
  Commit update = create(id);
  std::swap(update.create, update.update);
  EXPECT_EQ(code(commit(std::move(update))), Errc::not_found);
  Commit step_only;
  step_only.run = id;
  step_only.steps.push_back(step(0));
  EXPECT_EQ(code(commit(std::move(step_only))), Errc::not_found);
}

TEST_P(StoreContract, ARunGrowsStepByStepAndKeepsWhatItWasBornWith) {
  const RunId id = new_run_id();
  ASSERT_TRUE(commit(create(id)));
  for (std::uint32_t i = 0; i < 5; ++i) {
    Commit next;
    RunRow row;
    row.id = id;
    row.status = i == 4 ? RunStatus::completed : RunStatus::running;
    row.epoch = LeaseEpoch{1};
    row.state = "after " + std::to_string(i);
    row.output = i == 4 ? "done" : "";
    next.update = row;
    next.steps.push_back(step(i));
    ASSERT_TRUE(commit(std::move(next)));
    if (i == 2) reopen();
    const auto run = wait_for(store_->load_run(id));
    ASSERT_TRUE(run) << run.error().detail;
    EXPECT_EQ(run->state, row.state);
    EXPECT_EQ(run->output, row.output);
    EXPECT_EQ(run->status, row.status);
    EXPECT_EQ(run->input, "{\"amount\":12}");
    EXPECT_EQ(run->tenant, "acme");
  }
  const auto steps = wait_for(store_->load_steps(id));
  ASSERT_EQ(steps->size(), 5U);
  for (std::uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ((*steps)[i].index, StepIndex{i});
    EXPECT_EQ((*steps)[i].output, step(i).output);
    EXPECT_EQ((*steps)[i].cost, -7);
    EXPECT_EQ((*steps)[i].ended_us, 40);
  }
}

TEST_P(StoreContract, AStepThatIsThereAlreadyIsIgnoredWithItsLeaf) {
  const RunId id = new_run_id();
  ASSERT_TRUE(commit(create(id)));
  const auto send = [&](std::uint32_t index, std::uint32_t attempt) {
    Commit next;
    next.run = id;
    next.steps.push_back(step(index, attempt));
    LeafDraft leaf;
    leaf.kind = "step";
    leaf.step = StepIndex{index};
    leaf.attempt = attempt;
    next.leaves.push_back(leaf);
    return commit(std::move(next));
  };
  for (const auto& [index, attempt] : {std::pair{0U, 1U}, {2U, 1U}, {1U, 1U}, {1U, 2U}, {1U, 1U}, {2U, 1U}, {0U, 1U}}) {
    ASSERT_TRUE(send(index, attempt));
  }
  reopen();
  ASSERT_TRUE(send(2, 1));
  ASSERT_TRUE(send(3, 1));
  const auto steps = wait_for(store_->load_steps(id));
  ASSERT_EQ(steps->size(), 5U);
  EXPECT_EQ((*steps)[2].attempt, 2U);
  reopen();
  EXPECT_EQ(log_.read.size(), 5U);
}

TEST_P(StoreContract, AnOlderEpochIsFencedOff) {
  const RunId id = new_run_id();
  ASSERT_TRUE(commit(create(id)));
  const auto update = [&](std::uint64_t epoch, const char* state) {
    Commit next = create(id);
    next.create->epoch = LeaseEpoch{epoch};
    next.create->state = state;
    std::swap(next.create, next.update);
    next.steps.push_back(step(static_cast<std::uint32_t>(epoch)));
    return commit(std::move(next));
  };
  ASSERT_TRUE(update(3, "third"));
  EXPECT_EQ(code(update(2, "second")), Errc::lease_lost);
  reopen();
  EXPECT_EQ(code(update(2, "second")), Errc::lease_lost);
  ASSERT_TRUE(update(3, "third again"));
  EXPECT_EQ(wait_for(store_->load_run(id))->state, "third again");
  EXPECT_EQ(wait_for(store_->load_steps(id))->size(), 1U) << "a refused commit leaves nothing behind";
}

TEST_P(StoreContract, AnIdempotencyKeyBelongsToOneRunOfATenant) {
  const RunId first = new_run_id();
  const auto with_key = [&](RunId id, const char* tenant) {
    Commit next = create(id, RunStatus::completed);
    next.create->tenant = tenant;
    next.create->idempotency_key = "once";
    next.leaves.emplace_back().kind = "run.start";
    return commit(std::move(next));
  };
  ASSERT_TRUE(with_key(first, "acme"));
  const auto second = with_key(new_run_id(), "acme");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::already_exists);
  EXPECT_EQ(second.error().detail, first.to_string());
  EXPECT_TRUE(with_key(new_run_id(), "other"));
  EXPECT_EQ(code(with_key(first, "third")), Errc::already_exists) << "an id is taken whatever the key";
  const auto found = wait_for(store_->find_idempotent("acme", "once"));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->id, first);
  EXPECT_FALSE(wait_for(store_->find_idempotent("acme", "twice"))->has_value());
  reopen();
  EXPECT_EQ(log_.read.size(), 2U);
}

TEST_P(StoreContract, ARequestIsFoundByItsNewNameAlone) {
  const auto add = [&](const char* tenant, const char* key) {
    Commit next = chat_commit(new_run_id());
    next.create->tenant = tenant;
    next.create->idempotency_key = key;
    const RunId id = next.create->id;
    EXPECT_TRUE(commit(std::move(next)));
    return id;
  };
  add("acme", "~named");
  add("acme", "");
  const RunId first = add("acme", "a");
  const RunId last = add("other", "~~");
  const auto requests = wait_for(store_->requests_named_without("~n", 10));
  ASSERT_TRUE(requests) << requests.error().detail;
  ASSERT_EQ(requests->size(), 2U);
  EXPECT_EQ(wait_for(store_->requests_named_without("~n", 1))->size(), 1U);
  Commit rename;
  for (const auto& request : *requests) {
    EXPECT_EQ(request.name.run, request.tenant == "acme" ? first : last);
    EXPECT_EQ(request.name.request_hash, std::string(64, 'b'));
    rename.rename.push_back({request.name.run, "~n" + request.name.idempotency_key, std::string(64, 'd')});
  }
  ASSERT_TRUE(commit(std::move(rename)));
  reopen();
  EXPECT_TRUE(wait_for(store_->requests_named_without("~n", 10))->empty());
  EXPECT_FALSE(wait_for(store_->find_idempotent("acme", "a"))->has_value());
  const auto found = wait_for(store_->find_idempotent("acme", "~na"));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->id, first);
  EXPECT_EQ((*found)->request_hash, std::string(64, 'd'));
}

TEST_P(StoreContract, AsyncCommitsAreSeenByEveryReadAfterThem) {
  for (int i = 0; i < 20; ++i) {
    const RunId id = new_run_id();
    Commit chat = chat_commit(id);
    chat.durability = Durability::async;
    chat.create->idempotency_key = "key-" + std::to_string(i);
    ASSERT_TRUE(commit(std::move(chat)));
    ASSERT_TRUE(wait_for(store_->find_idempotent("acme", "key-" + std::to_string(i)))->has_value());
    ASSERT_TRUE(wait_for(store_->load_run(id)));
  }
  Commit last = chat_commit(new_run_id());
  last.durability = Durability::async;
  const RunId id = last.create->id;
  ASSERT_TRUE(commit(std::move(last)));
  reopen();
  EXPECT_TRUE(wait_for(store_->load_run(id))) << "closing writes what is queued";
}

TEST_P(StoreContract, AReviewChangesOnlyFromTheStateItIsThoughtToBeIn) {
  const RunId run = new_run_id();
  ASSERT_TRUE(commit(create(run, RunStatus::waiting)));
  ReviewRow review;
  review.id = ReviewId(new_run_id().uuid);
  review.run = run;
  review.step = StepIndex{2};
  review.tenant = "acme";
  review.question = "{\"q\":1}";
  review.priority = 5;
  Commit ask;
  ask.run = run;
  ask.review_create = review;
  ASSERT_TRUE(commit(ask));
  EXPECT_EQ(code(commit(ask)), Errc::already_exists);
  const auto change = [&](ReviewState from, const char* holder, ReviewState to, const char* claimant) {
    Commit next;
    next.run = run;
    ReviewChange change;
    change.row = review;
    change.row.state = to;
    change.row.claimed_by = claimant;
    change.row.verdict = "{\"text\":\"fine\"}";
    change.expected = from;
    change.expected_claimant = holder;
    next.review_change = change;
    return commit(std::move(next));
  };
  ASSERT_TRUE(change(ReviewState::open, "", ReviewState::claimed, "ann"));
  EXPECT_EQ(code(change(ReviewState::open, "", ReviewState::claimed, "bob")), Errc::conflict);
  EXPECT_EQ(code(change(ReviewState::claimed, "bob", ReviewState::approved, "bob")), Errc::conflict);
  ASSERT_TRUE(change(ReviewState::claimed, "ann", ReviewState::approved, "ann"));
  EXPECT_EQ(code(change(ReviewState::claimed, "ann", ReviewState::rejected, "ann")), Errc::conflict);
  const auto stored = wait_for(store_->load_review(review.id));
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->state, ReviewState::approved);
  EXPECT_EQ(stored->run, run);
  EXPECT_EQ(stored->step, StepIndex{2});
  EXPECT_EQ(stored->question, review.question);
  EXPECT_EQ(stored->verdict, "{\"text\":\"fine\"}");
  EXPECT_EQ(wait_for(store_->load_review(ReviewId(new_run_id().uuid))).error().code, Errc::not_found);
}

TEST_P(StoreContract, AReviewThatNobodyDecidedExpiresWithItsRun) {
  for (const auto [how, expected] : {std::pair(RunStatus::cancelled, ReviewState::expired),
                                     {RunStatus::suspended, ReviewState::expired},
                                     {RunStatus::running, ReviewState::claimed}}) {
    const RunId run = new_run_id();
    Commit ask = create(run, RunStatus::waiting);
    RunRow row = *ask.create;
    ask.review_create.emplace();
    ask.review_create->id = ReviewId(new_run_id().uuid);
    ask.review_create->run = run;
    ask.review_create->state = ReviewState::claimed;
    const ReviewId review = ask.review_create->id;
    ASSERT_TRUE(commit(std::move(ask)));
    Commit next;
    row.status = how;
    next.update = row;
    ASSERT_TRUE(commit(std::move(next)));
    EXPECT_EQ(wait_for(store_->load_review(review))->state, expected) << to_string(how);
  }
}

TEST_P(StoreContract, ReviewsAreListedByPriorityThenAge) {
  for (int i = 0; i < 6; ++i) {
    Commit ask;
    ReviewRow review;
    review.id = ReviewId(new_run_id().uuid);
    review.tenant = i == 5 ? "other" : "acme";
    review.priority = i % 2;
    review.created_us = i;
    review.reason = std::to_string(i);
    ask.review_create = review;
    ASSERT_TRUE(commit(std::move(ask)));
  }
  ReviewFilter filter;
  filter.tenant = "acme";
  filter.state = ReviewState::open;
  const auto listed = wait_for(store_->list_reviews(filter));
  ASSERT_TRUE(listed);
  std::string order;
  for (const ReviewRow& review : *listed) order += review.reason;
  EXPECT_EQ(order, "13024");
}

TEST_P(StoreContract, RunsAreListedNewestFirstInPages) {
  std::vector<RunId> ids;
  for (int i = 0; i < 25; ++i) {
    ids.push_back(RunId(Uuid::v7(1'700'000'000'000'000 + i * 1000, system_entropy())));
    Commit next = create(ids.back(), i % 5 == 0 ? RunStatus::faulted : RunStatus::completed);
    next.create->route = i % 2 == 0 ? "small" : "large";
    next.create->flow = i % 3 == 0 ? "acme/refund@2.0.0" : "acme/refunds@1.0.0";
    ASSERT_TRUE(commit(std::move(next)));
  }
  std::vector<RunId> seen;
  RunFilter filter;
  filter.limit = 10;
  for (;;) {
    const auto page = wait_for(store_->list_runs(filter));
    ASSERT_TRUE(page);
    if (page->empty()) break;
    for (const RunRow& run : *page) {
      seen.push_back(run.id);
      EXPECT_TRUE(run.input.empty());
    }
    filter.before = seen.back();
  }
  std::ranges::reverse(seen);
  EXPECT_EQ(seen, ids);
  const auto count = [&](auto set) {
    RunFilter only;
    set(only);
    return wait_for(store_->list_runs(only))->size();
  };
  EXPECT_EQ(count([](RunFilter& f) { f.status = RunStatus::faulted; }), 5U);
  EXPECT_EQ(count([](RunFilter& f) { f.status = RunStatus::completed; }), 20U);
  EXPECT_EQ(count([](RunFilter& f) { f.route = "large"; }), 12U);
  EXPECT_EQ(count([](RunFilter& f) { f.flow = "acme/refund"; }), 9U);
  EXPECT_EQ(count([](RunFilter& f) { f.flow = "acme/refund@2.0.0"; }), 9U);
  EXPECT_EQ(count([](RunFilter& f) { f.tenant = "nobody"; }), 0U);
}

TEST_P(StoreContract, OpenRunsArePendingOrRunningOldestFirst) {
  std::vector<RunId> expected;
  const RunStatus statuses[] = {RunStatus::running, RunStatus::completed, RunStatus::pending, RunStatus::waiting,
                                RunStatus::faulted};
  for (int i = 0; i < 25; ++i) {
    const RunId id(Uuid::v7(1'700'000'000'000'000 + i * 1000, system_entropy()));
    if (i % 5 == 0 || i % 5 == 2) expected.push_back(id);
    ASSERT_TRUE(commit(create(id, statuses[i % 5])));
  }
  reopen();
  std::vector<RunId> seen;
  for (;;) {
    const auto page = wait_for(store_->open_runs(seen.empty() ? std::optional<RunId>() : seen.back(), 3));
    ASSERT_TRUE(page) << page.error().detail;
    if (page->empty()) break;
    for (const RunRow& run : *page) {
      seen.push_back(run.id);
      EXPECT_EQ(run.state, "at the start");
      EXPECT_EQ(run.input, "{\"amount\":12}");
    }
  }
  EXPECT_EQ(seen, expected);
}

TEST_P(StoreContract, ARunAtRestHasItsTimeAndItsEventsUntilItGoesOn) {
  const RunId id = new_run_id();
  const auto listening = [&](const char* tenant, const char* type) {
    return wait_for(store_->listeners(tenant, type, 0, 10))->size();
  };
  const auto timers = [&] { return *wait_for(store_->timers({}, 10)); };
  Commit born = create(id, RunStatus::waiting);
  born.wake = {5'000'000, {"order", "order", ""}};
  const RunRow row = *born.create;
  ASSERT_TRUE(commit(std::move(born)));
  reopen();
  ASSERT_EQ(timers().size(), 1U);
  EXPECT_EQ(timers()[0].run, id);
  EXPECT_EQ(timers()[0].due_us, 5'000'000);
  EXPECT_EQ(wait_for(store_->listeners("acme", "order", 0, 10))->at(0).run, id);
  EXPECT_EQ(listening("acme", "orders"), 1U) << "it listens for any";
  EXPECT_EQ(listening("globex", "order"), 0U);

  const auto update = [&](RunStatus status, WakeUp wake) {
    Commit changed;
    changed.update = row;
    changed.update->status = status;
    changed.wake = std::move(wake);
    return commit(std::move(changed));
  };
  ASSERT_TRUE(update(RunStatus::waiting, {0, {"paid"}}));
  EXPECT_TRUE(timers().empty());
  EXPECT_EQ(listening("acme", "order"), 0U);
  EXPECT_EQ(listening("acme", "paid"), 1U);
  ASSERT_TRUE(update(RunStatus::running, {7'000'000, {"paid"}}));
  EXPECT_TRUE(timers().empty()) << "who goes on is not woken";
  EXPECT_EQ(listening("acme", "paid"), 0U);
  ASSERT_TRUE(update(RunStatus::waiting, {8'000'000, {}}));
  EXPECT_EQ(timers().size(), 1U);
  ASSERT_TRUE(update(RunStatus::completed, {}));
  EXPECT_TRUE(timers().empty());
}

TEST_P(StoreContract, TimersComeInTheOrderOfTheirTimesPageByPage) {
  constexpr int kRuns = 30;
  std::multimap<Micros, RunId> expected;
  for (int i = 0; i < kRuns; ++i) {
    const RunId id = new_run_id();
    Commit born = create(id, RunStatus::waiting);
    born.wake.due_us = 1 + (i * 7) % 10;  // three of each time
    expected.emplace(born.wake.due_us, id);
    ASSERT_TRUE(commit(std::move(born)));
  }
  std::vector<RunId> seen;
  Timer last;
  for (;;) {
    const auto page = wait_for(store_->timers(last, 4));
    ASSERT_TRUE(page) << page.error().detail;
    if (page->empty()) break;
    for (const Timer& timer : *page) seen.push_back(timer.run);
    last = page->back();
  }
  std::vector<RunId> in_order;
  for (const auto& [due, id] : expected) in_order.push_back(id);
  EXPECT_EQ(seen, in_order);
}

TEST_P(StoreContract, ChunksAreReadFromTheOneThatHoldsTheEvent) {
  const RunId id = new_run_id();
  ASSERT_TRUE(commit(create(id)));
  for (std::uint64_t first = 1; first <= 41; first += 10) {
    Commit next;
    next.run = id;
    next.chunks.push_back({first, "from " + std::to_string(first)});
    next.chunks.push_back({first + 5, "from " + std::to_string(first + 5)});
    ASSERT_TRUE(commit(std::move(next)));
  }
  const auto all = wait_for(store_->load_chunks(id, 0));
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 10U);
  EXPECT_EQ(all->front().data, "from 1");
  const auto some = wait_for(store_->load_chunks(id, 28));
  ASSERT_EQ(some->size(), 5U);
  EXPECT_EQ(some->front().first_event, 26U);
  EXPECT_EQ(some->back().first_event, 46U);
}

TEST_P(StoreContract, MoneyAddsUpByDayAndByRoute) {
  constexpr Micros kDay = 86'400'000'000;
  for (int i = 0; i < 10; ++i) {
    Commit next = create(new_run_id(), RunStatus::completed);
    next.create->created_us = i * 1000;
    next.create->route = i < 4 ? "small" : "large";
    next.create->model = "m";
    next.create->cost = 10;
    next.create->cost_all_large = 100;
    next.spend_key = "k";
    next.spend = 10;
    next.spend_at_us = i < 7 ? kDay - 1 : kDay;
    ASSERT_TRUE(commit(std::move(next)));
  }
  EXPECT_EQ(wait_for(store_->spend_of("k", 5)), 70);
  EXPECT_EQ(wait_for(store_->spend_of("k", kDay + 5)), 30);
  EXPECT_EQ(wait_for(store_->spend_of("nobody", 5)), 0);
  const auto rows = wait_for(store_->costs("acme", 1000, 9000));
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2U);
  EXPECT_EQ((*rows)[0].route, "large");
  EXPECT_EQ((*rows)[0].runs, 5U);
  EXPECT_EQ((*rows)[0].cost_all_large, 500);
  EXPECT_EQ((*rows)[1].cost, 30);
}

TEST_P(StoreContract, DocumentsAreReplaced) {
  EXPECT_FALSE(wait_for(store_->load_document("settings"))->has_value());
  const std::string large(200'000, 'x');
  for (const std::string& text : {std::string("{}"), large, std::string()}) {
    Commit next;
    next.documents.emplace_back("settings", text);
    ASSERT_TRUE(commit(std::move(next)));
    EXPECT_EQ(wait_for(store_->load_document("settings")).value(), text);
  }
}

TEST_P(StoreContract, APlaceholdersValueGoesWithTheLastPersonWhoseRunsBroughtIt) {
  const auto bring = [&](const std::string& subject, const std::string& token, const std::string& sealed) {
    Commit next;
    next.tokens.push_back({"acme", token, subject, sealed});
    ASSERT_TRUE(commit(std::move(next)));
  };
  bring("p-1", "[EMAIL_TA]", "first");
  bring("p-1", "[EMAIL_TA]", "again");  // kept once
  bring("p-1", "[EMAIL_TB]", "own");
  bring("p-2", "[EMAIL_TA]", "second");
  bring("", "[EMAIL_TB]", "own, and nobody said so");
  bring("", "[EMAIL_TC]", "nobody's");
  EXPECT_TRUE(wait_for(store_->find_token("acme", "[EMAIL_TB]"))->has_value());
  EXPECT_FALSE(wait_for(store_->find_token("globex", "[EMAIL_TB]"))->has_value());
  EXPECT_TRUE(wait_for(store_->tokens_of_subject("acme", "", 10))->empty());
  EXPECT_EQ(wait_for(store_->tokens_of_subject("acme", "p-1", 1))->size(), 1U);

  const auto erase = [&](const std::string& subject) {
    Commit next;
    std::size_t shared = 0;
    for (const PersonsToken& token : *wait_for(store_->tokens_of_subject("acme", subject, 10))) {
      next.erase_tokens.push_back(token.no);
      if (token.nobodys != 0) next.erase_tokens.push_back(token.nobodys);
      shared += token.shared ? 1 : 0;
    }
    const std::size_t all = next.erase_tokens.size();
    EXPECT_TRUE(commit(std::move(next)));
    return std::pair(all, shared);
  };
  EXPECT_EQ(erase("p-1"), std::pair(3UL, 1UL));
  EXPECT_EQ(wait_for(store_->find_token("acme", "[EMAIL_TA]")).value(), "second");
  EXPECT_FALSE(wait_for(store_->find_token("acme", "[EMAIL_TB]"))->has_value());
  EXPECT_EQ(erase("p-2"), std::pair(1UL, 0UL));
  EXPECT_FALSE(wait_for(store_->find_token("acme", "[EMAIL_TA]"))->has_value());
  EXPECT_TRUE(wait_for(store_->find_token("acme", "[EMAIL_TC]"))->has_value());
}

TEST_P(StoreContract, TheStepsOfAnErasedRunSayThatTheyFailedAndNotWhy) {
  const RunId id = new_run_id();
  Commit ended = create(id, RunStatus::faulted);
  ended.create->error = "sealed words";
  ended.steps = {step(0), step(1)};
  ended.steps[0].output.clear();
  ended.steps[1].error = "why it failed";
  ASSERT_TRUE(commit(std::move(ended)));
  Commit erasure;
  erasure.erase = {id};
  ASSERT_TRUE(commit(std::move(erasure)));
  EXPECT_EQ(wait_for(store_->load_run(id))->error, "");
  const auto steps = wait_for(store_->load_steps(id));
  ASSERT_EQ(steps->size(), 2U);
  EXPECT_EQ(steps->at(0).output + steps->at(0).error, "");
  EXPECT_EQ(steps->at(1).output, "null");
  EXPECT_EQ(steps->at(1).error, "null");
  EXPECT_EQ(steps->at(1).name, "step 1");
  EXPECT_EQ(steps->at(1).cost, -7);
}

TEST_P(StoreContract, WhatOtherVersionsSealIsFoundPageByPageAndSealedAnewOnce) {
  std::vector<RunId> runs;
  for (int i = 0; i < 5; ++i) {
    Commit next = create(new_run_id(), RunStatus::completed);
    runs.push_back(next.create->id);
    if (i == 1) next.create->tenant = "globex";
    next.create->data_key = std::string(i == 3 ? "\x01" : "\0", 1) + "key " + std::to_string(i);
    ASSERT_TRUE(commit(std::move(next)));
  }
  std::vector<SealedRow> found;
  SealedPage page;
  int pages = 0;
  do {
    page = *wait_for(store_->sealed_by_others("acme", SealedKind::data_key, 1, page.last, 2));
    std::ranges::move(page.rows, std::back_inserter(found));
    ++pages;
  } while (page.more);
  EXPECT_EQ(pages, 3);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].run, runs[0]);
  EXPECT_EQ(found[1].run, runs[2]);
  EXPECT_EQ(found[2].run, runs[4]);

  Commit erase;
  erase.erase = {runs[2]};
  ASSERT_TRUE(commit(std::move(erase)));
  Commit reseal;
  for (const SealedRow& row : found) reseal.reseal.push_back({row.kind, row.no, row.sealed, "\x01 anew"});
  ASSERT_TRUE(commit(std::move(reseal)));
  EXPECT_EQ(wait_for(store_->load_run(runs[0]))->data_key, "\x01 anew");
  EXPECT_TRUE(wait_for(store_->load_run(runs[2]))->erased) << "what was erased meanwhile does not come back";
  EXPECT_TRUE(wait_for(store_->sealed_by_others("acme", SealedKind::data_key, 1, 0, 100))->rows.empty());
}

TEST_P(StoreContract, AKeyIsRetiredWhenNothingNeedsItAndThenSealsNothing) {
  const auto run_under = [&](char version) {
    Commit next = create(new_run_id(), RunStatus::completed);
    next.create->data_key = std::string(1, version) + "key";
    return commit(std::move(next));
  };
  const auto retire = [&](std::int64_t after) {
    Commit next;
    next.retire_keys = {"acme", 1, after, 0};
    return code(commit(std::move(next)));
  };
  ASSERT_TRUE(run_under('\0'));
  EXPECT_EQ(retire(0), Errc::conflict);
  const SealedRow row = wait_for(store_->sealed_by_others("acme", SealedKind::data_key, 1, 0, 10))->rows.at(0);
  Commit token;
  token.tokens.push_back({"acme", "[EMAIL_TA]", "", std::string("\0old", 4)});
  ASSERT_TRUE(commit(std::move(token)));
  EXPECT_EQ(retire(row.no), Errc::conflict) << "the placeholder's value";
  const SealedRow value = wait_for(store_->sealed_by_others("acme", SealedKind::token, 1, 0, 10))->rows.at(0);
  Commit reseal;
  for (const SealedRow& one : {row, value})
    reseal.reseal.push_back({one.kind, one.no, one.sealed, "\x01" + one.sealed.substr(1)});
  ASSERT_TRUE(commit(std::move(reseal)));
  EXPECT_EQ(wait_for(store_->find_token("acme", "[EMAIL_TA]")).value(), "\x01old");
  EXPECT_EQ(retire(0), Errc{0});
  EXPECT_EQ(code(run_under('\0')), Errc::unavailable) << "got its key before, is stored after";
  Commit late;
  late.tokens.push_back({"acme", "[EMAIL_TB]", "", std::string("\0old", 4)});
  EXPECT_EQ(code(commit(std::move(late))), Errc::unavailable);
  EXPECT_TRUE(run_under('\x01'));
  EXPECT_TRUE(run_under('\x02')) << "the next rotation has begun";
}

TEST_P(StoreContract, LargeValuesComeBackAsTheyWere) {
  const RunId id = new_run_id();
  Commit next = create(id, RunStatus::completed);
  next.create->input.clear();
  SeededEntropy entropy(7);
  for (int i = 0; i < 30'000; ++i) next.create->input += std::to_string(entropy.next_u64() % 1000);
  const std::string sent = next.create->input;
  next.steps.push_back(step(0));
  ASSERT_TRUE(commit(std::move(next)));
  EXPECT_EQ(wait_for(store_->load_run(id))->input, sent);
  EXPECT_EQ(wait_for(store_->load_steps(id))->size(), 1U);
}

TEST_P(StoreContract, FlushSignsTheLastLeaf) {
  Commit next;
  next.leaves.emplace_back().kind = "config.change";
  ASSERT_TRUE(commit(std::move(next)));
  ASSERT_TRUE(wait_for(store_->flush()));
  EXPECT_EQ(store_->stats().leaves, 1U);
  EXPECT_EQ(log_.size, 1U);
}

}  // namespace sb::store::testing
