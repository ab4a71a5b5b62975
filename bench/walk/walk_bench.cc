// walk_bench: narinfos a second of the coordinator's walk (every signature checked, every row
// committed by a real PostgreSQL) against plain libcurl multi on the same generated cache, in
// pairs. Prints the ratio of each pair and the median.
//
//   bin/walk_bench run --paths 20000 --pairs 5
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>
#include <pqxx/pqxx>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "bench/walk/generated_cache.h"
#include "bench/walk/plain_walk.h"
#include "cli/option.h"
#include "cli/program.h"
#include "coordinator/database/private_postgres.h"
#include "coordinator/store/pg_migrations.h"
#include "coordinator/store/pg_walk_store.h"
#include "coordinator/walk/walker.h"
#include "http/http_server.h"

namespace hnx::bench {
namespace {

constexpr std::uint64_t kSeed = 11;

// Serves the cache from another process, all narinfos made beforehand; one thread. Its port.
struct Server {
  pid_t pid = 0;
  int port = 0;
};
Server StartServer(const GeneratedCache& cache) {
  std::array<int, 2> port_pipe{};
  HNX_CHECK(::pipe(port_pipe.data()) == 0);
  Server started;
  started.pid = ::fork();
  HNX_CHECK(started.pid >= 0);
  if (started.pid > 0) {
    HNX_CHECK(::read(port_pipe[0], &started.port, sizeof(int)) == sizeof(int));
    return started;
  }
  using Prepared = std::shared_ptr<const http::PreparedResponse>;
  std::unordered_map<std::string, Prepared> answers;
  const auto add = [&](const std::string& path, std::string body) {
    answers[path] = std::make_shared<http::PreparedResponse>(
        200, std::vector<http::HttpHeader>{{"Content-Type", "text/x-nix-narinfo"}},
        std::move(body));
  };
  add("/nix-cache-info", "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n");
  for (std::uint64_t i = 0; i < cache.size(); ++i) {
    add("/" + cache.Path(i).hash().ToString() + ".narinfo", cache.NarInfo(i));
  }
  auto server = http::HttpServer::Start(
      {.listen = "127.0.0.1:0", .threads = 1}, [&](const http::ServerRequest& request) {
        const auto found = answers.find(std::string(request.path()));
        http::ServerResponse response;
        if (found == answers.end()) {
          return http::TextResponse(404, "404\n");
        }
        response.prepared = found->second;
        return response;
      });
  HNX_CHECK(server.has_value());
  const int port = (*server)->port();
  HNX_CHECK(::write(port_pipe[1], &port, sizeof(int)) == sizeof(int));
  for (;;) {
    ::pause();
  }
}

class Bench {
 public:
  Bench(const GeneratedCache& cache, std::string url, std::string server_uri)
      : cache_(cache), url_(std::move(url)), server_uri_(std::move(server_uri)) {
    for (const std::uint64_t root : cache.Roots()) {
      roots_.push_back(cache.Path(root));
    }
  }

  double Plain() {
    std::vector<std::string> hashes;
    for (const nix::StorePath& root : roots_) {
      hashes.push_back(root.hash().ToString());
    }
    const auto begin = std::chrono::steady_clock::now();
    HNX_CHECK(PlainWalk(url_, hashes) == cache_.size());
    return PerSecond(begin);
  }

  double Ours() {
    using coordinator::PathName;
    const std::string uri = FreshDatabase();
    coordinator::PgPool pool(uri);
    coordinator::PgLeader leader(pool, "bench");
    HNX_CHECK(leader.Renew().value_or(false));
    coordinator::PgWalkStore store(pool, leader);
    const coordinator::ReleaseId release = AddRelease(uri);
    std::vector<PathName> names;
    for (const nix::StorePath& root : roots_) {
      names.push_back({std::string(root.hash_part()), std::string(root.name())});
      if (names.size() == 10'000 || &root == &roots_.back()) {
        HNX_CHECK(store.AddRoots(release, names).has_value());
        names.clear();
      }
    }
    HNX_CHECK(store.BeginWalk(release).has_value());
    http::HttpClient client{http::HttpClientOptions{}};
    coordinator::WalkPolicy policy{*nix::TrustedKeys::ParseText(cache_.public_key()), {}, {}};
    coordinator::Walker walker(client, store, policy, {});
    const auto begin = std::chrono::steady_clock::now();
    (void)walker.RunOnce();
    const double rate = PerSecond(begin);
    HNX_CHECK(walker.statistics().narinfos_saved == cache_.size());
    return rate;
  }

 private:
  double PerSecond(std::chrono::steady_clock::time_point begin) const {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    return static_cast<double>(cache_.size()) / took.count();
  }
  std::string FreshDatabase() {
    const std::string name = fmt::format("bench_{}", ++databases_);
    pqxx::connection connection(server_uri_);
    pqxx::nontransaction work(connection);
    work.exec("CREATE DATABASE " + name);
    const std::string uri = server_uri_.substr(0, server_uri_.find("dbname=")) + "dbname=" + name;
    HNX_CHECK(coordinator::Migrate(uri).has_value());
    return uri;
  }
  coordinator::ReleaseId AddRelease(const std::string& uri) const {
    pqxx::connection connection(uri);
    pqxx::work work(connection);
    work.exec("INSERT INTO upstream (url) VALUES (" + work.quote(url_) + ")");
    const auto row = work.exec1(
        "INSERT INTO release (channel, name, upstream_id, max_missing) "
        "SELECT 'bench', 'bench', id, 0.1 FROM upstream RETURNING id");
    work.commit();
    return row[0].as<coordinator::ReleaseId>();
  }

  const GeneratedCache& cache_;
  const std::string url_;
  const std::string server_uri_;
  std::vector<nix::StorePath> roots_;
  int databases_ = 0;
};

cli::ExitCode Run(std::uint64_t paths, int pairs) {
  const GeneratedCache cache(kSeed, paths);
  std::printf("making %llu signed narinfos\n", static_cast<unsigned long long>(paths));
  const Server server = StartServer(cache);
  std::string directory = "/tmp/hnx-walk-bench-XXXXXX";
  HNX_CHECK(::mkdtemp(directory.data()) != nullptr);
  auto postgres =
      coordinator::PrivatePostgres::Start({.directory = std::filesystem::path(directory) / "pg"});
  HNX_CHECK(postgres.has_value());
  std::vector<double> ratios;
  {
    Bench bench(cache, fmt::format("http://127.0.0.1:{}", server.port),
                (*postgres)->connection_string());
    for (int pair = 1; pair <= pairs; ++pair) {
      const double plain = bench.Plain();
      const double ours = bench.Ours();
      ratios.push_back(ours / plain);
      std::printf("pair %d: plain libcurl multi %.0f/s, walk %.0f/s, ratio %.2f\n", pair, plain,
                  ours, ratios.back());
      std::fflush(stdout);
    }
  }
  std::sort(ratios.begin(), ratios.end());
  std::printf("median ratio %.2f (aim 0.60)\n", ratios[ratios.size() / 2]);
  (*postgres)->Stop();
  std::error_code error;
  std::filesystem::remove_all(directory, error);
  ::kill(server.pid, SIGKILL);
  (void)::waitpid(server.pid, nullptr, 0);
  return cli::ExitCode::kOk;
}

}  // namespace
}  // namespace hnx::bench

int main(int argc, char** argv) {
  std::uint64_t paths = 20'000;
  int pairs = 5;
  hnx::cli::Program program("walk_bench", "Measures the closure walk against plain libcurl multi.");
  CLI::App& run =
      program.AddCommand("run", "Run the pairs", [&] { return hnx::bench::Run(paths, pairs); });
  hnx::cli::AddOption(run, "--paths", paths, "Narinfos in the generated cache");
  hnx::cli::AddOption(run, "--pairs", pairs, "Pairs of runs");
  return program.Main(argc, argv);
}
