#include "kafka/record.h"

#include <gtest/gtest.h>

namespace sb::kafka {
namespace {

Record with_headers(std::vector<std::pair<std::string, std::string>> headers, std::string value) {
  Record record;
  record.headers = std::move(headers);
  record.value = std::move(value);
  return record;
}

TEST(RecordEvent, BinaryModeTakesAttributesFromHeadersAndDataByItsType) {
  const auto event = read_event(with_headers({{"ce_id", "1"},
                                              {"ce_source", "/shop"},
                                              {"ce_type", "order.placed"},
                                              {"ce_specversion", "1.0"},
                                              {"ce_traceparent", "00-1"},
                                              {"content-type", "application/json; charset=utf-8"},
                                              {"other", "left alone"}},
                                             R"({"n":1})"));
  ASSERT_TRUE(event);
  EXPECT_EQ(to_text(*event),
            R"({"id":"1","source":"/shop","type":"order.placed","specversion":"1.0","traceparent":"00-1",)"
            R"("datacontenttype":"application/json; charset=utf-8","data":{"n":1}})");
}

TEST(RecordEvent, BinaryModeKeepsAnyOtherDataAsText) {
  const auto event = read_event(with_headers({{"ce_id", "1"}, {"content-type", "text/plain"}}, R"({"n":1})"));
  ASSERT_TRUE(event);
  EXPECT_EQ(string_member(*event, "data"), R"({"n":1})");
  const auto bare = read_event(with_headers({{"ce_id", "1"}}, ""));
  ASSERT_TRUE(bare);
  EXPECT_EQ(find_member(*bare, "data"), nullptr);
}

TEST(RecordEvent, StructuredModeIsTheValueAlone) {
  const auto event = read_event(with_headers(
      {{"content-type", "application/cloudevents+json"}, {"ce_type", "not this"}}, R"({"id":"1","type":"that"})"));
  ASSERT_TRUE(event);
  EXPECT_EQ(string_member(*event, "type"), "that");
}

TEST(RecordEvent, WhatIsNoJsonOrSaysTwoThingsIsRefusedWithoutItsWords) {
  for (const auto& record : {with_headers({}, "jane@acme.org"), with_headers({}, ""),
                             with_headers({{"ce_id", "jane@acme.org"}, {"ce_id", "2"}}, "{}"),
                             with_headers({{"ce_id", "1"}, {"content-type", "application/json"}}, "jane@acme.org")}) {
    const auto event = read_event(record);
    ASSERT_FALSE(event);
    EXPECT_EQ(event.error().code, Errc::invalid_argument);
    EXPECT_EQ(event.error().detail.find("jane"), std::string::npos) << event.error().detail;
  }
}

TEST(RecordHeader, IsFoundByItsExactName) {
  const auto record = with_headers({{"Idempotency-Key", "other"}, {"idempotency-key", "mine"}}, "");
  EXPECT_EQ(record.header("idempotency-key").value_or("?"), "mine");
  EXPECT_EQ(record.header("x-signalbox-subject").value_or("?"), "");
}

}  // namespace
}  // namespace sb::kafka
