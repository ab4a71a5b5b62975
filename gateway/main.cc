// gateway: a mirror's substituter for Nix clients.
#include <unistd.h>

#include "base/log.h"
#include "cli/program.h"
#include "cli/stop_signal.h"
#include "gateway/gateway_options.h"
#include "gateway/source_refresher.h"
#include "gateway/substituter/drive_mirror_source.h"
#include "gateway/substituter/gateway.h"
#include "http/http_server.h"
#include "http/metrics.h"

namespace hnx::gateway {
namespace {

constexpr std::chrono::seconds kDrainTimeout{10};

cli::ExitCode Serve(const GatewayOptions& options) {
  cli::StopSignal stop;  // before any thread
  const auto log = Log("gateway");
  const auto key = ParseIndexKey(options.index);
  if (!key) {
    log->error("{}", key.error().message);
    return cli::ExitCode::kUsage;
  }
  http::MetricsRegistry metrics;
  DriveMirrorSource source(
      {.directory = options.drives.front(),
       .index_key = *key,
       .index_cache_bytes_max = options.index_cache_bytes,
       .further_directories = {options.drives.begin() + 1, options.drives.end()}});
  SourceRefresher refresher(source, options.refresh_interval, metrics);
  refresher.RunOnce();  // so that the first request finds what is there
  Gateway gateway(source,
                  {.priority = options.priority,
                   .narinfo_cache_bytes_max = options.narinfo_cache_bytes,
                   .index_id = key->id()},
                  metrics, [&refresher] { return refresher.Ready(); });
  const auto server = http::HttpServer::Start(
      {.listen = options.listen,
       .threads = options.threads,
       .connections_max = options.connections_max,
       .idle_timeout = std::chrono::duration_cast<std::chrono::seconds>(options.idle_timeout),
       .drain_timeout = kDrainTimeout},
      [&gateway](const http::ServerRequest& request) { return gateway.Answer(request); });
  if (!server) {
    log->error("{}", server.error().message);
    return cli::ExitCode::kFailure;
  }
  metrics.GaugeFunction("hnx_gateway_connections", "Open connections",
                        [&server] { return static_cast<double>((*server)->connections()); });
  metrics.GaugeFunction("hnx_gateway_requests_in_flight", "Requests not answered whole",
                        [&server] { return static_cast<double>((*server)->requests_in_flight()); });
  refresher.Start();
  log->info("http://{} serves hyper://{}", (*server)->address(), key->id());
  stop.Wait();
  log->info("stopping");
  (*server)->Stop();
  refresher.Stop();
  return cli::ExitCode::kOk;
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
      "gateway serve --drives DIR --index hyper://KEY --listen 0.0.0.0:8080 --priority 35\n"
      "nix copy --from http://127.0.0.1:8080 --to /tmp/store /nix/store/...");
  hnx::gateway::AddGatewayOptions(serve, options);
  return program.Main(argc, argv);
}
