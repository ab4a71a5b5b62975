// Metrics: counters, gauges and histograms in Prometheus' model, with prometheus-cpp kept behind
// this header. A program makes one registry and hands out references at start; updating them is
// cheap and thread-safe. Labels have few values: never a hash, key or URL.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

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
  // `bounds`: upper bounds of the buckets, ascending.
  MetricHistogram Histogram(const std::string& name, const std::string& help,
                            const std::vector<double>& bounds, const MetricLabels& labels = {});

  // The text exposition format, for /metrics.
  std::string Serialize() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Bounds for the duration of requests, in seconds: 100 µs to 10 s.
std::vector<double> LatencyBounds();

}  // namespace hnx::http
