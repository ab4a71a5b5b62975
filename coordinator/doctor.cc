#include "coordinator/doctor.h"

#include <array>
#include <filesystem>
#include <iostream>

#include <fmt/format.h>
#include <unistd.h>

#include "access/access_checks.h"
#include "cli/checkup.h"
#include "cli/host_checks.h"
#include "cli/option.h"
#include "coordinator/database/open_database.h"
#include "coordinator/database/postgres_binaries.h"
#include "coordinator/doctor/database_checks.h"
#include "coordinator/doctor/listen_checks.h"
#include "coordinator/doctor/upstream_checks.h"
#include "coordinator/store/pg_checkup.h"
#include "coordinator/upstream/upstream_set.h"
#include "doctor/port_checks.h"
#include "nix/store_path.h"

namespace hnx::coordinator {
namespace {

constexpr std::chrono::milliseconds kConnectTimeout{10'000};
constexpr std::chrono::milliseconds kHeadTimeout{20'000};

// The database that serve would use; empty: it cannot be asked, or there is none yet. A private one
// that exists is started for as long as this takes.
std::string FindDatabase(cli::Checkup& checkup, const ServeOptions& options, bool coordinator_runs,
                         Database& database) {
  if (!options.database.empty()) {
    return options.database;
  }
  const std::filesystem::path folder = std::filesystem::path(options.data) / "postgres";
  std::error_code ignored;
  if (!std::filesystem::exists(folder / "cluster", ignored)) {
    const auto binaries = FindPostgresBinaries(SearchPath(), std::nullopt);
    if (binaries.has_value()) {
      checkup.Ok("database", fmt::format("there is none yet: serve makes a private one below {}",
                                         options.data));
    } else {
      checkup.Fault("database", binaries.error().message,
                    "install PostgreSQL's server (apt install postgresql), or name one with "
                    "--database");
    }
    return {};
  }
  if (coordinator_runs) {
    checkup.Ok("database",
               fmt::format("the private one below {} is the running coordinator's", options.data));
    return {};
  }
  auto opened = OpenDatabase(options.database, options.data);
  if (!opened.has_value()) {
    checkup.Fault("database", opened.error().message,
                  "end the other process, name another --data, or see the log in " +
                      (folder / "log").string());
    return {};
  }
  database = *std::move(opened);
  return database.uri;
}

// Of the path that was named, or of one that the database has.
Result<std::string> ProbePath(const DoctorOptions& options, const std::string& uri,
                              const Upstream& upstream) {
  if (!options.path.empty()) {
    HNX_ASSIGN_OR_RETURN(const nix::StorePath path, nix::StorePath::Parse(options.path));
    return std::string(path.hash_part());
  }
  if (uri.empty()) {
    return std::string();
  }
  PgPool pool(uri, {.connections_max = 1});
  HNX_ASSIGN_OR_RETURN(const auto hash, PathFromUpstream(pool, upstream.url));
  return hash.value_or("");
}

// `uri`: of a database that can be asked for paths; else empty.
Result<void> CheckUpstreams(cli::Checkup& checkup, const DoctorOptions& options,
                            const std::string& uri) {
  const ServeOptions& serve = options.serve;
  const auto upstreams = UpstreamSet::Parse(serve.upstreams, serve.trusted_public_keys);
  if (!upstreams.has_value()) {
    checkup.Fault("keys", upstreams.error().message,
                  "correct --upstream or --trusted-public-keys (NAME:BASE64, as the cache's "
                  "operator publishes it)");
    return {};
  }
  checkup.Ok("keys", fmt::format("{} trusted public keys are well-formed",
                                 upstreams->all_public_keys().size()));
  http::HttpClientOptions http = serve.http;
  http.connect_timeout = std::min(http.connect_timeout, kConnectTimeout);
  http.head_timeout = std::min(http.head_timeout, kHeadTimeout);
  http::HttpClient client(http);
  for (const Upstream& upstream : upstreams->upstreams()) {
    doctor::SignatureProbe probe{
        .path_hash = {},
        .trust = {.accept_unsigned_content_addressed = serve.accept_unsigned_content_addressed},
        .nar_size_max = serve.nar_size_max};
    HNX_ASSIGN_OR_RETURN(probe.path_hash, ProbePath(options, uri, upstream));
    CheckUpstream(checkup, client, upstream, probe, Clock::Real());
  }
  CheckChannelServer(checkup, client, serve.channel.fetch.channel.channel_url);
  return {};
}

// What callers on other machines would have in --coordinator.
std::string NameOf(const std::string& listen) {
  const std::string host = listen.substr(0, listen.rfind(':'));
  const bool all = host == "0.0.0.0" || host == "[::]";
  std::array<char, 256> name{};
  if (all && ::gethostname(name.data(), name.size() - 1) == 0) {
    return name.data();
  }
  return host.starts_with("[") ? host.substr(1, host.size() - 2) : host;
}

}  // namespace

void AddDoctorOptions(CLI::App& command, DoctorOptions& options) {
  AddServeOptions(command, options.serve);
  cli::AddOption(command, "--path", options.path,
                 "A path that the upstreams have, by whose narinfo their keys are looked at; "
                 "default: one that the database knows");
  cli::AddSize(command, "--disk-free-min", options.disk_free_min,
               "Less room than this below --data is a fault");
  cli::AddFlag(command, "--json", options.json, "Print JSON");
}

cli::ExitCode RunDoctor(const DoctorOptions& options) {
  cli::Checkup checkup;
  cli::CheckFolder(checkup, {options.serve.data, "--data"},
                   {options.disk_free_min, "--disk-free-min"});
  const bool runs = CheckListen(checkup, options.serve.listen, options.serve.access);
  access::CheckServer(checkup, options.serve.access, NameOf(options.serve.listen), Clock::Real());
  doctor::CheckPort(checkup, "listen-http", options.serve.listen_http, runs ? "a coordinator" : "");
  Database database;
  std::string uri = FindDatabase(checkup, options.serve, runs, database);
  if (!uri.empty() && !CheckDatabase(checkup, uri, options.serve.no_migrate, Clock::Real())) {
    uri.clear();
  }
  if (const auto checked = CheckUpstreams(checkup, options, uri); !checked.has_value()) {
    std::cerr << "coordinator doctor: " << checked.error().message << '\n';
    return cli::ExitCode::kUsage;
  }
  return checkup.Tell(std::cout, options.json);
}

}  // namespace hnx::coordinator
