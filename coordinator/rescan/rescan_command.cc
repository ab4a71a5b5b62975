#include "coordinator/rescan/rescan_command.h"

#include <chrono>
#include <iostream>
#include <memory>
#include <random>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/mutex.h"
#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "cli/user_identity.h"
#include "coordinator/database/open_database.h"
#include "coordinator/maintenance/leader_service.h"
#include "coordinator/rescan/index_source.h"
#include "coordinator/rescan/rescan.h"
#include "coordinator/rescan/rescan_report.h"
#include "coordinator/store/pg_migrations.h"
#include "nix/trusted_keys.h"

namespace hnx::coordinator {
namespace {

// A coordinator, or a rescan, that was killed keeps the leadership for a moment.
constexpr std::chrono::milliseconds kLeadershipWait = 2 * kLeaderTerm;
constexpr std::chrono::milliseconds kLookInterval{50};

struct Options {
  std::string data = "./coordinator-data";
  std::string database;
  IndexSourceOptions index;
  std::string cache = "./rescan-cache";
  RescanOptions rescan;
  bool json = false;
};

Result<void> WaitForLeadership(const PgLeader& leader) {
  const auto deadline = std::chrono::steady_clock::now() + kLeadershipWait;
  Mutex mutex;  // nobody wakes it: a look at the leadership now and then
  CondVar look;
  MutexLock lock(mutex);
  while (!leader.leads()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return FailedPrecondition(
          "a coordinator is at work on this database: stop all of them first");
    }
    look.WaitFor(mutex, kLookInterval);
  }
  return {};
}

Result<cli::ExitCode> Run(Options options) {
  options.index.cache = options.cache;
  options.rescan.caller = {.who = cli::UserAtHost(), .peer = "this machine"};
  HNX_ASSIGN_OR_RETURN(const IndexSource source, IndexSource::Open(options.index));
  HNX_ASSIGN_OR_RETURN(const Database database, OpenDatabase(options.database, options.data));
  HNX_TRY(Migrate(database.uri));
  PgPool pool(database.uri);
  PgLeader leader(pool, fmt::format("rescan-{}-{:08x}", ::getpid(), std::random_device{}()));
  LeaderService leadership(leader);
  leadership.Start();
  HNX_TRY(WaitForLeadership(leader));

  cli::ProgressDisplay display(cli::ChooseProgressMode(options.json, STDERR_FILENO), std::cerr,
                               [] { return cli::TerminalWidth(STDERR_FILENO); });
  options.rescan.progress = [&](const std::string& what, std::uint64_t done) {
    cli::ProgressBar bar;
    bar.label = what;
    bar.done = done;
    display.Update({bar});
  };
  auto report = RunRescan(source.view(), pool, leader, options.rescan);
  display.Finish();
  leadership.Stop();
  leader.Resign();
  if (!report) {
    return report.error();
  }
  if (options.json) {
    std::cout << cli::JsonLine(RescanJson(*report)) << '\n' << std::flush;
  } else {
    PrintRescan(*report, std::cout);
  }
  return LeftOut(*report) ? cli::ExitCode::kPartial : cli::ExitCode::kOk;
}

}  // namespace

void AddRescanCommand(cli::Program& program) {
  auto options = std::make_shared<Options>();
  options->rescan.trusted_public_keys = {std::string(nix::kNixosCacheKey)};
  CLI::App& command = program.AddCommand(
      "rescan",
      "Fill an empty or an older database from the mirror's index drive, with nothing downloaded",
      [options] {
        const auto code = Run(*options);
        if (!code) {
          fmt::print(stderr, "coordinator rescan: {}\n", code.error().message);
          return cli::ExitCodeOf(code.error());
        }
        return *code;
      },
      "coordinator rescan --index /srv/index/drives/INDEX_ID --data /var/lib/hypercore-nixos\n"
      "coordinator rescan --mirror hyper://KEY --peer gateway.example:4711 --dry-run\n"
      "coordinator rescan --merge --index /srv/index/drives --mirror hyper://KEY",
      cli::kLongExits);
  cli::AddOption(command, "--index", options->index.folder,
                 "Folder of the index drive, or with --mirror one that holds it as <id>");
  cli::AddOption(command, "--mirror", options->index.mirror, "The mirror, hyper://KEY");
  cli::AddOption(command, "--peer", options->index.peers,
                 "Fetch the index from this peer, HOST:PORT; may be given several times");
  cli::AddOption(command, "--cache", options->cache,
                 "Where an index from peers is kept; not needed afterwards");
  cli::AddOption(command, "--data", options->data, "Directory with the private database");
  cli::AddOption(command, "--database", options->database,
                 "PostgreSQL to fill (postgresql://...); without it the private one below --data");
  cli::AddOption(command, "--upstream", options->rescan.upstreams,
                 "As in `coordinator serve`, in the same order; none: those that the index names");
  cli::AddOption(
      command, "--trusted-public-keys", options->rescan.trusted_public_keys,
      "Keys whose signatures are believed, NAME:BASE64; may be given several times. What "
      "none of them has signed is left out and named");
  cli::AddFlag(command, "--accept-unsigned-content-addressed",
               options->rescan.accept_unsigned_content_addressed,
               "Believe content-addressed paths without a signature, by their content address");
  cli::AddOption(command, "--max-missing", options->rescan.fill.max_missing,
                 "As in `coordinator serve`, for the releases that are found");
  cli::AddFlag(command, "--merge", options->rescan.merge,
               "Bring a database that came back from an older copy up to what the index says");
  cli::AddFlag(command, "--dry-run", options->rescan.dry_run,
               "Read and check everything, and change nothing");
  cli::AddFlag(command, "--json", options->json, "Write JSON");
}

}  // namespace hnx::coordinator
