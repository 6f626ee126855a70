#include "flow/recorded_traffic.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "flow/guard.h"
#include "flow/sealer.h"
#include "keys/derived_keys.h"
#include "policy/command.h"
#include "store/data_dir.h"
#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"

namespace sb::flow {
namespace {

using policy::Direction;
using policy::JsonProfile;
using store::testing::wait_for;

constexpr std::string_view kOldPolicy = R"(
name: old
version: 1
rules:
  - {name: mail, types: [EMAIL], action: tokenise}
  - {name: card, types: [CREDIT_CARD], action: redact}
  - {name: iban, types: [IBAN], direction: inbound, action: encrypt}
)";
constexpr std::string_view kMail = "jane.roe@acme.org";
constexpr std::string_view kCard = "4111 1111 1111 1111";
constexpr std::string_view kIban = "DE89370400440532013000";

/// A data directory with runs as an engine leaves them, and its server still at work.
class RecordedTraffic : public ::testing::Test {
 protected:
  RecordedTraffic() {
    store::SqliteOptions options;
    options.path = data_.database();
    store_ = *store::open_sqlite_store(std::move(options), log_);
    tenants_.add("acme", entropy_);
    store::Commit commit;
    commit.documents.emplace_back("tenant_keys", to_text(tenants_.document(entropy_)));
    EXPECT_TRUE(wait_for(store_->commit(std::move(commit))));
  }

  RunId record(std::string_view asked, std::string_view answered, Micros at = 1'790'000'000'000'000) {
    const std::string flow = "signalbox/chat@1.0.0";
    GuardSession guard(policy_, {"acme", "key", flow, "auto", {}, true}, tenants_.value_key("acme"));
    const RunId id(Uuid::v7(at, entropy_));
    auto key = *sealer_.new_key(id, "acme");
    guard.tie_hashes_to(key.key);
    const auto request = to_text(
        json::object{{"model", "auto"}, {"messages", json::array{json::object{{"role", "user"}, {"content", asked}}}}});
    auto in = *guard.inspect(Direction::inbound, request, JsonProfile::chat_request);
    const json::object message{{"role", "assistant"}, {"content", answered}};
    const auto answer =
        to_text(json::object{{"choices", json::array{json::object{{"index", 0}, {"message", message}}}}});
    auto out = *guard.inspect(Direction::outbound, answer, JsonProfile::chat_response);
    store::Commit commit;
    store::RunRow run;
    run.id = id;
    run.tenant = "acme";
    run.flow = flow;
    run.status = store::RunStatus::completed;
    run.created_us = run.updated_us = run.ended_us = at;
    run.data_key = key.wrapped;
    run.input = sealer_.seal(key.key, run.id, place::kInput, in.content.text());
    run.output = sealer_.seal(key.key, run.id, place::kOutput, out.content.text());
    run.vault = sealer_.seal(key.key, run.id, place::kVault, guard.vault_json());
    for (std::uint32_t i = 0; i < 2; ++i) {
      store::StepRow step;
      step.index = StepIndex{i};
      step.kind = "guard";
      step.decision = (i == 0 ? in : out).decision.text();
      commit.steps.push_back(std::move(step));
    }
    store::StepRow call;
    call.index = StepIndex{2};
    call.kind = "chat";
    call.decision =
        R"({"attempts":[{"deployment":"far/big"},{"deployment":"near/tiny"}],"chosen":"near/tiny","kind":"chat","target":"small"})";
    commit.steps.push_back(std::move(call));
    commit.create = std::move(run);
    EXPECT_TRUE(wait_for(store_->commit(std::move(commit))));
    return id;
  }

  Result<policy::TrafficSums> read(policy::TrafficFilter filter = {}) {
    filter.data = data_.path();
    texts_.clear();
    return read_recorded_traffic(filter, [&](const policy::RecordedText& text) -> Result<> {
      texts_.push_back(text);
      texts_.back().subject.reset();
      return {};
    });
  }

  std::string diff(std::string_view after, std::vector<std::string> more = {}) {
    std::ofstream(folder_.file("old.yaml")) << kOldPolicy;
    std::ofstream(folder_.file("new.yaml")) << after;
    std::vector<std::string> args = {"diff", folder_.file("old.yaml"), folder_.file("new.yaml"), "--data",
                                     data_.path()};
    args.insert(args.end(), more.begin(), more.end());
    std::istringstream in;
    std::ostringstream out, err;
    status_ = policy::policy_command(args, in, out, err, {nullptr, read_recorded_traffic});
    return out.str() + err.str();
  }

  SeededEntropy entropy_{5};
  store::testing::TemporaryFolder folder_;
  store::DataDir data_ = *store::DataDir::open_or_create(folder_.file("data"), entropy_);
  store::testing::PlainLog log_;
  TenantKeys tenants_{default_master_key(data_.vault_key())};
  Sealer sealer_{tenants_, data_.vault_key(), entropy_};
  std::shared_ptr<const policy::Policy> policy_ = *policy::Policy::load(kOldPolicy, "old");
  std::unique_ptr<store::Store> store_;
  std::vector<policy::RecordedText> texts_;
  int status_ = 0;
};

TEST_F(RecordedTraffic, ComesBackAsItCameAndSaysWhatIsGone) {
  record("mail " + std::string(kMail) + " from " + std::string(kIban) + " card " + std::string(kCard),
         "[EMAIL_1] knows other@pages.org");
  const auto sums = read();
  ASSERT_TRUE(sums) << sums.error().detail;
  ASSERT_EQ(texts_.size(), 2U);
  EXPECT_NE(texts_[0].content.find(kMail), std::string::npos) << texts_[0].content;
  EXPECT_NE(texts_[0].content.find(kIban), std::string::npos) << texts_[0].content;
  EXPECT_EQ(texts_[0].content.find(kCard), std::string::npos);
  // The model never saw the caller's address; the one that it brought itself is in clear again.
  EXPECT_NE(texts_[1].content.find("[EMAIL_1] knows other@pages.org"), std::string::npos) << texts_[1].content;
  EXPECT_EQ(sums->runs, 1U);
  EXPECT_EQ(sums->taken_out, (std::map<std::string, std::uint64_t>{{"inbound CREDIT_CARD redact", 1}}));
  EXPECT_EQ(sums->still_sealed, 0U);
}

TEST_F(RecordedTraffic, CountsWhatTheRecordDoesNotList) {
  std::string asked;
  for (int i = 0; i < 150; ++i) asked += "card " + std::string(kCard) + ", mail " + std::string(kMail) + ". ";
  record(asked, "hi");
  const auto sums = read();
  ASSERT_TRUE(sums) << sums.error().detail;
  EXPECT_EQ(sums->taken_out, (std::map<std::string, std::uint64_t>{{"inbound CREDIT_CARD redact", 150}}));
}

TEST_F(RecordedTraffic, IsReadByTimeTenantFlowAndNumber) {
  constexpr Micros kDay = 86'400'000'000;
  constexpr Micros kFirst = 1'790'000'000'000'000;
  std::vector<RunId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(record("hello", "hi", kFirst + i * kDay));
  const auto runs = [&](policy::TrafficFilter filter) {
    filter.direction = Direction::inbound;
    std::string found;
    EXPECT_TRUE(read(std::move(filter)));
    for (const auto& text : texts_) {
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (text.id.starts_with(ids[i].to_string())) found += std::to_string(i);
      }
    }
    return found;
  };
  EXPECT_EQ(runs({}), "43210");
  EXPECT_EQ(runs({.limit = 2}), "43");
  EXPECT_EQ(runs({.since_us = kFirst + kDay, .until_us = kFirst + 3 * kDay}), "21");
  EXPECT_EQ(runs({.since_us = kFirst + kDay + 1}), "432");
  EXPECT_EQ(runs({.tenant = "other"}), "");
  EXPECT_EQ(runs({.flow = "signalbox/chat"}), "43210");
  EXPECT_EQ(runs({.flow = "signalbox/embeddings"}), "");
  store::Commit erase;
  erase.erase = {ids[2]};
  ASSERT_TRUE(wait_for(store_->commit(std::move(erase))));
  EXPECT_EQ(runs({}), "4310");
  EXPECT_EQ(read()->erased, 1U);
}

TEST_F(RecordedTraffic, OpensUnderTheRightKeysAlone) {
  record("mail " + std::string(kMail), "ok");
  std::ofstream(folder_.file("master")) << std::string(64, 'a');
  const auto opened = read({.master_key = "file:" + folder_.file("master")});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::permission_denied);
  EXPECT_EQ(read({.master_key = "the key itself"}).error().code, Errc::invalid_argument);
}

TEST_F(RecordedTraffic, ADiffTellsPlacesAndSumsButNoValue) {
  const auto id = record("mail " + std::string(kMail) + ", card " + std::string(kCard), "done").to_string();
  record("nothing to see", "done");
  const auto told = diff("{name: new, version: 2, rules: [{name: all-mail, types: [EMAIL], action: block}]}");
  EXPECT_EQ(status_, 1);
  EXPECT_NE(told.find(id + " inbound: changed -> block -[EMAIL 5-22 tokenise] +[EMAIL 5-22 block]\n"),
            std::string::npos)
      << told;
  EXPECT_NE(told.find("inbound verdict changed -> block: 1\n"), std::string::npos) << told;
  EXPECT_NE(told.find("inbound EMAIL by rule mail, tokenise: 1 -> 0\n"), std::string::npos) << told;
  EXPECT_NE(told.find("inbound EMAIL by rule all-mail, block: 0 -> 1\n"), std::string::npos) << told;
  EXPECT_NE(told.find("1 of 4 would change\n2 runs read\n"), std::string::npos) << told;
  EXPECT_NE(told.find("not known: 1 values taken out when recorded (inbound CREDIT_CARD redact)\n"), std::string::npos)
      << told;
  EXPECT_EQ(told.find("jane"), std::string::npos);
  EXPECT_EQ(diff(kOldPolicy),
            "0 of 4 would change\n2 runs read\nnot known: 1 values taken out when recorded (inbound "
            "CREDIT_CARD redact)\n");
  EXPECT_EQ(status_, 0);
  diff(kOldPolicy, {"--since", "yesterday"});
  EXPECT_EQ(status_, 2);
}

TEST_F(RecordedTraffic, RulesSpeakOfTheRunsTheyAreFor) {
  record("mail " + std::string(kMail), "ok");
  const auto scoped = [](std::string_view tenant) {
    return std::string(kOldPolicy) +
           "  - {name: late, types: [PHONE], action: block}\n  - {deny: [mail], name: word, " +
           "action: block, tenants: [" + std::string(tenant) + "]}\n";
  };
  EXPECT_NE(diff(scoped("acme")).find("inbound DENIED by rule word, block: 0 -> 1"), std::string::npos);
  EXPECT_NE(diff(scoped("other")).find("0 of 2 would change"), std::string::npos);
}

TEST_F(RecordedTraffic, RulesForModelsSpeakOfTheModelsThatWereReached) {
  record("mail " + std::string(kMail), "ok");  // asked for "auto"
  const auto scoped = [](std::string_view model) {
    return std::string(kOldPolicy) + "  - {deny: [mail], name: word, action: block, models: ['" + std::string(model) +
           "']}\n";
  };
  for (const std::string_view model : {"auto", "small", "far/big", "near/tiny", "tiny", "far/*"})
    EXPECT_NE(diff(scoped(model)).find("inbound DENIED by rule word, block: 0 -> 1"), std::string::npos) << model;
  for (const std::string_view model : {"large", "far/tiny", "near"})
    EXPECT_NE(diff(scoped(model)).find("0 of 2 would change"), std::string::npos) << model;
}

}  // namespace
}  // namespace sb::flow
