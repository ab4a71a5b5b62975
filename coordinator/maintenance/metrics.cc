#include "coordinator/maintenance/metrics.h"

#include <chrono>
#include <utility>
#include <vector>

#include <prometheus/client_metric.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>

#include "base/mutex.h"

namespace hnx::coordinator {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::chrono::seconds kRefreshInterval{1};

MetricFamily Gauge(const std::string& name, const std::string& help) {
  MetricFamily family;
  family.name = "hypercore_nixos_" + name;
  family.help = help;
  family.type = MetricType::Gauge;
  return family;
}

void Add(MetricFamily& family, std::vector<ClientMetric::Label> labels, double value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  family.metric.push_back(std::move(metric));
}

std::vector<MetricFamily> Families(const StatusView& status) {
  MetricFamily paths = Gauge("release_paths", "Paths of the newest releases, by state");
  MetricFamily bytes = Gauge("release_nar_bytes", "Bytes of NAR files of the newest releases");
  for (const ReleaseView& release : status.releases) {
    const std::string id = std::to_string(release.id);
    const auto label = [&](const char* state) {
      return std::vector<ClientMetric::Label>{
          {"release", id}, {"channel", release.channel}, {"state", state}};
    };
    const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
    Add(paths, label("total"), number(release.paths_total));
    Add(paths, label("published"), number(release.paths_published));
    Add(paths, label("missing"), number(release.paths_missing));
    Add(paths, label("set_aside"), number(release.paths_set_aside));
    Add(paths, label("blocked"), number(release.paths_blocked));
    Add(paths, label("left_out"), number(release.paths_left_out));
    Add(bytes, label("total"), number(release.bytes_total));
    Add(bytes, label("stored"), number(release.bytes_stored));
  }
  MetricFamily alive = Gauge("worker_alive", "1 while a worker calls");
  MetricFamily room = Gauge("worker_disk_free_bytes", "Room that a worker has left");
  for (const WorkerView& worker : status.workers) {
    Add(alive, {{"worker", worker.name}}, worker.alive ? 1 : 0);
    Add(room, {{"worker", worker.name}}, static_cast<double>(worker.disk_free_bytes));
  }
  MetricFamily published = Gauge("paths_published", "Paths whose narinfo is in the publish log");
  Add(published, {}, static_cast<double>(status.paths_published));
  MetricFamily length = Gauge("index_length", "Recorded length of the index drive");
  Add(length, {}, static_cast<double>(status.index_length));
  MetricFamily held =
      Gauge("index_acknowledged_length", "Length up to which another holder has the whole index");
  Add(held, {}, static_cast<double>(status.index_acknowledged_length));
  return {paths, bytes, alive, room, published, length, held};
}

class StatusCollector final : public prometheus::Collectable {
 public:
  explicit StatusCollector(PgReleaseStore& store) : store_(store) {}

  std::vector<MetricFamily> Collect() const override {
    MutexLock lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (families_.empty() || now - collected_at_ >= kRefreshInterval) {
      // The lock is held over the look-up on purpose: askers at the same time share one.
      const auto status = store_.GetStatus();
      families_ = status.has_value() ? Families(*status) : std::vector<MetricFamily>();
      MetricFamily up = Gauge("database_up", "1 when the database answered");
      Add(up, {}, status.has_value() ? 1 : 0);
      families_.push_back(std::move(up));
      collected_at_ = now;
    }
    return families_;
  }

 private:
  PgReleaseStore& store_;
  mutable Mutex mutex_;
  mutable std::vector<MetricFamily> families_ HNX_GUARDED_BY(mutex_);
  mutable std::chrono::steady_clock::time_point collected_at_ HNX_GUARDED_BY(mutex_);
};

}  // namespace

struct Metrics::Impl {
  std::shared_ptr<StatusCollector> collector;
  std::unique_ptr<prometheus::Exposer> exposer;
};

Metrics::Metrics(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Metrics::~Metrics() = default;

Result<std::unique_ptr<Metrics>> Metrics::Start(const std::string& listen, PgReleaseStore& store) {
  auto impl = std::make_unique<Impl>();
  if (!listen.empty()) {
    constexpr std::size_t kThreads = 2;
    try {
      impl->exposer = std::make_unique<prometheus::Exposer>(listen, kThreads);
    } catch (const std::exception& error) {
      return Unavailable("serve metrics on " + listen + ": " + error.what());
    }
    impl->collector = std::make_shared<StatusCollector>(store);
    impl->exposer->RegisterCollectable(impl->collector);
  }
  return std::unique_ptr<Metrics>(new Metrics(std::move(impl)));
}

}  // namespace hnx::coordinator
