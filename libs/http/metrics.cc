#include "http/metrics.h"

#include <utility>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "base/mutex.h"

namespace hnx::http {

class MetricsRegistry::Impl {
 public:
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
  Mutex mutex;
  std::vector<std::pair<prometheus::Gauge*, std::function<double()>>> functions
      HNX_GUARDED_BY(mutex);
};

void MetricCounter::Add(double amount) {
  counter_.Increment(amount);
}

double MetricCounter::value() const {
  return counter_.Value();
}

void MetricGauge::Set(double value) {
  gauge_.Set(value);
}

void MetricHistogram::Observe(double value) {
  histogram_.Observe(value);
}

MetricsRegistry::MetricsRegistry() : impl_(std::make_unique<Impl>()) {}
MetricsRegistry::~MetricsRegistry() = default;

MetricCounter MetricsRegistry::Counter(const std::string& name, const std::string& help,
                                       const MetricLabels& labels) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry);
  return MetricCounter(family.Add(labels));
}

MetricGauge MetricsRegistry::Gauge(const std::string& name, const std::string& help,
                                   const MetricLabels& labels) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry);
  return MetricGauge(family.Add(labels));
}

void MetricsRegistry::GaugeFunction(const std::string& name, const std::string& help,
                                    std::function<double()> read, const MetricLabels& labels) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry);
  MutexLock lock(impl_->mutex);
  impl_->functions.emplace_back(&family.Add(labels), std::move(read));
}

MetricHistogram MetricsRegistry::Histogram(const std::string& name, const std::string& help,
                                           const std::vector<double>& bounds,
                                           const MetricLabels& labels) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(impl_->registry);
  return MetricHistogram(family.Add(labels, bounds));
}

std::string MetricsRegistry::Serialize() const {
  {
    MutexLock lock(impl_->mutex);
    for (const auto& [gauge, read] : impl_->functions) {
      gauge->Set(read());
    }
  }
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

std::vector<double> LatencyBounds() {
  return {0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10};
}

}  // namespace hnx::http
