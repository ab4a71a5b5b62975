// gateway: a mirror's substituter for Nix clients.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <utility>
#include <variant>

#include <unistd.h>

#include "base/log.h"
#include "cli/core_dumps.h"
#include "cli/program.h"
#include "cli/stop_signal.h"
#include "gateway/doctor/doctor.h"
#include "gateway/fallback/fallback_source.h"
#include "gateway/far/far_mirror_source.h"
#include "gateway/far/peer_mirror.h"
#include "gateway/gateway_options.h"
#include "gateway/hits/hit_counter.h"
#include "gateway/hits/hit_reporter.h"
#include "gateway/source_refresher.h"
#include "gateway/substituter/drive_mirror_source.h"
#include "gateway/substituter/gateway.h"
#include "http/http_server.h"
#include "http/metrics.h"
#include "http/process_metrics.h"

namespace hnx::gateway {
namespace {

constexpr std::chrono::seconds kDrainTimeout{10};
// How soon it is noticed that the last peer has left.
constexpr std::chrono::milliseconds kFarRefresh{200};
// In --cache.
constexpr const char* kFallbackFolder = "fallback";

// What both kinds of mirror have in common: the answers, the server, the following.
class Serving {
 public:
  Serving(const GatewayOptions& options, const hyper::DriveKey& key, MirrorSource& source,
          std::chrono::milliseconds refresh_interval, http::MetricsRegistry& metrics)
      : options_(options),
        key_(key),
        metrics_(metrics),
        hits_(metrics),
        refresher_(source, refresh_interval, metrics),
        gateway_(source,
                 {.priority = options.priority,
                  .narinfo_cache_bytes_max = options.narinfo_cache_bytes,
                  .index_id = key.id(),
                  .on_nar_info_asked = HitsOf(options)},
                 metrics, [this] { return refresher_.ReadyItems(); }) {
    http::RegisterProcessMetrics(metrics_, "gateway", cli::kVersion);
  }

  Gateway& gateway() { return gateway_; }

  // Returns when it was told to stop; `before_stop` is called then, first.
  cli::ExitCode Run(cli::StopSignal& stop, const std::function<void()>& before_stop);

 private:
  std::function<void(std::string_view)> HitsOf(const GatewayOptions& options) {
    if (options.coordinators.empty()) {
      return {};
    }
    return [this](std::string_view hash) { hits_.Count(hash); };
  }

  const GatewayOptions& options_;
  const hyper::DriveKey key_;
  http::MetricsRegistry& metrics_;
  HitCounter hits_;
  SourceRefresher refresher_;
  Gateway gateway_;
};

cli::ExitCode Serving::Run(cli::StopSignal& stop, const std::function<void()>& before_stop) {
  const auto log = Log("gateway");
  std::unique_ptr<HitReporter> reporter;
  if (!options_.coordinators.empty()) {
    auto send = MakeHitSender(options_.coordinators, options_.access);
    if (!send) {
      log->error("{}", send.error().message);
      return cli::ExitCode::kUsage;
    }
    reporter = std::make_unique<HitReporter>(hits_, MakeGatewayId(), *std::move(send));
  }
  refresher_.RunOnce();  // so that the first request finds what is there
  const auto server = http::HttpServer::Start(
      {.listen = options_.listen,
       .threads = options_.threads,
       .connections_max = options_.connections_max,
       .connections_per_address_max = options_.connections_per_address_max,
       .idle_timeout = std::chrono::duration_cast<std::chrono::seconds>(options_.idle_timeout),
       .drain_timeout = kDrainTimeout},
      [this](const http::ServerRequest& request) { return gateway_.Answer(request); });
  if (!server) {
    log->error("{}", server.error().message);
    return cli::ExitCode::kFailure;
  }
  const auto gauge = [this](const char* name, const char* help, std::function<double()> read) {
    metrics_.GaugeFunction(name, help, std::move(read));
  };
  gauge("hnx_gateway_connections", "Open connections",
        [&server] { return static_cast<double>((*server)->connections()); });
  const auto ended = [&](const char* reason, std::uint64_t http::ConnectionCounts::*count) {
    metrics_.CounterFunction(
        "hnx_gateway_connections_ended_total", "Connections that had to go, or were refused",
        [&server, count] { return static_cast<double>((*server)->connections_ended().*count); },
        {{"reason", reason}});
  };
  ended("full", &http::ConnectionCounts::full);
  ended("per_address", &http::ConnectionCounts::per_address);
  ended("slow_request", &http::ConnectionCounts::slow_request);
  ended("slow_reader", &http::ConnectionCounts::slow_reader);
  gauge("hnx_gateway_requests_in_flight", "Requests not answered whole",
        [&server] { return static_cast<double>((*server)->requests_in_flight()); });
  gauge("hnx_gateway_requests_waiting", "Requests whose answer is being found",
        [&server] { return static_cast<double>((*server)->requests_waiting()); });
  gauge("hnx_gateway_streams", "Answers that are sent while they come from peers",
        [&server] { return static_cast<double>((*server)->streams()); });
  refresher_.Start();
  if (reporter) {
    reporter->Start();
  }
  log->info("http://{} serves hyper://{}", (*server)->address(), key_.id());
  stop.Wait();
  log->info("stopping");
  before_stop();
  (*server)->Stop();
  refresher_.Stop();
  if (reporter) {
    reporter->Stop();
    reporter->RunOnce();  // what came since
  }
  return cli::ExitCode::kOk;
}

cli::ExitCode ServeLocal(const GatewayOptions& options, const hyper::DriveKey& key,
                         cli::StopSignal& stop) {
  http::MetricsRegistry metrics;
  DriveMirrorSource source(
      {.directory = options.drives.front(),
       .index_key = key,
       .index_cache_bytes_max = options.index_cache_bytes,
       .further_directories = {options.drives.begin() + 1, options.drives.end()}},
      options.verify_reads);
  Serving serving(options, key, source, options.refresh_interval, metrics);
  return serving.Run(stop, [] {});
}

// What --fallback adds to a mirror from afar.
struct Fallback {
  std::unique_ptr<Upstreams> upstreams;
  std::unique_ptr<FallbackNars> nars;
  std::unique_ptr<FallbackSource> source;
};

// `options` have fallbacks.
Result<Fallback> MakeFallback(const GatewayOptions& options, FarMirrorSource& mirror,
                              FallbackStore& store, http::MetricsRegistry& metrics) {
  Fallback fallback;
  HNX_ASSIGN_OR_RETURN(fallback.upstreams,
                       Upstreams::Create({.urls = options.fallbacks,
                                          .trusted_public_keys = options.trusted_public_keys,
                                          .proxy = options.proxy,
                                          .ca_file = options.ca_file}));
  fallback.nars = std::make_unique<FallbackNars>(*fallback.upstreams, store, metrics);
  fallback.source = std::make_unique<FallbackSource>(mirror, *fallback.nars, metrics);
  return fallback;
}

Result<std::unique_ptr<PeerMirror>> OpenMirror(const GatewayOptions& options,
                                               const FarChoice& choice) {
  PeerMirrorOptions mirror_options{.index_key = choice.key, .cache = choice.cache};
  mirror_options.peers = options.peers;
  mirror_options.listen_peers = options.listen_peers;
  if (choice.swarm) {
    mirror_options.swarm = options.swarm;
  }
  mirror_options.index_cache_bytes_max = options.index_cache_bytes;
  HNX_ASSIGN_OR_RETURN(auto mirror, PeerMirror::Open(std::move(mirror_options)));
  for (const auto& address : mirror->node().addresses()) {
    Log("gateway")->info("peers may connect to {}", address);
  }
  return mirror;
}

Result<cli::ExitCode> ServeFar(const GatewayOptions& options, const FarChoice& choice,
                               cli::StopSignal& stop) {
  HNX_ASSIGN_OR_RETURN(const auto mirror, OpenMirror(options, choice));
  http::MetricsRegistry metrics;
  FarMirrorSourceOptions source_options;
  source_options.cache = choice.cache;
  source_options.nar_bytes_max = options.cache_bytes;
  source_options.index_whole = choice.index_whole;
  source_options.index_bytes_max = options.index_bytes;
  if (!options.fallbacks.empty()) {
    source_options.waits = kWaitsWithFallback;
  }
  HNX_ASSIGN_OR_RETURN(const auto source,
                       FarMirrorSource::Open(*mirror, std::move(source_options), metrics));
  // Also without a fallback: what one left keeps to the bound.
  HNX_ASSIGN_OR_RETURN(const auto store,
                       FallbackStore::Open(choice.cache / kFallbackFolder, source->cache()));
  Fallback fallback;
  if (!options.fallbacks.empty()) {
    HNX_ASSIGN_OR_RETURN(fallback, MakeFallback(options, *source, *store, metrics));
  }
  MirrorSource& served = fallback.source ? static_cast<MirrorSource&>(*fallback.source) : *source;
  Serving serving(options, choice.key, served, std::min(options.refresh_interval, kFarRefresh),
                  metrics);
  source->cache().OnEvicted([&serving] { serving.gateway().ForgetAnswers(); });
  const auto code = serving.Run(stop, [&source] { source->Cancel(); });
  source->cache().OnEvicted({});
  return code;
}

cli::ExitCode Serve(const GatewayOptions& options) {
  cli::StopSignal stop;  // before any thread
  if (!options.core_dumps) {
    cli::ForbidCoreDumps();
  }
  const auto choice = ChooseMirror(options);
  if (!choice) {
    Log("gateway")->error("{}", choice.error().message);
    return cli::ExitCode::kUsage;
  }
  if (const auto* far = std::get_if<FarChoice>(&*choice)) {
    const auto code = ServeFar(options, *far, stop);
    if (!code) {
      Log("gateway")->error("{}", code.error().message);
    }
    return code ? *code : cli::ExitCodeOf(code.error());
  }
  return ServeLocal(options, std::get<LocalChoice>(*choice).key, stop);
}

}  // namespace
}  // namespace hnx::gateway

int main(int argc, char** argv) {
  hnx::gateway::GatewayOptions options;
  hnx::cli::Program program("gateway", "Serves a mirror on Hyperdrives to Nix clients.");
  CLI::App& serve = program.AddCommand(
      "serve", "Answer Nix clients until stopped",
      [&options] { return hnx::gateway::Serve(options); },
      "gateway serve --drives DIR --index hyper://KEY\n"
      "gateway serve --mirror hyper://KEY\n"
      "gateway serve --mirror hyper://KEY --cache DIR --peer peer.example:4711\n"
      "gateway serve --mirror hyper://KEY --fallback https://cache.nixos.org\n"
      "gateway serve --drives DIR --index hyper://KEY --listen 0.0.0.0:8080 --priority 35\n"
      "nix copy --from http://127.0.0.1:8080 --to /tmp/store /nix/store/...");
  hnx::gateway::AddGatewayOptions(serve, options);
  hnx::gateway::DoctorOptions doctor_options;
  CLI::App& doctor = program.AddCommand(
      "doctor",
      "Find what keeps a gateway from serving, and say what to do. Exit code 1: a fault; 3: only\n"
      "warnings",
      [&] { return hnx::gateway::RunDoctor(doctor_options); },
      "gateway doctor --drives DIR --index hyper://KEY\n"
      "gateway doctor --mirror hyper://KEY --peer peer.example:4711 --json",
      hnx::cli::kCheckingExits);
  hnx::gateway::AddDoctorOptions(doctor, doctor_options);
  return program.Main(argc, argv);
}
