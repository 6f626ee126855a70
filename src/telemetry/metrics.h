/// Counters, gauges and histograms, and their Prometheus text (exposition format 0.0.4).
///
/// Register at start and keep the handle: counting is then one relaxed atomic addition on a cache line of the calling
/// thread's own, without locks or allocation. Reading adds the lines up; it may miss additions that happen meanwhile,
/// but never goes back.
///
/// Names are `signalbox_<module>_<what>_<unit>`, counters end in `_total`; label values come from closed sets that are
/// named at registration (never ids, never text of a request). The help sentence says what to do when the number moves.
/// Handles are valid as long as the registry; registration and `render` lock, counting does not. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sb {

/// A label with the only values it can have. At most two labels a metric, at most 64 series.
struct MetricLabel {
  std::string name;
  std::vector<std::string> values;
};

namespace metrics_detail {

inline constexpr std::size_t kStripes = 8;

/// Which of the `kStripes` cache lines the calling thread adds to.
std::size_t stripe();

/// One sum, spread over cache lines so that shards do not take them from each other.
class StripedSum {
 public:
  void add(std::uint64_t n) { lines_[stripe()].value.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t sum() const;

 private:
  struct alignas(64) Line {
    std::atomic<std::uint64_t> value{0};
  };
  std::array<Line, kStripes> lines_;
};

}  // namespace metrics_detail

/// Only ever grows.
class Counter {
 public:
  void add(std::uint64_t n = 1) { sum_.add(n); }
  std::uint64_t value() const { return sum_.sum(); }

 private:
  metrics_detail::StripedSum sum_;
};

/// Goes up and down.
class Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// What the whole numbers given to a histogram mean, and with it the unit that is shown (Prometheus' base units).
enum class HistogramUnit {
  microseconds,  ///< observed in us, shown in seconds: 16 us to 67 s
  bytes,         ///< 64 B to 64 MiB
  count,         ///< 1 to 65536
};

/// Fixed buckets on a logarithmic scale: bound i is `first << i`. Two additions an observation.
class Histogram {
 public:
  static constexpr std::size_t kBuckets = 24;  ///< the last one takes everything above

  explicit Histogram(HistogramUnit unit);
  void observe(std::uint64_t value);

  /// Observations at most `bound(i)`, not counting lower buckets; i < buckets(), the last is unbounded.
  std::uint64_t in_bucket(std::size_t i) const;
  std::size_t buckets() const { return buckets_; }
  std::uint64_t bound(std::size_t i) const { return first_ << i; }
  std::uint64_t sum() const { return sum_.sum(); }
  HistogramUnit unit() const { return unit_; }
  /// The upper bound of the bucket that holds the given share of observations; 0 without any.
  std::uint64_t quantile_bound(double share) const;

 private:
  struct alignas(64) Stripe {
    std::array<std::atomic<std::uint64_t>, kBuckets> counts{};
  };
  HistogramUnit unit_;
  std::uint64_t first_;
  std::size_t buckets_;
  std::array<Stripe, metrics_detail::kStripes> stripes_;
  metrics_detail::StripedSum sum_;
};

/// The series of one metric: one `T` for each combination of label values, in the order of registration.
template <class T>
class MetricFamily {
 public:
  /// `first` and `second` are positions in the labels' `values`: an enumerator cast to its index. Out of range:
  /// asserts.
  T& at(std::size_t first, std::size_t second = 0) const;
  /// By value; a value outside the closed set counts as the last one (name it "other"). Slower: for cold paths.
  T& of(std::string_view first, std::string_view second = {}) const;

 private:
  friend class MetricRegistry;
  const std::vector<MetricLabel>* labels_ = nullptr;
  const std::vector<std::unique_ptr<T>>* series_ = nullptr;
};

class MetricRegistry {
 public:
  MetricRegistry();
  ~MetricRegistry();
  MetricRegistry(const MetricRegistry&) = delete;
  MetricRegistry& operator=(const MetricRegistry&) = delete;

  // Asserts on a name that breaks the rules above. The same name again gives the same handles (labels must be equal).
  Counter& counter(std::string_view name, std::string_view help);
  Gauge& gauge(std::string_view name, std::string_view help);
  Histogram& histogram(std::string_view name, std::string_view help, HistogramUnit unit);
  MetricFamily<Counter> counters(std::string_view name, std::string_view help, std::vector<MetricLabel> labels);
  MetricFamily<Gauge> gauges(std::string_view name, std::string_view help, std::vector<MetricLabel> labels);
  MetricFamily<Histogram> histograms(std::string_view name, std::string_view help, HistogramUnit unit,
                                     std::vector<MetricLabel> labels);

  /// A number that is asked for when metrics are read; `read` runs on the reading thread and must not wait. A name that
  /// ends in `_total` is shown as a counter, any other as a gauge.
  void probe(std::string_view name, std::string_view help, std::function<double()> read);
  /// One number for each value of `label`; `read` is given its position.
  void probe(std::string_view name, std::string_view help, MetricLabel label, std::function<double(std::size_t)> read);

  /// The text for `GET /metrics`, sorted by name. Content type: `kContentType`.
  std::string render() const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct Metric;
  template <class T>
  MetricFamily<T> family(std::string_view name, std::string_view help, std::vector<MetricLabel> labels,
                         HistogramUnit unit);
  void add_probe(std::string_view name, std::string_view help, std::vector<MetricLabel> labels,
                 std::function<double(std::size_t)> read);
  Metric& find_or_add(std::string_view name, std::string_view help, std::vector<MetricLabel> labels);

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Metric>> metrics_;
};

/// The registry of the process. Modules register into the one they are given; the composition root gives this one.
MetricRegistry& process_metrics();

/// Resident memory, open files and their limit, processor time, start time, threads: read from /proc when asked.
void register_process_probes(MetricRegistry& registry);

}  // namespace sb
