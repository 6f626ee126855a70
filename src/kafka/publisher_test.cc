#include "kafka/publisher.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <chrono>

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

TEST(Publisher, WhoWantsARecordNoMoreWaitsForNoBroker) {
  const auto producer = Producer::create({"127.0.0.1:1", {}});  // nobody is there
  ASSERT_TRUE(producer);
  MetricRegistry registry;
  Publisher publisher(**producer, "127.0.0.1:1", {"orders"}, registry);
  asio::io_context io;
  CancelSource cancel;
  std::vector<Errc> told;
  for (int i = 0; i < 2; ++i) {  // one waits, the other comes when it is late already
    asio::co_spawn(
        io.get_executor(),
        [&]() -> Task<void> {
          const auto written = co_await publisher.write({"orders", {}, {}, "x"}, &cancel);
          told.push_back(written ? Errc::internal : written.error().code);
        },
        [](std::exception_ptr error) {
          if (error) std::rethrow_exception(error);
        });
    if (i == 0) io.run_for(std::chrono::milliseconds(20));
    EXPECT_TRUE(told.empty());
    if (i == 0) cancel.cancel();
  }
  io.run_for(std::chrono::seconds(30));
  EXPECT_EQ(told, (std::vector{Errc::cancelled, Errc::cancelled}));
}

}  // namespace
}  // namespace sb::kafka
