#include "telemetry/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <type_traits>
#include <variant>

#include "base/errors.h"

namespace sb {
namespace {

constexpr std::size_t kMaxSeries = 64;
constexpr std::size_t kMaxMetrics = 1024;

bool is_word(std::string_view text) {
  return !text.empty() && text.front() >= 'a' && text.front() <= 'z' &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

std::uint64_t first_bound(HistogramUnit unit) {
  switch (unit) {
    case HistogramUnit::microseconds:
      return 16;
    case HistogramUnit::bytes:
      return 64;
    case HistogramUnit::count:
      return 1;
  }
  return 1;
}

std::size_t bucket_count(HistogramUnit unit) {
  switch (unit) {
    case HistogramUnit::microseconds:
      return 24;  // 16 us << 22 = 67 s, and above
    case HistogramUnit::bytes:
      return 22;  // 64 B << 20 = 64 MiB, and above
    case HistogramUnit::count:
      return 18;  // 1 << 16 = 65536, and above
  }
  return 2;
}

void append_escaped(std::string& out, std::string_view text, bool in_quotes) {
  for (const char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '"' && in_quotes)
      out += "\\\"";
    else
      out += c;
  }
}

void append_number(std::string& out, double value) {
  if (std::isnan(value))
    out += "NaN";
  else if (std::isinf(value))
    out += value > 0 ? "+Inf" : "-Inf";
  else if (value == std::floor(value) && std::abs(value) < 1e15)
    fmt::format_to(std::back_inserter(out), "{}", static_cast<std::int64_t>(value));
  else
    fmt::format_to(std::back_inserter(out), "{}", value);
}

std::string in_shown_unit(std::uint64_t value, HistogramUnit unit) {
  std::string out;
  if (unit == HistogramUnit::microseconds)
    append_number(out, static_cast<double>(value) / 1e6);
  else
    out = std::to_string(value);
  return out;
}

// `labels` is "" or `a="x",b="y"`.
void append_line(std::string& out, std::string_view name, std::string_view labels, std::string_view value) {
  out += name;
  if (!labels.empty()) fmt::format_to(std::back_inserter(out), "{{{}}}", labels);
  fmt::format_to(std::back_inserter(out), " {}\n", value);
}

void append_series(std::string& out, const std::string& name, const std::string& labels, const Counter& counter) {
  append_line(out, name, labels, std::to_string(counter.value()));
}

void append_series(std::string& out, const std::string& name, const std::string& labels, const Gauge& gauge) {
  append_line(out, name, labels, std::to_string(gauge.value()));
}

void append_series(std::string& out, const std::string& name, const std::string& labels, const Histogram& histogram) {
  const std::string comma = labels.empty() ? "" : labels + ",";
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < histogram.buckets(); ++i) {
    seen += histogram.in_bucket(i);
    const auto le =
        i + 1 == histogram.buckets() ? std::string("+Inf") : in_shown_unit(histogram.bound(i), histogram.unit());
    append_line(out, name + "_bucket", fmt::format("{}le=\"{}\"", comma, le), std::to_string(seen));
  }
  append_line(out, name + "_sum", labels, in_shown_unit(histogram.sum(), histogram.unit()));
  append_line(out, name + "_count", labels, std::to_string(seen));
}

std::size_t series_count(const std::vector<MetricLabel>& labels) {
  std::size_t count = 1;
  for (const auto& label : labels) count *= label.values.size();
  return count;
}

std::string series_labels(const std::vector<MetricLabel>& labels, std::size_t index) {
  std::string out;
  std::size_t below = series_count(labels);
  for (const auto& label : labels) {
    below /= label.values.size();
    if (!out.empty()) out += ',';
    out += label.name + "=\"";
    append_escaped(out, label.values[index / below % label.values.size()], true);
    out += '"';
  }
  return out;
}

std::size_t index_or_last(const MetricLabel& label, std::string_view value) {
  const auto found = std::ranges::find(label.values, value);
  return found == label.values.end() ? label.values.size() - 1 : static_cast<std::size_t>(found - label.values.begin());
}

}  // namespace

namespace metrics_detail {

std::size_t stripe() {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % kStripes;
  return mine;
}

std::uint64_t StripedSum::sum() const {
  std::uint64_t total = 0;
  for (const auto& line : lines_) total += line.value.load(std::memory_order_relaxed);
  return total;
}

}  // namespace metrics_detail

Histogram::Histogram(HistogramUnit unit) : unit_(unit), first_(first_bound(unit)), buckets_(bucket_count(unit)) {}

void Histogram::observe(std::uint64_t value) {
  // The smallest i with value <= first << i: the width of (value - 1) / first.
  const auto width = value <= first_ ? 0 : static_cast<std::size_t>(std::bit_width((value - 1) / first_));
  const auto bucket = std::min(width, buckets_ - 1);
  stripes_[metrics_detail::stripe()].counts[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_.add(value);
}

std::uint64_t Histogram::in_bucket(std::size_t i) const {
  std::uint64_t total = 0;
  for (const auto& stripe : stripes_) total += stripe.counts[i].load(std::memory_order_relaxed);
  return total;
}

std::uint64_t Histogram::quantile_bound(double share) const {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < buckets_; ++i) total += in_bucket(i);
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(total)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_; ++i) {
    seen += in_bucket(i);
    if (seen > 0 && seen >= wanted) return bound(i);
  }
  return 0;
}

template <class T>
T& MetricFamily<T>::at(std::size_t first, std::size_t second) const {
  const auto& labels = *labels_;
  SB_ASSERT(first < labels[0].values.size());
  if (labels.size() == 1) {
    SB_ASSERT(second == 0);
    return *(*series_)[first];
  }
  SB_ASSERT(second < labels[1].values.size());
  return *(*series_)[first * labels[1].values.size() + second];
}

template <class T>
T& MetricFamily<T>::of(std::string_view first, std::string_view second) const {
  const auto& labels = *labels_;
  return at(index_or_last(labels[0], first), labels.size() == 1 ? 0 : index_or_last(labels[1], second));
}

template class MetricFamily<Counter>;
template class MetricFamily<Gauge>;
template class MetricFamily<Histogram>;

struct MetricRegistry::Metric {
  template <class T>
  using Series = std::vector<std::unique_ptr<T>>;
  using Probe = std::function<double(std::size_t)>;

  std::string name;
  std::string help;
  std::vector<MetricLabel> labels;
  std::variant<std::monostate, Series<Counter>, Series<Gauge>, Series<Histogram>, Probe> content;

  const char* type() const {
    if (std::holds_alternative<Series<Histogram>>(content)) return "histogram";
    return name.ends_with("_total") ? "counter" : "gauge";
  }

  void render(std::string& out) const {
    out += "# HELP " + name + " ";
    append_escaped(out, help, false);
    fmt::format_to(std::back_inserter(out), "\n# TYPE {} {}\n", name, type());
    std::visit([&](const auto& held) { render_content(out, held); }, content);
  }

  void render_content(std::string&, const std::monostate&) const {}
  void render_content(std::string& out, const Probe& read) const {
    for (std::size_t i = 0; i < series_count(labels); ++i) {
      std::string number;
      append_number(number, read(i));
      append_line(out, name, series_labels(labels, i), number);
    }
  }
  template <class T>
  void render_content(std::string& out, const Series<T>& series) const {
    for (std::size_t i = 0; i < series.size(); ++i) append_series(out, name, series_labels(labels, i), *series[i]);
  }
};

MetricRegistry::MetricRegistry() = default;
MetricRegistry::~MetricRegistry() = default;

MetricRegistry::Metric& MetricRegistry::find_or_add(std::string_view name, std::string_view help,
                                                    std::vector<MetricLabel> labels) {
  SB_ASSERT(is_word(name) && (name.starts_with("signalbox_") || name.starts_with("process_")));
  SB_ASSERT(!help.empty() && labels.size() <= 2 && series_count(labels) >= 1 && series_count(labels) <= kMaxSeries);
  for (const auto& label : labels) SB_ASSERT(is_word(label.name) && label.name != "le");
  const auto found = std::ranges::find_if(metrics_, [&](const auto& metric) { return metric->name == name; });
  if (found != metrics_.end()) {
    SB_ASSERT(std::ranges::equal((*found)->labels, labels, [](const auto& a, const auto& b) {
      return a.name == b.name && a.values == b.values;
    }));
    return **found;
  }
  SB_ASSERT(metrics_.size() < kMaxMetrics);
  metrics_.push_back(std::make_unique<Metric>(std::string(name), std::string(help), std::move(labels)));
  return *metrics_.back();
}

template <class T>
MetricFamily<T> MetricRegistry::family(std::string_view name, std::string_view help, std::vector<MetricLabel> labels,
                                       HistogramUnit unit) {
  SB_ASSERT((std::is_same_v<T, Counter>) == name.ends_with("_total"));
  if (std::is_same_v<T, Histogram> && unit != HistogramUnit::count) {
    SB_ASSERT(name.ends_with(unit == HistogramUnit::bytes ? "_bytes" : "_seconds"));
  }
  const std::lock_guard lock(mutex_);
  auto& metric = find_or_add(name, help, std::move(labels));
  if (std::holds_alternative<std::monostate>(metric.content)) {
    auto& series = metric.content.template emplace<Metric::Series<T>>();
    for (std::size_t i = 0; i < series_count(metric.labels); ++i) {
      if constexpr (std::is_same_v<T, Histogram>)
        series.push_back(std::make_unique<T>(unit));
      else
        series.push_back(std::make_unique<T>());
    }
  }
  SB_ASSERT(std::holds_alternative<Metric::Series<T>>(metric.content));
  MetricFamily<T> handle;
  handle.labels_ = &metric.labels;
  handle.series_ = &std::get<Metric::Series<T>>(metric.content);
  return handle;
}

Counter& MetricRegistry::counter(std::string_view name, std::string_view help) {
  return *family<Counter>(name, help, {}, HistogramUnit::count).series_->front();
}
Gauge& MetricRegistry::gauge(std::string_view name, std::string_view help) {
  return *family<Gauge>(name, help, {}, HistogramUnit::count).series_->front();
}
Histogram& MetricRegistry::histogram(std::string_view name, std::string_view help, HistogramUnit unit) {
  return *family<Histogram>(name, help, {}, unit).series_->front();
}
MetricFamily<Counter> MetricRegistry::counters(std::string_view name, std::string_view help,
                                               std::vector<MetricLabel> labels) {
  SB_ASSERT(!labels.empty());
  return family<Counter>(name, help, std::move(labels), HistogramUnit::count);
}
MetricFamily<Gauge> MetricRegistry::gauges(std::string_view name, std::string_view help,
                                           std::vector<MetricLabel> labels) {
  SB_ASSERT(!labels.empty());
  return family<Gauge>(name, help, std::move(labels), HistogramUnit::count);
}
MetricFamily<Histogram> MetricRegistry::histograms(std::string_view name, std::string_view help, HistogramUnit unit,
                                                   std::vector<MetricLabel> labels) {
  SB_ASSERT(!labels.empty());
  return family<Histogram>(name, help, std::move(labels), unit);
}

void MetricRegistry::probe(std::string_view name, std::string_view help, std::function<double()> read) {
  add_probe(name, help, {}, [read = std::move(read)](std::size_t) { return read(); });
}
void MetricRegistry::probe(std::string_view name, std::string_view help, MetricLabel label,
                           std::function<double(std::size_t)> read) {
  add_probe(name, help, {std::move(label)}, std::move(read));
}
void MetricRegistry::add_probe(std::string_view name, std::string_view help, std::vector<MetricLabel> labels,
                               std::function<double(std::size_t)> read) {
  const std::lock_guard lock(mutex_);
  auto& metric = find_or_add(name, help, std::move(labels));
  SB_ASSERT(std::holds_alternative<std::monostate>(metric.content));
  metric.content = std::move(read);
}

std::string MetricRegistry::render() const {
  const std::lock_guard lock(mutex_);
  std::vector<const Metric*> sorted;
  for (const auto& metric : metrics_) sorted.push_back(metric.get());
  std::ranges::sort(sorted, {}, &Metric::name);
  std::string out;
  for (const auto* metric : sorted) metric->render(out);
  return out;
}

MetricRegistry& process_metrics() {
  static MetricRegistry registry;
  return registry;
}

}  // namespace sb
