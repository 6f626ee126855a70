/// What is noted on runs.
#pragma once

#include "store/contract/fixture.h"

namespace sb::store::testing {

TEST_P(StoreContract, WhatIsNotedOnARunIsKeptOnceByKindAndNameAndFoundByItsMark) {
  const RunId id(Uuid::v7(1'700'000'000'000'000, system_entropy()));
  const RunId later(Uuid::v7(1'700'000'000'001'000, system_entropy()));
  Commit born = create(id);
  born.notes = {{NoteKind::tag, "team", "m-beta", "beta"}, {NoteKind::score, "s", "", "0.5"}};
  ASSERT_TRUE(commit(std::move(born)));
  Commit second = create(later, RunStatus::completed);
  second.notes = {{NoteKind::tag, "team", "m-beta", "beta, too"}};
  ASSERT_TRUE(commit(std::move(second)));
  ASSERT_TRUE(commit(create(new_run_id())));
  Commit again;
  again.run = id;
  again.notes = {{NoteKind::score, "s", "", "0.7"}, {NoteKind::annotation, "a", "", std::string("\0x", 2)}};
  ASSERT_TRUE(commit(std::move(again)));
  reopen();

  const auto notes = wait_for(store_->notes(id));
  ASSERT_TRUE(notes) << notes.error().detail;
  ASSERT_EQ(notes->size(), 3U);
  EXPECT_EQ(notes->at(0).kind, NoteKind::tag);
  EXPECT_EQ(notes->at(0).mark, "m-beta");
  EXPECT_EQ(notes->at(1).sealed, std::string("\0x", 2));
  EXPECT_EQ(notes->at(2).sealed, "0.7");
  EXPECT_TRUE(wait_for(store_->notes(new_run_id()))->empty());
  const auto found = [&](const char* mark, std::optional<RunId> before = std::nullopt, std::size_t limit = 10) {
    RunFilter filter;
    filter.tag = mark;
    filter.before = before;
    filter.limit = limit;
    std::vector<RunId> ids;
    for (const RunRow& run : *wait_for(store_->list_runs(filter))) ids.push_back(run.id);
    return ids;
  };
  EXPECT_EQ(found("m-beta"), (std::vector{later, id}));
  EXPECT_EQ(found("m-beta", std::nullopt, 1), std::vector{later});
  EXPECT_EQ(found("m-beta", later), std::vector{id});
  EXPECT_TRUE(found("m-alpha").empty());
  Commit other_team;
  other_team.run = later;
  other_team.notes = {{NoteKind::tag, "team", "m-alpha", "alpha"}};
  ASSERT_TRUE(commit(std::move(other_team)));
  EXPECT_EQ(found("m-beta"), std::vector{id});
  EXPECT_EQ(found("m-alpha"), std::vector{later});
}

TEST_P(StoreContract, WhatIsNotedGoesWithTheRunsContentAndNothingIsNotedAfterwards) {
  const RunId id = new_run_id();
  Commit ended = create(id, RunStatus::completed);
  ended.create->data_key = "wrapped";
  ended.notes = {{NoteKind::tag, "team", "m-beta", "beta"}};
  ASSERT_TRUE(commit(std::move(ended)));
  Commit erasure;
  erasure.erase = {id};
  ASSERT_TRUE(commit(std::move(erasure)));
  EXPECT_TRUE(wait_for(store_->notes(id))->empty());
  RunFilter filter;
  filter.tag = "m-beta";
  EXPECT_TRUE(wait_for(store_->list_runs(filter))->empty());
  EXPECT_FALSE(wait_for(store_->costs("acme", 0, 2'000'000))->at(0).tagged);
  Commit late;
  late.run = id;
  late.notes = {{NoteKind::tag, "team", "m-beta", "beta"}};
  EXPECT_EQ(code(commit(std::move(late))), Errc::conflict);
  Commit nobodys;
  nobodys.run = new_run_id();
  nobodys.notes = {{NoteKind::tag, "team", "m-beta", "beta"}};
  EXPECT_EQ(code(commit(std::move(nobodys))), Errc::not_found);
}

TEST_P(StoreContract, CostsAreToldApartByTheTagsThatCostMost) {
  const auto add = [&](std::vector<std::string> marks, MicroMoney cost) {
    Commit next = create(new_run_id(), RunStatus::completed);
    next.create->cost = cost;
    for (const auto& mark : marks) next.notes.push_back({NoteKind::tag, mark, mark, mark});
    const RunId id = next.create->id;
    EXPECT_TRUE(commit(std::move(next)));
    return id;
  };
  const RunId one = add({"a", "b"}, 10), same = add({"b", "a"}, 5), alone = add({"a"}, 3);
  add({}, 100);
  const auto rows = [&] { return *wait_for(store_->costs("acme", 0, 2'000'000)); };
  ASSERT_EQ(rows().size(), 3U);
  EXPECT_FALSE(rows()[0].tagged);
  EXPECT_EQ(rows()[0].cost, 100);
  std::map<RunId, MicroMoney> by_set;
  for (const CostRow& row : rows()) {
    if (row.tagged) by_set[*row.tagged] = row.cost;
  }
  EXPECT_EQ(by_set, (std::map<RunId, MicroMoney>{{std::max(one, same), 15}, {alone, 3}}));
  EXPECT_EQ(wait_for(store_->costs("globex", 0, 2'000'000))->size(), 0U);

  for (std::size_t i = 0; i < kMaxTagSets; ++i) add({"of one run " + std::to_string(i)}, 1);
  MicroMoney others = 0;
  std::size_t told = 0;
  for (const CostRow& row : rows()) {
    told += row.tagged ? 1 : 0;
    if (row.other_tags) others += row.cost;
  }
  EXPECT_EQ(told, kMaxTagSets);
  EXPECT_EQ(others, 2) << "those that cost least";
}

}  // namespace sb::store::testing
