// Metrics: counters, gauges and histograms in Prometheus' model, with prometheus-cpp kept behind
// this header. A program makes one registry and hands out references at start; updating them is
// cheap and thread-safe. Labels have few values: never a hash, key or URL.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace hnx::http {

using MetricLabels = std::map<std::string, std::string>;

class MetricCounter {
 public:
  void Add(double amount = 1);
  double value() const;

 private:
  friend class MetricsRegistry;
  explicit MetricCounter(prometheus::Counter& counter) : counter_(counter) {}
  prometheus::Counter& counter_;
};

class MetricGauge {
 public:
  void Set(double value);

 private:
  friend class MetricsRegistry;
  explicit MetricGauge(prometheus::Gauge& gauge) : gauge_(gauge) {}
  prometheus::Gauge& gauge_;
};

class MetricHistogram {
 public:
  void Observe(double value);

 private:
  friend class MetricsRegistry;
  explicit MetricHistogram(prometheus::Histogram& histogram) : histogram_(histogram) {}
  prometheus::Histogram& histogram_;
};

// What a MetricsReader tells of one name: all its series, each with other labels.
struct MetricSample {
  MetricLabels labels;
  double value = 0;
};
struct MetricGauges {
  std::string name;
  std::string help;
  std::vector<MetricSample> samples;
};
using MetricsReader = std::function<std::vector<MetricGauges>()>;

class MetricsRegistry {
 public:
  MetricsRegistry();
  ~MetricsRegistry();
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;

  // Names are Prometheus names: snake_case, unit last, counters end in _total. Asking again for the
  // same name and labels gives a handle on the same metric.
  MetricCounter Counter(const std::string& name, const std::string& help,
                        const MetricLabels& labels = {});
  MetricGauge Gauge(const std::string& name, const std::string& help,
                    const MetricLabels& labels = {});
  // A gauge whose value is asked for when the metrics are read. `read` must outlive the registry's
  // last use, be thread-safe and quick.
  void GaugeFunction(const std::string& name, const std::string& help, std::function<double()> read,
                     const MetricLabels& labels = {});
  // The same of something that only grows.
  void CounterFunction(const std::string& name, const std::string& help,
                       std::function<double()> read, const MetricLabels& labels = {});
  // Gauges whose series come and go: exactly what `read` says at each reading; as GaugeFunction.
  void GaugesFunction(MetricsReader read);
  // `bounds`: upper bounds of the buckets, ascending.
  MetricHistogram Histogram(const std::string& name, const std::string& help,
                            const std::vector<double>& bounds, const MetricLabels& labels = {});

  // The text exposition format, for /metrics.
  std::string Serialize() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Counters of one name whose label values come from outside: after `series_max` series, further
// ones count together as one whose values are all "other". Thread-safe.
class MetricCounters {
 public:
  // `registry` must outlive it.
  MetricCounters(MetricsRegistry& registry, std::string name, std::string help,
                 std::size_t series_max)
      : registry_(registry),
        name_(std::move(name)),
        help_(std::move(help)),
        series_max_(series_max) {}

  void Add(MetricLabels labels, double amount = 1) HNX_EXCLUDES(mutex_);

 private:
  MetricsRegistry& registry_;
  const std::string name_;
  const std::string help_;
  const std::size_t series_max_;
  Mutex mutex_;
  std::map<MetricLabels, MetricCounter> series_ HNX_GUARDED_BY(mutex_);
};

// The same of histograms.
class MetricHistograms {
 public:
  MetricHistograms(MetricsRegistry& registry, std::string name, std::string help,
                   std::vector<double> bounds, std::size_t series_max)
      : registry_(registry),
        name_(std::move(name)),
        help_(std::move(help)),
        bounds_(std::move(bounds)),
        series_max_(series_max) {}

  void Observe(MetricLabels labels, double value) HNX_EXCLUDES(mutex_);

 private:
  MetricsRegistry& registry_;
  const std::string name_;
  const std::string help_;
  const std::vector<double> bounds_;
  const std::size_t series_max_;
  Mutex mutex_;
  std::map<MetricLabels, MetricHistogram> series_ HNX_GUARDED_BY(mutex_);
};

// Bounds for the duration of requests, in seconds: 100 µs to 10 s.
std::vector<double> LatencyBounds();

}  // namespace hnx::http
