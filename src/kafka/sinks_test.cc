#include "kafka/sinks.h"

#include <gtest/gtest.h>

namespace sb::kafka {
namespace {

TEST(EventMessage, IsStructuredAndKeyedByThePartitionKey) {
  const json::value event{{"id", "r-1"}, {"source", "/flows/a/b"}, {"type", "t"}, {"partitionkey", "customer"}};
  const auto message = event_message("answers", event);
  EXPECT_EQ(message.topic, "answers");
  EXPECT_EQ(message.key, "customer");
  ASSERT_EQ(message.headers.size(), 1U);
  EXPECT_EQ(message.headers.front().second, "application/cloudevents+json; charset=UTF-8");
  EXPECT_EQ(parse_json(message.value).value_or(nullptr), event);
  EXPECT_EQ(event_message("answers", json::value{{"id", "1"}}).key, "");
}

}  // namespace
}  // namespace sb::kafka
