// hyp import
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "hyp/address.h"
#include "hyp/commands.h"
#include "hyp/drive_import.h"
#include "hyp/peer_access.h"
#include "hyp/peer_options.h"
#include "hyp/stop_watch.h"

namespace hnx::hyp {

namespace {

struct ImportOptions {
  PeerOptions peers;
  std::string address;
  std::string directory;
  bool json = false;
};

std::vector<cli::ProgressBar> Bars(const std::vector<HeldDrive>& drives) {
  std::vector<cli::ProgressBar> bars;
  bars.reserve(drives.size());
  for (const HeldDrive& drive : drives) {
    bars.push_back({drive.key.id().substr(0, 8), drive.blocks_held, drive.blocks_total,
                    cli::ProgressUnit::kCount, fmt::format("{} peers", drive.peers)});
  }
  return bars;
}

void PrintImportJson(const ImportOptions& options, const Address& address,
                     const ImportReport& report) {
  auto drives = nlohmann::ordered_json::array();
  for (const HeldDrive& drive : report.drives) {
    drives.push_back({{"drive", drive.key.hex()},
                      {"id", drive.key.id()},
                      {"shard", drive.is_shard},
                      {"version", drive.version},
                      {"blocks", drive.blocks_total},
                      {"bytes", drive.bytes_held},
                      {"bytesFetched", drive.bytes_fetched},
                      {"whole", drive.whole()}});
  }
  std::cout << cli::JsonLine({{"address", address.root()},
                              {"folder", options.directory},
                              {"drives", std::move(drives)},
                              {"missing", report.missing}})
            << '\n';
}

void PrintImportText(const ImportReport& report) {
  for (const HeldDrive& drive : report.drives) {
    std::cout << fmt::format(
        "{} {} version {}, {}{}\n", drive.is_shard ? "shard" : "drive", drive.key.id(),
        drive.version, cli::FormatBytes(drive.bytes_held),
        drive.whole() ? "" : "; nobody gave all blocks of what was deleted before that version");
  }
  for (const std::string& missing : report.missing) {
    std::cout << "not all here: " << cli::Printable(missing) << '\n';
  }
}

Result<cli::ExitCode> Import(const ImportOptions& options) {
  HNX_ASSIGN_OR_RETURN(const Address address, Address::Parse(options.address));
  if (!address.path.empty()) {
    return InvalidArgument("hyp import takes a whole drive, hyper://KEY");
  }
  if (options.peers.wants_nobody()) {
    return InvalidArgument("nobody could be asked: --swarm is off, and no --peer is given");
  }
  StopWatch stop;
  cli::ProgressDisplay progress(cli::ChooseProgressMode(options.json, STDERR_FILENO), std::cerr,
                                [] { return cli::TerminalWidth(STDERR_FILENO); });
  HNX_ASSIGN_OR_RETURN(const auto access, PeerAccess::Start(options.peers, {}));
  DriveImport run(
      access->node(), stop, {address.key, options.directory, options.peers.timeout},
      [&progress](const std::vector<HeldDrive>& drives) { progress.Update(Bars(drives)); });
  const auto report = run.Run();
  progress.Finish();
  if (!report) {
    return report.error();
  }
  if (options.json) {
    PrintImportJson(options, address, *report);
  } else {
    PrintImportText(*report);
  }
  return report->missing.empty() ? cli::ExitCode::kOk : cli::ExitCode::kPartial;
}

}  // namespace

void AddImportCommand(cli::Program& program) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App& command = program.AddCommand(
      "import",
      "Fetch a whole drive from peers into DIR/<id>, all blocks of it, under its own key; of a\n"
      "mirror, each shard into a folder beside it. DIR can then be given to --drives, to a "
      "gateway\n"
      "and to hyp seed, and JavaScript's corestore 6 opens DIR/<id>. Blocks are verified before\n"
      "they are kept. The same command again fetches what is new, or goes on where one that was\n"
      "killed stopped. Exit code 3: of some drive not every file could be had.",
      [options] {
        const auto done = Import(*options);
        return done ? *done : Fail(done.error());
      },
      "hyp import hyper://KEY /srv/drives\n"
      "hyp import hyper://KEY /srv/drives --peer peer.example:4711",
      cli::kLongExits);
  command.add_option("address", options->address, "hyper://KEY")->required();
  command.add_option("directory", options->directory, "Folder for the drives; made when missing")
      ->required();
  options->peers.AddTo(command);
  cli::AddFlag(command, "--json", options->json, "Print one JSON object");
}

}  // namespace hnx::hyp
