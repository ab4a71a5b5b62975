#include "coordinator/page/coordinator_metrics.h"

#include <algorithm>
#include <string>
#include <utility>

#include "cli/program.h"
#include "http/process_metrics.h"

namespace hnx::coordinator {
namespace {

using http::MetricGauges;
using http::MetricLabels;

// More than there are: methods times the codes that they answer; classes times what becomes of
// them.
constexpr std::size_t kMethodsMax = 40;
constexpr std::size_t kCallSeriesMax = 400;
constexpr std::size_t kFailureSeriesMax = 40;
constexpr double kMsPerSecond = 1'000;

double Number(std::uint64_t value) {
  return static_cast<double>(value);
}

double Seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Gathers families in the order in which they are first named. A name that is shown twice with the
// same labels (two workers of one name) shows the sum.
class Gauges {
 public:
  void Declare(const std::string& name, const std::string& help) {
    families_.push_back({.name = name, .help = help, .samples = {}});
  }
  // Of the family declared last but `back`.
  void Add(MetricLabels labels, double value, std::size_t back = 0) {
    auto& samples = families_[families_.size() - 1 - back].samples;
    const auto same = std::find_if(samples.begin(), samples.end(),
                                   [&](const auto& sample) { return sample.labels == labels; });
    if (same != samples.end()) {
      same->value += value;
    } else {
      samples.push_back({.labels = std::move(labels), .value = value});
    }
  }
  void One(const std::string& name, const std::string& help, double value) {
    Declare(name, help);
    Add({}, value);
  }
  // Those that have a series.
  std::vector<MetricGauges> Take() {
    std::erase_if(families_, [](const MetricGauges& family) { return family.samples.empty(); });
    return std::move(families_);
  }

 private:
  std::vector<MetricGauges> families_;
};

double Age(const Overview& all, const TimeMs& since) {
  return since ? std::max(0.0, static_cast<double>(all.mirror.now_ms - *since) / kMsPerSecond) : 0;
}

void AddMirror(Gauges& out, const Overview& all) {
  const MirrorOverview& mirror = all.mirror;
  out.One("hnx_coordinator_index_length", "Recorded length of the index drive, in entries",
          Number(mirror.index_length));
  out.One("hnx_coordinator_index_acknowledged_length",
          "Length up to which another holder has the whole index, in entries",
          Number(mirror.index_acknowledged_length));
  out.One("hnx_coordinator_paused", "1 while an operator has paused everything",
          mirror.paused ? 1 : 0);
  out.One("hnx_coordinator_leader_present", "1 while some coordinator of this database leads",
          mirror.has_leader ? 1 : 0);
  out.One("hnx_coordinator_publish_batches_pending",
          "Publish batches that are planned and not in the index yet",
          Number(mirror.batches_pending));
  out.One("hnx_coordinator_publish_batch_age_seconds",
          "Age of the oldest of these, 0: there is none", Age(all, mirror.batch_pending_since_ms));
}

void AddQueue(Gauges& out, const Overview& all) {
  const QueueOverview& queue = all.queue;
  out.Declare("hnx_coordinator_nars", "NARs by state; idle: nothing needs them now");
  for (const auto& [state, count] : queue.nars) {
    out.Add({{"state", state}}, Number(count));
  }
  out.Declare("hnx_coordinator_paths", "Paths by state");
  for (const auto& [state, count] : queue.paths) {
    out.Add({{"state", state}}, Number(count));
  }
  out.One("hnx_coordinator_queue_oldest_seconds",
          "Age of the oldest wanted NAR among those that are next in each lane, 0: none is wanted",
          Age(all, queue.oldest_wanted_ms));
  out.One("hnx_coordinator_leases", "Jobs that are leased to workers", Number(queue.leases));
  out.One("hnx_coordinator_lease_oldest_seconds", "Age of the oldest lease, 0: there is none",
          Age(all, queue.oldest_lease_ms));
  out.Declare("hnx_coordinator_nars_lost",
              "NARs of lost shards that are not linked elsewhere yet, counted up to 1000; gone: "
              "nobody has them");
  out.Add({{"state", "coming"}}, Number(queue.lost_coming));
  out.Add({{"state", "gone"}}, Number(queue.lost_gone));
  out.One("hnx_coordinator_publish_ready_paths",
          "Paths that could be published now and are in no batch yet; counted up to 1000",
          Number(queue.ready));
  out.One("hnx_coordinator_publish_ready_oldest_seconds",
          "Time since the oldest of these last changed, 0: there is none",
          Age(all, queue.oldest_ready_ms));
  out.Declare("hnx_coordinator_releases", "Releases by state");
  for (const auto& [state, count] : all.releases_by_state) {
    out.Add({{"state", state}}, Number(count));
  }
}

void AddChannels(Gauges& out, const Overview& all) {
  out.Declare(
      "hnx_coordinator_channel_lag_seconds",
      "Time since a followed channel points to a release that is not latest here, 0: fresh");
  for (const ChannelOverview& channel : all.channels) {
    if (channel.followed) {
      out.Add({{"channel", channel.name}}, Age(all, channel.late_since_ms));
    }
  }
  const auto times = [&](const char* name, const char* help, auto time_of) {
    out.Declare(name, help);
    for (const ChannelOverview& channel : all.channels) {
      if (const TimeMs at = time_of(channel)) {
        out.Add({{"channel", channel.name}}, static_cast<double>(*at) / kMsPerSecond);
      }
    }
  };
  times("hnx_coordinator_channel_polled_timestamp_seconds",
        "When the channel's server last answered",
        [](const ChannelOverview& channel) { return channel.polled_at_ms; });
  times("hnx_coordinator_channel_settled_timestamp_seconds",
        "When the release that is latest here was settled",
        [](const ChannelOverview& channel) { return channel.latest_settled_at_ms; });
}

// The newest release of each channel: their number does not grow with time.
void AddReleases(Gauges& out, const Overview& all) {
  out.Declare("hnx_coordinator_channel_completeness_ratio",
              "Published paths of all paths of the channel's newest release");
  out.Declare("hnx_coordinator_channel_paths",
              "Paths of the channel's newest release, by what became of them");
  out.Declare("hnx_coordinator_channel_nar_bytes",
              "Bytes of NAR files of the channel's newest release");
  for (const ChannelOverview& channel : all.channels) {
    const ReleaseOverview* release = all.Release(channel.newest_release);
    if (release == nullptr) {
      continue;
    }
    const std::string& name = channel.name;
    out.Add({{"channel", name}}, release->completeness(), 2);
    const std::uint64_t settled = release->paths_published + release->paths_missing +
                                  release->paths_set_aside + release->paths_blocked +
                                  release->paths_left_out;
    out.Add({{"channel", name}, {"state", "published"}}, Number(release->paths_published), 1);
    out.Add({{"channel", name}, {"state", "missing"}}, Number(release->paths_missing), 1);
    out.Add({{"channel", name}, {"state", "set_aside"}}, Number(release->paths_set_aside), 1);
    out.Add({{"channel", name}, {"state", "blocked"}}, Number(release->paths_blocked), 1);
    out.Add({{"channel", name}, {"state", "left_out"}}, Number(release->paths_left_out), 1);
    out.Add({{"channel", name}, {"state", "pending"}},
            Number(release->paths - std::min(release->paths, settled)), 1);
    out.Add({{"channel", name}, {"state", "stored"}}, Number(release->bytes_stored));
    out.Add({{"channel", name}, {"state", "pending"}},
            Number(release->bytes - std::min(release->bytes, release->bytes_stored)));
  }
}

void AddWorkers(Gauges& out, const Overview& all) {
  const auto each = [&](const char* name, const char* help, auto value_of) {
    out.Declare(name, help);
    for (const WorkerOverview& worker : all.workers) {
      out.Add({{"worker", worker.name}}, static_cast<double>(value_of(worker)));
    }
  };
  using Worker = WorkerOverview;
  each("hnx_coordinator_worker_alive", "1 while the worker calls",
       [](const Worker& w) { return w.alive ? 1 : 0; });
  each("hnx_coordinator_worker_disk_free_bytes", "Room that the worker has left",
       [](const Worker& w) { return w.disk_free_bytes; });
  each("hnx_coordinator_worker_leases", "Jobs that are leased to the worker",
       [](const Worker& w) { return w.jobs; });
  each("hnx_coordinator_worker_shards", "Shards that the worker writes or wrote",
       [](const Worker& w) { return w.shards; });
  each("hnx_coordinator_worker_shards_lost", "Of these, those that its disk does not hold any more",
       [](const Worker& w) { return w.shards_lost; });
  each("hnx_coordinator_worker_shard_length",
       "Recorded length of the worker's shards together, in entries",
       [](const Worker& w) { return w.shard_entries; });
  each("hnx_coordinator_worker_shard_bytes", "Recorded bytes of content of the worker's shards",
       [](const Worker& w) { return w.shard_bytes; });
  each("hnx_coordinator_worker_copies",
       "Copies of other workers' shards that the worker is to hold",
       [](const Worker& w) { return w.copies; });
  each("hnx_coordinator_worker_copies_whole", "Of these, those that are whole",
       [](const Worker& w) { return w.copies_whole; });
}

void AddHosts(Gauges& out, const Overview& all) {
  out.Declare("hnx_coordinator_upstream_paused",
              "1 while an operator has paused the upstream host");
  for (const HostOverview& host : all.hosts) {
    out.Add({{"host", host.host}}, host.paused ? 1 : 0);
  }
  out.Declare("hnx_coordinator_upstream_breaker_open",
              "1 while the upstream host is left alone because it failed again and again");
  for (const HostOverview& host : all.hosts) {
    out.Add({{"host", host.host}}, host.breaker_open ? 1 : 0);
  }
  out.Declare("hnx_coordinator_upstream_held_back_seconds",
              "Time for which the upstream host asked to be left alone, from now");
  for (const HostOverview& host : all.hosts) {
    const double until = static_cast<double>(host.held_back_until_ms.value_or(0));
    out.Add({{"host", host.host}},
            std::max(0.0, until - static_cast<double>(all.mirror.now_ms)) / kMsPerSecond);
  }
}

}  // namespace

std::vector<MetricGauges> OverviewGauges(const OverviewLook& look) {
  Gauges out;
  out.One("hnx_coordinator_database_up", "1 when the database answered the last time",
          look.trouble.empty() ? 1 : 0);
  // What was true once says nothing now.
  if (look.overview != nullptr && look.trouble.empty()) {
    AddMirror(out, *look.overview);
    AddQueue(out, *look.overview);
    AddChannels(out, *look.overview);
    AddReleases(out, *look.overview);
    AddWorkers(out, *look.overview);
    AddHosts(out, *look.overview);
  }
  return out.Take();
}

CoordinatorMetrics::CoordinatorMetrics()
    : transactions_(registry_.Histogram("hnx_coordinator_database_transaction_seconds",
                                        "Duration of transactions, with connecting where needed",
                                        http::LatencyBounds())),
      calls_(registry_, "hnx_coordinator_rpc_calls_total", "gRPC calls answered", kCallSeriesMax),
      call_seconds_(registry_, "hnx_coordinator_rpc_call_seconds",
                    "Duration of gRPC calls; those that watch last as long as somebody looks",
                    http::LatencyBounds(), kMethodsMax),
      jobs_leased_(registry_.Counter("hnx_coordinator_jobs_leased_total",
                                     "Jobs that this coordinator leased to workers")),
      leases_expired_(registry_.Counter("hnx_coordinator_leases_expired_total",
                                        "Leases that this coordinator took back as their workers "
                                        "did not renew them")),
      failures_(registry_, "hnx_coordinator_nar_failures_total",
                "NARs that workers could not store, by class and by what became of them",
                kFailureSeriesMax) {
  http::RegisterProcessMetrics(registry_, "coordinator", cli::kVersion);
}

void CoordinatorMetrics::Show(const OverviewService& overview) {
  registry_.GaugesFunction([&overview] { return OverviewGauges(*overview.Last()); });
}

void CoordinatorMetrics::Show(PgPool& pool) {
  const auto gauge = [&](const char* name, const char* help, auto read) {
    registry_.GaugeFunction(name, help, [&pool, read] { return Number(read(pool.Use())); });
  };
  gauge("hnx_coordinator_database_connections_max", "Connections that the pool may have",
        [](const PgPoolUse& use) { return use.connections_max; });
  gauge("hnx_coordinator_database_connections_open", "Connections that it has",
        [](const PgPoolUse& use) { return use.open; });
  gauge("hnx_coordinator_database_connections_busy", "Connections in use",
        [](const PgPoolUse& use) { return use.busy; });
  gauge("hnx_coordinator_database_waiting", "Threads that wait for a connection",
        [](const PgPoolUse& use) { return use.waiting; });
  registry_.CounterFunction("hnx_coordinator_database_connection_failures_total",
                            "Connections that could not be made, or broke",
                            [&pool] { return Number(pool.Use().failures); });
}

void CoordinatorMetrics::Show(const PgLeader& leader) {
  registry_.GaugeFunction("hnx_coordinator_leader", "1 while this coordinator leads",
                          [&leader] { return leader.leads() ? 1.0 : 0.0; });
}

void CoordinatorMetrics::ObserveTransaction(std::chrono::steady_clock::duration took) {
  transactions_.Observe(Seconds(took));
}

void CoordinatorMetrics::ObserveCall(std::string_view method, std::string_view code,
                                     std::chrono::steady_clock::duration took) {
  calls_.Add({{"method", std::string(method)}, {"code", std::string(code)}});
  call_seconds_.Observe({{"method", std::string(method)}}, Seconds(took));
}

void CoordinatorMetrics::CountRefusal(std::string_view method, std::string_view code) {
  calls_.Add(
      {{"method", std::string(method.empty() ? "unknown" : method)}, {"code", std::string(code)}});
}

void CoordinatorMetrics::Count(const SynchronizeNews& news) {
  jobs_leased_.Add(Number(news.jobs_leased));
  for (const auto& [kind, count] : news.failures) {
    failures_.Add({{"class", std::string(FailureClassName(kind.first))},
                   {"outcome", std::string(kind.second)}},
                  Number(count));
  }
}

void CoordinatorMetrics::CountExpiredLeases(std::uint64_t leases) {
  leases_expired_.Add(Number(leases));
}

}  // namespace hnx::coordinator
