#include "kafka/publisher.h"

#include <gtest/gtest.h>

namespace sb::kafka {
namespace {

TEST(Publisher, FlowsWriteToTheNamedTopicsOfThisClusterAlone) {
  const auto producer = Producer::create({"Kafka-1.example:9092, kafka-2.example:9093", {}});
  ASSERT_TRUE(producer);
  MetricRegistry registry;
  const Publisher publisher(**producer, "Kafka-1.example:9092, kafka-2.example:9093", {"orders", "shop.*.out"},
                            registry);
  EXPECT_TRUE(publisher.may_write("kafka-1.example:9092", "orders"));
  EXPECT_TRUE(publisher.may_write("kafka-1.example", "orders")) << "Kafka's own port";
  EXPECT_TRUE(publisher.may_write("elsewhere:9092,KAFKA-2.example:9093", "shop.eu.out"));
  for (const auto& [brokers, topic] : std::vector<std::pair<std::string, std::string>>{
           {"kafka-2.example:9092", "orders"},
           {"elsewhere:9092", "orders"},
           {"", "orders"},
           {"kafka-1.example:9092", "order"},
           {"kafka-1.example:9092", "orders.2"},
           {"kafka-1.example:9092", ""},
           {"kafka-1.example:9092", "shop.[EMAIL_1].out"},
           {"kafka-1.example:9092", std::string("shop.secret\0.out", 16)}}) {
    const auto refused = publisher.may_write(brokers, topic);
    ASSERT_FALSE(refused) << brokers << ' ' << topic;
    EXPECT_EQ(refused.error().code, Errc::permission_denied);
  }
}

}  // namespace
}  // namespace sb::kafka
