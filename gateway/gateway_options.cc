#include "gateway/gateway_options.h"

#include "cli/option.h"
#include "gateway/substituter/pages.h"

namespace hnx::gateway {

void AddGatewayOptions(CLI::App& app, GatewayOptions& options) {
  cli::AddOption(app, "--listen", options.listen, "Address to listen on, HOST:PORT");
  cli::AddOption(app, "--drives", options.drives,
                 "Folder that holds drives, one folder each; may be given several times")
      ->required();
  cli::AddOption(app, "--index", options.index, "The mirror's name: hyper://KEY of its index drive")
      ->required();
  cli::AddOption(app, "--priority", options.priority,
                 "Priority told to clients; lower is asked first (cache.nixos.org: 40)")
      ->check(CLI::Range(kPriorityMin, kPriorityMax));
  cli::AddOption(app, "--threads", options.threads, "Threads that answer requests")
      ->check(CLI::Range(1U, 256U));
  cli::AddOption(app, "--connections-max", options.connections_max,
                 "Connections kept open at once; further ones wait")
      ->check(CLI::Range(1U, 1'000'000U));
  cli::AddDuration(app, "--idle-timeout", options.idle_timeout,
                   "Close connections on which nothing happens for so long");
  cli::AddDuration(app, "--refresh-interval", options.refresh_interval,
                   "How often to look for newly published paths");
  cli::AddSize(app, "--narinfo-cache-bytes", options.narinfo_cache_bytes,
               "Memory for narinfos that were resolved");
  cli::AddSize(app, "--index-cache-bytes", options.index_cache_bytes,
               "Memory for the index drive's tree");
}

Result<hyper::DriveKey> ParseIndexKey(std::string_view text) {
  constexpr std::string_view kScheme = "hyper://";
  if (text.substr(0, kScheme.size()) == kScheme) {
    text.remove_prefix(kScheme.size());
  }
  if (!text.empty() && text.back() == '/') {
    text.remove_suffix(1);
  }
  auto key = hyper::DriveKey::Parse(text);
  if (!key) {
    return key.error().Annotate("--index " + std::string(text));
  }
  return key;
}

}  // namespace hnx::gateway
