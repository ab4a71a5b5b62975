#include "gateway/doctor/doctor.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <sys/stat.h>

#include "access/access_checks.h"
#include "cli/checkup.h"
#include "cli/host_checks.h"
#include "cli/option.h"
#include "doctor/cache_checks.h"
#include "doctor/coordinator_checks.h"
#include "doctor/port_checks.h"
#include "gateway/doctor/mirror_checks.h"
#include "http/http_client.h"
#include "nix/cache_info.h"
#include "nix/nar_info.h"
#include "nix/store_path.h"
#include "rpc/channel.h"

namespace hnx::gateway {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kConnectTimeout{10'000};
constexpr std::chrono::milliseconds kHeadTimeout{20'000};
constexpr std::uint64_t kStatBlockBytes = 512;

// Of what is in the folder.
std::uint64_t BytesOnDisk(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator files(folder, error), end; !error && files != end;
       files.increment(error)) {
    struct stat status {};
    if (::lstat(files->path().c_str(), &status) == 0) {
      bytes += static_cast<std::uint64_t>(status.st_blocks) * kStatBlockBytes;
    }
  }
  return bytes;
}

void CheckCacheFolder(cli::Checkup& checkup, const GatewayOptions& options,
                      const FarChoice& choice) {
  const std::uint64_t held = BytesOnDisk(choice.cache);
  cli::CheckFolder(checkup, {choice.cache, "--cache"},
                   {options.cache_bytes - std::min(options.cache_bytes, held), "--cache-size"});
}

// True: a gateway answers at --listen.
bool CheckListen(cli::Checkup& checkup, const std::string& address) {
  const auto free = doctor::TryToListen(address);
  if (!free.has_value() && free.error().code != ErrorCode::kInvalidArgument) {
    http::HttpClientOptions http;
    http.connect_timeout = kConnectTimeout;
    http.head_timeout = kHeadTimeout;
    http::HttpClient client(http);
    const auto answer = client.Fetch({.url = fmt::format("http://{}/nix-cache-info", address),
                                      .body_size_max = nix::kCacheInfoSizeMax});
    if (answer.has_value() && nix::CacheInfo::Parse(answer->body).has_value()) {
      checkup.Ok("listen", fmt::format("a binary cache answers at {}", address));
      return true;
    }
  }
  doctor::CheckPort(checkup, "listen", address, "");
  return false;
}

// kInvalidArgument: --path is none.
Result<void> CheckFallbacks(cli::Checkup& checkup, const DoctorOptions& options) {
  const GatewayOptions& serve = options.serve;
  if (serve.fallbacks.empty()) {
    return {};
  }
  const auto keys = nix::TrustedKeys::Parse(serve.trusted_public_keys);
  if (!keys.has_value()) {
    checkup.Fault("keys", keys.error().message,
                  "correct --trusted-public-keys (NAME:BASE64, as the cache's operator publishes "
                  "it)");
    return {};
  }
  checkup.Ok("keys", fmt::format("{} trusted public keys are well-formed", keys->size()));
  doctor::SignatureProbe probe{.path_hash = {}, .nar_size_max = nix::kNarSizeMaxDefault};
  if (!options.path.empty()) {
    HNX_ASSIGN_OR_RETURN(const nix::StorePath path, nix::StorePath::Parse(options.path));
    probe.path_hash = path.hash_part();
  }
  http::HttpClientOptions http;
  http.proxy = serve.proxy;
  http.ca_file = serve.ca_file;
  http.connect_timeout = kConnectTimeout;
  http.head_timeout = kHeadTimeout;
  http::HttpClient client(http);
  for (std::string url : serve.fallbacks) {
    while (url.ends_with('/')) {
      url.pop_back();
    }
    const doctor::BinaryCache cache{"fallback", "--fallback", url};
    if (doctor::CheckCache(checkup, client, cache, Clock::Real()) && !probe.path_hash.empty()) {
      doctor::CheckSignatures(checkup, client, cache, *keys, probe);
    }
  }
  return {};
}

void CheckCoordinators(cli::Checkup& checkup, const GatewayOptions& options) {
  std::vector<std::string> endpoints;
  for (const std::string& coordinator : options.coordinators) {
    const auto parsed = rpc::ParseEndpoints(coordinator);
    if (!parsed.has_value()) {
      checkup.Fault("coordinator", parsed.error().message, "correct --coordinator: HOST:PORT");
      return;
    }
    endpoints.insert(endpoints.end(), parsed->begin(), parsed->end());
  }
  if (!endpoints.empty()) {
    access::CheckClient(checkup, options.access, {access::Role::kGateway}, Clock::Real());
    doctor::CheckCoordinators(checkup, endpoints, options.access);
  }
}

}  // namespace

void AddDoctorOptions(CLI::App& command, DoctorOptions& options) {
  AddGatewayOptions(command, options.serve);
  cli::AddOption(command, "--path", options.path,
                 "A path that the fallbacks have, by whose narinfo their keys are looked at");
  cli::AddDuration(command, "--patience", options.patience,
                   "How long a peer, or the swarm, may take to give the newest index");
  cli::AddFlag(command, "--json", options.json, "Print JSON");
}

cli::ExitCode RunDoctor(const DoctorOptions& options) {
  const GatewayOptions& serve = options.serve;
  const auto choice = ChooseMirror(serve);
  if (!choice.has_value()) {
    std::cerr << "gateway doctor: " << choice.error().message << '\n';
    return cli::ExitCode::kUsage;
  }
  cli::Checkup checkup;
  const std::string holder = CheckListen(checkup, serve.listen) ? "a gateway" : "";
  for (const std::string& address : serve.listen_peers) {
    doctor::CheckPort(checkup, "listen-peers", address, holder);
  }
  if (const auto* far = std::get_if<FarChoice>(&*choice)) {
    CheckCacheFolder(checkup, serve, *far);
    CheckPeers(checkup, serve, *far, options.patience);
  } else {
    CheckFolders(checkup, serve, std::get<LocalChoice>(*choice).key);
  }
  if (const auto checked = CheckFallbacks(checkup, options); !checked.has_value()) {
    std::cerr << "gateway doctor: " << checked.error().message << '\n';
    return cli::ExitCode::kUsage;
  }
  CheckCoordinators(checkup, serve);
  return checkup.Tell(std::cout, options.json);
}

}  // namespace hnx::gateway
