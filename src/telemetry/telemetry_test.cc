#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/json.h"
#include "telemetry/access_log.h"
#include "telemetry/metrics.h"

namespace sb {
namespace {

using testing::HasSubstr;

TEST(Metrics, AreShownInPrometheusTextSortedByName) {
  MetricRegistry registry;
  registry.gauge("signalbox_http_connections", "Open connections.\nAt the limit: raise \\it.").set(-3);
  auto requests = registry.counters("signalbox_http_requests_total", "Requests; 5xx rising: see the log.",
                                    {{"method", {"get", "post", "other"}}, {"class", {"2xx", "5\"x"}}});
  requests.at(1, 1).add(41);
  requests.at(1, 1).add();
  requests.of("trace", "2xx").add(7);
  EXPECT_EQ(registry.render(),
            "# HELP signalbox_http_connections Open connections.\\nAt the limit: raise \\\\it.\n"
            "# TYPE signalbox_http_connections gauge\n"
            "signalbox_http_connections -3\n"
            "# HELP signalbox_http_requests_total Requests; 5xx rising: see the log.\n"
            "# TYPE signalbox_http_requests_total counter\n"
            "signalbox_http_requests_total{method=\"get\",class=\"2xx\"} 0\n"
            "signalbox_http_requests_total{method=\"get\",class=\"5\\\"x\"} 0\n"
            "signalbox_http_requests_total{method=\"post\",class=\"2xx\"} 0\n"
            "signalbox_http_requests_total{method=\"post\",class=\"5\\\"x\"} 42\n"
            "signalbox_http_requests_total{method=\"other\",class=\"2xx\"} 7\n"
            "signalbox_http_requests_total{method=\"other\",class=\"5\\\"x\"} 0\n");
}

TEST(Metrics, AHistogramIsShownInBaseUnitsWithGrowingBuckets) {
  MetricRegistry registry;
  auto family = registry.histograms("signalbox_store_commit_seconds", "Commit time; rising: the disk is slow.",
                                    HistogramUnit::microseconds, {{"kind", {"group"}}});
  for (const std::uint64_t us : {0, 16, 17, 32, 1'000'000'000}) family.at(0).observe(us);
  const auto text = registry.render();
  EXPECT_THAT(text, HasSubstr("# TYPE signalbox_store_commit_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr("signalbox_store_commit_seconds_bucket{kind=\"group\",le=\"1.6e-05\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("signalbox_store_commit_seconds_bucket{kind=\"group\",le=\"3.2e-05\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("signalbox_store_commit_seconds_bucket{kind=\"group\",le=\"67.108864\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("signalbox_store_commit_seconds_bucket{kind=\"group\",le=\"+Inf\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("signalbox_store_commit_seconds_sum{kind=\"group\"} 1000.000065\n"));
  EXPECT_THAT(text, HasSubstr("signalbox_store_commit_seconds_count{kind=\"group\"} 5\n"));
}

TEST(Metrics, EachObservationIsInTheLowestBucketThatHoldsIt) {
  for (const auto unit : {HistogramUnit::microseconds, HistogramUnit::bytes, HistogramUnit::count}) {
    for (std::size_t i = 0; i + 1 < Histogram(unit).buckets(); ++i) {
      Histogram histogram(unit);
      histogram.observe(histogram.bound(i));
      EXPECT_EQ(histogram.in_bucket(i), 1U);
      histogram.observe(histogram.bound(i) + 1);
      EXPECT_EQ(histogram.in_bucket(i + 1), 1U);
      EXPECT_EQ(histogram.quantile_bound(0.5), histogram.bound(i));
    }
  }
  EXPECT_EQ(Histogram(HistogramUnit::count).quantile_bound(0.99), 0U);
}

TEST(Metrics, TheSameNameIsTheSameSeries) {
  MetricRegistry registry;
  registry.counter("signalbox_a_b_total", "help").add();
  registry.counter("signalbox_a_b_total", "help").add();
  EXPECT_EQ(registry.counter("signalbox_a_b_total", "help").value(), 2U);
}

TEST(MetricsDeathTest, AWrongNameStopsTheProcessAtRegistration) {
  MetricRegistry registry;
  EXPECT_DEATH(registry.counter("signalbox_a_b", "help"), "_total");
  EXPECT_DEATH(registry.gauge("requests", "help"), "signalbox_");
  EXPECT_DEATH(registry.gauge("signalbox_a_b", ""), "help");
  EXPECT_DEATH(registry.histogram("signalbox_a_ms", "help", HistogramUnit::microseconds), "_seconds");
}

TEST(Metrics, NothingIsLostBetweenThreadsAndReadersNeverSeeLess) {
  MetricRegistry registry;
  auto& counter = registry.counter("signalbox_a_b_total", "help");
  auto& histogram = registry.histogram("signalbox_a_b_bytes", "help", HistogramUnit::bytes);
  constexpr std::uint64_t kEach = 20'000;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        counter.add();
        histogram.observe(i);
      }
    });
  }
  std::uint64_t before = 0;
  for (int i = 0; i < 50; ++i) {
    EXPECT_FALSE(registry.render().empty());
    const auto now = counter.value();
    EXPECT_GE(now, before);
    before = now;
  }
  threads.clear();
  EXPECT_EQ(counter.value(), 4 * kEach);
  EXPECT_EQ(histogram.sum(), 4 * kEach * (kEach - 1) / 2);
}

TEST(Metrics, AProbeWithALabelIsAskedForEachOfItsValues) {
  MetricRegistry registry;
  registry.probe("signalbox_test_lag_leaves", "Help.", {"witness", {"one", "two"}},
                 [](std::size_t i) { return 10.0 * static_cast<double>(i + 1); });
  const auto text = registry.render();
  EXPECT_NE(text.find("signalbox_test_lag_leaves{witness=\"one\"} 10\n"), std::string::npos) << text;
  EXPECT_NE(text.find("signalbox_test_lag_leaves{witness=\"two\"} 20\n"), std::string::npos) << text;
}

TEST(ProcessMetrics, TellWhatTheKernelKnows) {
  MetricRegistry registry;
  register_process_probes(registry);
  const auto text = registry.render();
  const auto value = [&](std::string_view name) {
    const auto at = text.find("\n" + std::string(name) + " ");
    return at == std::string::npos ? -1.0 : std::strtod(text.c_str() + at + name.size() + 2, nullptr);
  };
  EXPECT_GT(value("process_resident_memory_bytes"), 1e6);
  EXPECT_GE(value("process_open_fds"), 3);
  EXPECT_GE(value("process_max_fds"), value("process_open_fds"));
  EXPECT_GE(value("process_cpu_seconds_total"), 0);
  EXPECT_GT(value("process_start_time_seconds"), 1.6e9);
  EXPECT_GE(value("process_threads"), 1);
  EXPECT_THAT(text, HasSubstr("# TYPE process_cpu_seconds_total counter\n"));
}

struct StoppedClock final : Clock {
  Micros now = 1'700'000'000'000'000;
  Micros now_us() const override { return now; }
  std::chrono::steady_clock::time_point steady() const override { return {}; }
};

TEST(AccessLog, ALineHoldsMetadataAndNoQueryString) {
  const auto line = format_access_line({.started_us = 1'700'000'000'123'456,
                                        .request_id = "req_\"1\"" + std::string(500, 'x'),
                                        .method = "POST",
                                        .route = "/v1/chat/completions?user=jane",
                                        .status = 200,
                                        .bytes_in = 12,
                                        .bytes_out = 34,
                                        .duration_us = 56,
                                        .run = "r",
                                        .tenant = ""});
  const auto parsed = parse_json(line);
  ASSERT_TRUE(parsed) << line;
  EXPECT_EQ(string_member(*parsed, "route"), "/v1/chat/completions");
  EXPECT_EQ(string_member(*parsed, "ts"), "2023-11-14T22:13:20.123456Z");
  EXPECT_EQ(string_member(*parsed, "request_id").size(), 128U);
  EXPECT_EQ(int_member(*parsed, "status"), 200);
  EXPECT_EQ(int_member(*parsed, "duration_us"), 56);
  EXPECT_EQ(find_member(*parsed, "tenant"), nullptr);
  EXPECT_THAT(line, testing::Not(HasSubstr("jane")));
}

TEST(AccessLog, AFloodIsCutAndCounted) {
  StoppedClock clock;
  AccessLog access_log(clock, 3);
  int admitted = 0;
  for (int i = 0; i < 10; ++i) admitted += access_log.admit() ? 1 : 0;
  EXPECT_EQ(admitted, 3);
  clock.now += 1'000'000;
  EXPECT_EQ(access_log.admit(), 7U);
  EXPECT_EQ(access_log.admit(), 0U);
  AccessLog none(clock, 0);
  EXPECT_FALSE(none.admit());
}

TEST(AccessLog, TheLimitHoldsForAllThreadsTogether) {
  StoppedClock clock;
  AccessLog access_log(clock, 100);
  std::atomic<int> admitted = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) admitted += access_log.admit() ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(admitted, 100);
  clock.now += 1'000'000;
  EXPECT_EQ(access_log.admit(), 700U);
}

}  // namespace
}  // namespace sb
