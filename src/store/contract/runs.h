/// One run: what is committed comes back, once, and only from who owns it.
#pragma once

#include "store/contract/fixture.h"

namespace sb::store::testing {

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
    EXPECT_EQ(run->rejected_cost, std::nullopt);
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
    if (i > 1) row.rejected_cost = i - 2;
    next.update = row;
    next.steps.push_back(step(i));
    ASSERT_TRUE(commit(std::move(next)));
    if (i == 2) reopen();
    const auto run = wait_for(store_->load_run(id));
    ASSERT_TRUE(run) << run.error().detail;
    EXPECT_EQ(run->state, row.state);
    EXPECT_EQ(run->output, row.output);
    EXPECT_EQ(run->rejected_cost, row.rejected_cost);
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
