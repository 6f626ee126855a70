/// What is erased, and what is sealed anew under another key.
#pragma once

#include "store/contract/fixture.h"

namespace sb::store::testing {

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

}  // namespace sb::store::testing
