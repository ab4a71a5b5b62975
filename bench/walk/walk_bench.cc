// walk_bench: narinfos a second of the coordinator's walk (every signature checked, every row
// committed by a real, private PostgreSQL) against plain libcurl multi on the same generated cache,
// in pairs A B A B. Prints the ratio of each pair and the median, and where the processor time of
// the walks went. A pair in which others used too much of the machine is taken again.
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
#include "bench/walk/cpu_meter.h"
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
  Bench(const GeneratedCache& cache, const Server& server,
        const coordinator::PrivatePostgres& postgres, const coordinator::WalkOptions& options)
      : cache_(cache),
        server_(server.pid),
        postmaster_(postgres.server_pid()),
        url_(fmt::format("http://127.0.0.1:{}", server.port)),
        server_uri_(postgres.connection_string()),
        options_(options) {
    for (const std::uint64_t root : cache.Roots()) {
      roots_.push_back(cache.Path(root));
    }
  }

  struct Run {
    double rate = 0;  // narinfos a second
    CpuUse cpu;
  };

  Run Plain() {
    std::vector<std::string> hashes;
    for (const nix::StorePath& root : roots_) {
      hashes.push_back(root.hash().ToString());
    }
    const CpuMeter meter(server_, postmaster_);
    HNX_CHECK(PlainWalk(url_, hashes) == cache_.size());
    return Finish(meter);
  }

  Run Ours() {
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
    const coordinator::WalkPolicy policy{*nix::TrustedKeys::ParseText(cache_.public_key()), {}, {}};
    const std::vector<coordinator::ConfiguredUpstream> configured{{.url = url_, .public_keys = {}}};
    const auto ids = store.ConfigureUpstreams(configured);
    HNX_CHECK(ids.has_value());
    coordinator::Walker walker(client, store, {{{ids->front(), url_, policy}}, policy}, options_);
    const CpuMeter meter(server_, postmaster_);
    (void)walker.RunOnce();
    const Run run = Finish(meter);
    HNX_CHECK(walker.statistics().narinfos_saved == cache_.size());
    return run;
  }

 private:
  Run Finish(const CpuMeter& meter) const {
    const CpuUse cpu = meter.Read();
    return {.rate = static_cast<double>(cache_.size()) / cpu.wall, .cpu = cpu};
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
  const pid_t server_;
  const pid_t postmaster_;
  const std::string url_;
  const std::string server_uri_;
  const coordinator::WalkOptions options_;
  std::vector<nix::StorePath> roots_;
  int databases_ = 0;
};

struct Flags {
  std::uint64_t paths = 20'000;
  int pairs = 5;
  coordinator::WalkOptions walk;
  double others_cores_max = 0.25;
  int repeats_max = 10;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Microseconds of processor time a narinfo.
std::string CpuText(const CpuUse& use, std::uint64_t paths) {
  const auto each = [&](double seconds) { return seconds * 1e6 / static_cast<double>(paths); };
  return fmt::format("walk {:.0f}, PostgreSQL {:.0f}, cache's server {:.0f}", each(use.own),
                     each(use.postgres), each(use.server));
}

void RunPairs(Bench& bench, const Flags& flags) {
  std::vector<double> ratios;
  std::vector<double> rates;
  int repeats = 0;
  while (static_cast<int>(ratios.size()) < flags.pairs) {
    const Bench::Run plain = bench.Plain();
    const Bench::Run ours = bench.Ours();
    const double others = std::max(plain.cpu.OthersCores(), ours.cpu.OthersCores());
    const bool quiet = others <= flags.others_cores_max;
    fmt::print(
        "{}: plain libcurl multi {:.0f}/s, walk {:.0f}/s, ratio {:.2f}; others used {:.2f} "
        "cores{}\n",
        ratios.size() + 1, plain.rate, ours.rate, ours.rate / plain.rate, others,
        quiet ? "" : " (too much)");
    fmt::print("   processor us a narinfo: {}; plain {}\n", CpuText(ours.cpu, flags.paths),
               CpuText(plain.cpu, flags.paths));
    std::fflush(stdout);
    if (!quiet && repeats < flags.repeats_max) {
      ++repeats;
      continue;
    }
    ratios.push_back(ours.rate / plain.rate);
    rates.push_back(ours.rate);
  }
  fmt::print("median of {} pairs: ratio {:.2f} (aim 0.60), walk {:.0f} narinfos/s", flags.pairs,
             Median(ratios), Median(rates));
  fmt::print("{}; {} processors shared by walk, PostgreSQL and the cache's server\n",
             repeats >= flags.repeats_max ? "; THE MACHINE WAS BUSY" : "",
             ::sysconf(_SC_NPROCESSORS_ONLN));
}

cli::ExitCode Run(const Flags& flags) {
  const GeneratedCache cache(kSeed, flags.paths);
  fmt::print("making {} signed narinfos\n", flags.paths);
  std::fflush(stdout);
  const Server server = StartServer(cache);
  std::string directory = "/tmp/hnx-walk-bench-XXXXXX";
  HNX_CHECK(::mkdtemp(directory.data()) != nullptr);
  auto postgres =
      coordinator::PrivatePostgres::Start({.directory = std::filesystem::path(directory) / "pg"});
  HNX_CHECK(postgres.has_value());
  {
    Bench bench(cache, server, **postgres, flags.walk);
    RunPairs(bench, flags);
  }
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
  hnx::bench::Flags flags;
  hnx::cli::Program program("walk_bench", "Measures the closure walk against plain libcurl multi.");
  CLI::App& run =
      program.AddCommand("run", "Run the pairs", [&] { return hnx::bench::Run(flags); });
  hnx::cli::AddOption(run, "--paths", flags.paths, "Narinfos in the generated cache");
  hnx::cli::AddOption(run, "--pairs", flags.pairs, "Pairs of runs");
  hnx::cli::AddOption(run, "--window", flags.walk.walk_window_max,
                      "Paths between frontier and save, at most");
  hnx::cli::AddOption(run, "--batch", flags.walk.walk_batch, "Paths in one save, at most");
  hnx::cli::AddOption(run, "--others-cores-max", flags.others_cores_max,
                      "Processors that others may use on average, else the pair is taken again");
  hnx::cli::AddOption(run, "--repeats-max", flags.repeats_max, "Pairs taken again, at most");
  return program.Main(argc, argv);
}
