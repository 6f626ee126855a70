// Runs that nobody waits for, and events that leave for other systems.
#include <gmock/gmock.h>

#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

using testing::HasSubstr;

constexpr std::string_view kTakes = R"(
document: {dsl: '1.0.3', namespace: test, name: takes, version: '1.0.0'}
input: {schema: {document: {type: object, required: [n]}}}
do:
  - keep: {set: '${ . }'}
)";
constexpr std::string_view kEmits = R"(
document: {dsl: '1.0.3', namespace: test, name: emits, version: '1.0.0'}
do:
  - tell: {emit: {event: {with: {type: order.done, data: '${ . }'}}}}
)";

class EngineStart : public EngineTest {
 protected:
  EngineStart() { add_flow(kTakes); }

  Result<Engine::Started> start_with(std::string input, std::string idempotency_key = {}, std::string hash = {}) {
    RunRequest request;
    request.flow = *flows_.find("test", "takes");
    request.tenant = "acme";
    request.key = "kafka:orders";
    request.input = std::move(input);
    request.idempotency_key = std::move(idempotency_key);
    request.request_hash = std::move(hash);
    return wait(engine_->start(std::move(request)));
  }
  std::size_t runs() { return wait(store_->list_runs({}))->size(); }
};

TEST_F(EngineStart, TheSameKeyIsTheSameRunAlsoAfterACrash) {
  const auto first = start_with(R"({"n":1})", "k");
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->is_new && first->is_on_disk);
  restart();
  const auto again = start_with(R"({"n":1})", "k");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->run, first->run);
  EXPECT_FALSE(again->is_new);
  EXPECT_TRUE(again->is_on_disk);
  EXPECT_EQ(runs(), 1U);
  EXPECT_EQ(row_of(first->run).status, RunStatus::completed);
}

TEST_F(EngineStart, ALongInputIsLookedAtAsideAndTreatedTheSame) {
  const std::string mail(kMail);
  const auto started = start_with(R"({"n":")" + mail + " " + std::string(1 << 20, 'x') + " " + mail + R"("})");
  ASSERT_TRUE(started);
  const auto row = row_of(started->run);
  EXPECT_EQ(row.input.find(mail), std::string::npos);
  EXPECT_NE(row.input.find("x [EMAIL_"), std::string::npos);
  const auto refused = start_with(std::string(1 << 20, '['));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  EXPECT_EQ(runs(), 1U);
}

TEST_F(EngineStart, AKeyIsOneRequests) {
  ASSERT_TRUE(start_with(R"({"n":1})", "k", std::string(64, 'a')));
  EXPECT_TRUE(start_with(R"({"n":1})", "k", std::string(64, 'a')));
  const auto other = start_with(R"({"n":2})", "k", std::string(64, 'b'));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::already_exists);
}

TEST_F(EngineStart, WhileAnotherStartOfTheKeyIsNotOnDiskNothingIsPromised) {
  const auto key = Pseudonyms("pseudonym secret").request_key("acme", "k");
  const auto entry = in_flight_->enter("acme", key, RunId::generate(clock_, entropy_), {});
  const auto second = start_with(R"({"n":1})", "k");
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->is_on_disk);
  in_flight_->leave("acme", key, entry.pending);
  EXPECT_TRUE(start_with(R"({"n":1})", "k")->is_new);
}

TEST_F(EngineStart, WhatIsRefusedAtTheDoorIsOnRecordAndSaysWhyEachTime) {
  const auto blocked = std::pair(R"({"n":1,"to":"DE89370400440532013000"})", Errc::policy_denied);
  const auto misfit = std::pair(R"({"m":1})", Errc::invalid_argument);
  for (const auto& [input, why] : {blocked, misfit}) {
    const auto first = start_with(input, input);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->refused, why);
    EXPECT_EQ(row_of(first->run).status, RunStatus::faulted);
    restart();
    const auto again = start_with(input, input);
    EXPECT_EQ(again->run, first->run);
    EXPECT_EQ(again->refused, why);
  }
  EXPECT_EQ(runs(), 2U);
}

TEST_F(EngineStart, WithoutRoomNothingIsStartedAndTheSameKeyMayComeAgain) {
  free_bytes_ = 0;
  const auto full = start_with(R"({"n":1})", "k");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Errc::disk_full);
  free_bytes_ = 1ULL << 40;
  const auto later = start_with(R"({"n":1})", "k");
  ASSERT_TRUE(later);
  EXPECT_TRUE(later->is_new);
  EXPECT_EQ(runs(), 1U);
}

class EventsThatLeave : public EngineTest {
 protected:
  EventsThatLeave() {
    add_flow(kEmits);
    events_out_.emplace();
    events_out_->wants = [](std::string_view type) { return type == "order.done"; };
    events_out_->write = [this](json::value event) -> Task<Result<>> {
      written_.push_back(to_text(event));
      if (refuses_) co_return fail(Errc::not_found, "topic done: unknown");
      co_return Result<>();
    };
    restart();
  }
  std::shared_ptr<LiveRun> emit(std::string input) {
    auto run = prepare(std::move(input), [this](RunRequest& request) {
      request.flow = *flows_.find("test", "emits");
      request.profile = policy::JsonProfile::any;
    });
    EXPECT_TRUE(drive(run));
    return run;
  }
  std::vector<std::string> written_;
  bool refuses_ = false;
};

TEST_F(EventsThatLeave, HavePassedThePolicyAndAreNamedByRunAndStep) {
  const auto run = emit(R"({"mail":"jane.roe@acme.org"})");
  EXPECT_FALSE(run->problem);
  ASSERT_EQ(written_.size(), 1U);
  EXPECT_THAT(written_.front(), HasSubstr("[EMAIL_1]"));
  EXPECT_THAT(written_.front(), HasSubstr("\"id\":\"" + run->row.id.to_string() + "-"));
}

TEST_F(EventsThatLeave, FailTheTaskWhereTheyAreNotTaken) {
  refuses_ = true;
  const auto run = emit("{}");
  ASSERT_TRUE(run->problem);
  EXPECT_EQ(run->problem->status, 503);
  EXPECT_EQ(run->problem->detail, "topic done: unknown");
}

TEST_F(EventsThatLeave, StayWhereThePolicyKeepsThemToLocalModels) {
  policy_ = *policy::Policy::load(
      "{name: l, version: 1, rules: [{types: [CREDIT_CARD], direction: inbound, action: route_to_local}]}", "test");
  const auto run = emit(R"({"card":"4012888888881881"})");
  ASSERT_TRUE(run->problem);
  EXPECT_EQ(run->problem->status, 403);
  EXPECT_TRUE(written_.empty());
}

}  // namespace
}  // namespace sb::flow
