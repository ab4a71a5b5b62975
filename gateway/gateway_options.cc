#include "gateway/gateway_options.h"

#include <utility>

#include "cli/core_dumps.h"
#include "cli/option.h"
#include "cli/user_cache.h"
#include "gateway/substituter/pages.h"

namespace hnx::gateway {

void AddGatewayOptions(CLI::App& app, GatewayOptions& options) {
  cli::AddOption(app, "--listen", options.listen, "Address to listen on, HOST:PORT");
  cli::AddOption(app, "--drives", options.drives,
                 "Folder that holds drives, one folder each; may be given several times");
  cli::AddFlag(app, "--verify-reads", options.verify_reads,
               "With --drives, check every block against what was signed before it is sent, so "
               "that nobody is given what is damaged on this disk; without it NARs and channels' "
               "files go from the disk to the socket, and clients notice by their hashes");
  cli::AddOption(app, "--index", options.index,
                 "With --drives, the mirror's name: hyper://KEY of its index drive. With --mirror, "
                 "whole (the default: fetch all of the index in the background) or sparse");
  cli::AddOption(app, "--mirror", options.mirror,
                 "Read a mirror from peers: hyper://KEY of its index drive");
  cli::AddOption(app, "--peer", options.peers,
                 "Peer to connect to, HOST:PORT; may be given several times");
  options.swarm.AddTo(app);
  cli::AddOption(app, "--listen-peers", options.listen_peers,
                 "Address on which peers may ask for what is held, HOST:PORT; may be given "
                 "several times");
  cli::AddOption(app, "--cache", options.cache,
                 "Folder for what was fetched, with --mirror; by default gateway-KEY in "
                 "hypercore-nixos in $XDG_CACHE_HOME or ~/.cache");
  cli::AddSize(app, "--cache-size", options.cache_bytes,
               "Disk for NARs in it; the least recently used go first");
  cli::AddSize(app, "--index-size", options.index_bytes,
               "An index that is larger is not fetched whole");
  cli::AddOption(
      app, "--fallback", options.fallbacks,
      "With --mirror, a binary cache (https://cache.nixos.org) for what the mirror lacks "
      "or nobody can send now; may be given several times");
  cli::AddOption(app, "--trusted-public-keys", options.trusted_public_keys,
                 "Keys whose signatures are believed of a fallback, NAME:BASE64; may be given "
                 "several times; default: the one of cache.nixos.org");
  cli::AddOption(app, "--proxy", options.proxy,
                 "Proxy for fallbacks (http://..., socks5h://...); default: the usual variables");
  cli::AddOption(app, "--ca-file", options.ca_file, "PEM bundle instead of the system's");
  cli::AddOption(app, "--priority", options.priority,
                 "Priority told to clients; lower is asked first (cache.nixos.org: 40)")
      ->check(CLI::Range(kPriorityMin, kPriorityMax));
  cli::AddOption(app, "--threads", options.threads, "Threads that answer requests")
      ->check(CLI::Range(1U, 256U));
  cli::AddOption(
      app, "--connections-max", options.connections_max,
      "Connections kept open at once; for a further one that which has rested longest is "
      "closed")
      ->check(CLI::Range(1U, 1'000'000U));
  cli::AddOption(app, "--connections-per-address-max", options.connections_per_address_max,
                 "Connections at once from one address (IPv6: from one /64), those of this machine "
                 "not counted; further ones are refused; 0: no limit")
      ->check(CLI::Range(0U, 1'000'000U));
  cli::AddDuration(app, "--idle-timeout", options.idle_timeout,
                   "Close connections whose next request is not whole after so long, and those of "
                   "clients that take less than 64 KiB of an answer in that time");
  cli::AddDuration(app, "--refresh-interval", options.refresh_interval,
                   "How often to look for newly published paths");
  cli::AddSize(app, "--narinfo-cache-bytes", options.narinfo_cache_bytes,
               "Memory for narinfos that were resolved");
  cli::AddSize(app, "--index-cache-bytes", options.index_cache_bytes,
               "Memory for the index drive's tree");
  cli::AddOption(
      app, "--coordinator", options.coordinators,
      "Tell the mirror's coordinator, HOST:PORT, once a minute how often which narinfo "
      "was asked for, and nothing of who asked; a mirror with a --budget follows it. Any "
      "of several will do. Default: nobody is told");
  access::AddClientAccess(app, options.access);
  cli::AddCoreDumps(app, options.core_dumps, "the token or key for --coordinator");
}

Result<std::variant<LocalChoice, FarChoice>> ChooseMirror(const GatewayOptions& options) {
  using Choice = std::variant<LocalChoice, FarChoice>;
  if (options.mirror.empty()) {
    if (!options.fallbacks.empty()) {
      return InvalidArgument("--fallback needs --mirror hyper://KEY and --cache DIR");
    }
    if (options.drives.empty() || options.index.empty()) {
      return InvalidArgument(
          "which mirror? Give --mirror hyper://KEY for one that is read from peers, or "
          "--drives DIR --index hyper://KEY for one in folders of this machine");
    }
    HNX_ASSIGN_OR_RETURN(const auto key, ParseIndexKey(options.index));
    return Choice(LocalChoice{key});
  }
  if (!options.drives.empty()) {
    return InvalidArgument("--mirror and --drives exclude each other");
  }
  if (!options.index.empty() && options.index != "whole" && options.index != "sparse") {
    return InvalidArgument("with --mirror, --index is whole or sparse, not " + options.index);
  }
  if (options.verify_reads) {
    return InvalidArgument("--verify-reads is for --drives");
  }
  const bool swarm = options.swarm.Wanted(!options.peers.empty());
  if (options.peers.empty() && !swarm && options.listen_peers.empty()) {
    return InvalidArgument(
        "--mirror needs a way to peers: --peer HOST:PORT, --listen-peers HOST:PORT, or the swarm");
  }
  HNX_ASSIGN_OR_RETURN(const auto key, ParseIndexKey(options.mirror));
  std::filesystem::path cache = options.cache;
  if (cache.empty()) {
    auto folder = cli::UserCacheFolder();
    if (!folder) {
      return folder.error().Annotate("say with --cache where to keep what is fetched");
    }
    cache = *folder / ("gateway-" + key.id());
  }
  return Choice(FarChoice{key, options.index != "sparse", std::move(cache), swarm});
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
    return key.error().Annotate("the mirror's key " + std::string(text));
  }
  return key;
}

}  // namespace hnx::gateway
