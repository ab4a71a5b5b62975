#include "http/metrics.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <prometheus/client_metric.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "base/mutex.h"

namespace hnx::http {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

ClientMetric::Label MakeLabel(const std::string& name, const std::string& value) {
  ClientMetric::Label label;
  label.name = name;
  label.value = value;
  return label;
}

MetricFamily ToFamily(MetricGauges gauges) {
  MetricFamily family;
  family.name = std::move(gauges.name);
  family.help = std::move(gauges.help);
  family.type = prometheus::MetricType::Gauge;
  for (const MetricSample& sample : gauges.samples) {
    ClientMetric metric;
    for (const auto& [name, value] : sample.labels) {
      metric.label.push_back(MakeLabel(name, value));
    }
    metric.gauge.value = sample.value;
    family.metric.push_back(std::move(metric));
  }
  return family;
}

}  // namespace

class MetricsRegistry::Impl {
 public:
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
  Mutex mutex;
  std::vector<std::pair<prometheus::Gauge*, std::function<double()>>> functions
      HNX_GUARDED_BY(mutex);
  std::vector<std::pair<prometheus::Counter*, std::function<double()>>> counter_functions
      HNX_GUARDED_BY(mutex);
  std::vector<MetricsReader> readers HNX_GUARDED_BY(mutex);
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

void MetricsRegistry::CounterFunction(const std::string& name, const std::string& help,
                                      std::function<double()> read, const MetricLabels& labels) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry);
  MutexLock lock(impl_->mutex);
  impl_->counter_functions.emplace_back(&family.Add(labels), std::move(read));
}

void MetricsRegistry::GaugesFunction(MetricsReader read) {
  MutexLock lock(impl_->mutex);
  impl_->readers.push_back(std::move(read));
}

MetricHistogram MetricsRegistry::Histogram(const std::string& name, const std::string& help,
                                           const std::vector<double>& bounds,
                                           const MetricLabels& labels) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(impl_->registry);
  return MetricHistogram(family.Add(labels, bounds));
}

std::string MetricsRegistry::Serialize() const {
  std::vector<MetricFamily> come_and_go;
  {
    MutexLock lock(impl_->mutex);
    for (const auto& [gauge, read] : impl_->functions) {
      gauge->Set(read());
    }
    for (const auto& [counter, read] : impl_->counter_functions) {
      // What began anew counts on from here.
      counter->Increment(std::max(0.0, read() - counter->Value()));
    }
    for (const MetricsReader& read : impl_->readers) {
      for (MetricGauges& gauges : read()) {
        come_and_go.push_back(ToFamily(std::move(gauges)));
      }
    }
  }
  std::vector<MetricFamily> families = impl_->registry.Collect();
  std::move(come_and_go.begin(), come_and_go.end(), std::back_inserter(families));
  return prometheus::TextSerializer().Serialize(families);
}

namespace {

// The series of these labels, or of "other" ones when there are too many.
template <class Series, class Make>
auto& SeriesOf(Series& series, MetricLabels labels, std::size_t series_max, Make make) {
  auto found = series.find(labels);
  if (found == series.end() && series.size() >= series_max) {
    for (auto& [name, value] : labels) {
      value = "other";
    }
    found = series.find(labels);
  }
  if (found == series.end()) {
    found = series.emplace(labels, make(labels)).first;
  }
  return found->second;
}

}  // namespace

void MetricCounters::Add(MetricLabels labels, double amount) {
  MutexLock lock(mutex_);
  SeriesOf(series_, std::move(labels), series_max_, [this](const MetricLabels& made) {
    return registry_.Counter(name_, help_, made);
  }).Add(amount);
}

void MetricHistograms::Observe(MetricLabels labels, double value) {
  MutexLock lock(mutex_);
  SeriesOf(series_, std::move(labels), series_max_, [this](const MetricLabels& made) {
    return registry_.Histogram(name_, help_, bounds_, made);
  }).Observe(value);
}

std::vector<double> LatencyBounds() {
  return {0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10};
}

}  // namespace hnx::http
