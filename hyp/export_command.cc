// hyp export
#include <array>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

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
#include "hyp/stop_watch.h"
#include "hyp/store_export.h"

namespace hnx::hyp {

namespace {

// It asks nobody.
constexpr std::array kExportExits{cli::ExitCode::kOk, cli::ExitCode::kFailure,
                                  cli::ExitCode::kUsage, cli::ExitCode::kPartial,
                                  cli::ExitCode::kInterrupted};

struct ExportOptions {
  DriveFolders folders;
  std::string address;
  std::string store;
  bool without_shards = false;
  bool json = false;
};

nlohmann::ordered_json JsonOf(const ExportedDrive& drive) {
  return {{"drive", drive.key.hex()},
          {"id", drive.key.id()},
          {"shard", drive.is_shard},
          {"version", drive.version},
          {"blocks", drive.blocks},
          {"blocksWritten", drive.blocks_written},
          {"bytesWritten", drive.bytes_written},
          {"blocksNotHere", drive.blocks_not_here}};
}

void PrintExportJson(const ExportOptions& options, const Address& address,
                     const StoreExportReport& report) {
  auto drives = nlohmann::ordered_json::array();
  for (const ExportedDrive& drive : report.drives) {
    drives.push_back(JsonOf(drive));
  }
  std::cout << cli::JsonLine({{"address", address.root()},
                              {"store", options.store},
                              {"drives", std::move(drives)},
                              {"missingShards", report.missing_shards},
                              {"shardsUnknown", report.shards_unknown},
                              {"findings", report.findings},
                              {"findingsTotal", report.findings_total}})
            << '\n';
}

void PrintExportText(const ExportOptions& options, const StoreExportReport& report) {
  for (const std::string& finding : report.findings) {
    std::cout << "wrong: " << cli::Printable(finding) << '\n';
  }
  if (report.findings_total > report.findings.size()) {
    std::cout << fmt::format("wrong: {} more findings\n",
                             report.findings_total - report.findings.size());
  }
  for (const std::string& id : report.missing_shards) {
    std::cout << fmt::format("not here: shard {}; name its folder with --drives\n", id);
  }
  if (report.shards_unknown) {
    std::cout << "not here: mirror.json, which lists the shards\n";
  }
  for (const ExportedDrive& drive : report.drives) {
    std::cout << fmt::format("{} {} version {}: {} blocks, {} added",
                             drive.is_shard ? "shard" : "drive", drive.key.id(), drive.version,
                             cli::FormatCount(drive.blocks_written),
                             cli::FormatBytes(drive.bytes_written));
    if (drive.blocks_not_here > 0) {
      std::cout << fmt::format("; sparse: {} of {} blocks were not here",
                               cli::FormatCount(drive.blocks_not_here),
                               cli::FormatCount(drive.blocks));
    }
    std::cout << '\n';
  }
  std::cout << fmt::format(
      "{}: {}\n", options.store,
      report.findings_total > 0 ? "without what is DAMAGED above" : "complete, and safe on disk");
}

Result<cli::ExitCode> Export(const ExportOptions& options) {
  HNX_ASSIGN_OR_RETURN(const Address address, Address::Parse(options.address));
  if (!address.path.empty()) {
    return InvalidArgument("hyp export takes a whole drive, hyper://KEY");
  }
  const StopWatch stop;
  cli::ProgressDisplay progress(cli::ChooseProgressMode(options.json, STDERR_FILENO), std::cerr,
                                [] { return cli::TerminalWidth(STDERR_FILENO); });
  StoreExport run({options.folders, address.key, options.store, !options.without_shards},
                  [&](const hyper::DriveKey& drive, std::uint64_t bytes) {
                    progress.Update({{"exported", bytes, 0, cli::ProgressUnit::kBytes,
                                      "drive " + drive.id().substr(0, 8)}});
                    return !stop.cancellation()->cancelled();
                  });
  const auto report = run.Run();
  progress.Finish();
  if (!report) {
    return report.error();
  }
  if (options.json) {
    PrintExportJson(options, address, *report);
  } else {
    PrintExportText(options, *report);
  }
  if (report->findings_total > 0) {
    return cli::ExitCode::kFailure;
  }
  return report->missing_shards.empty() && !report->shards_unknown ? cli::ExitCode::kOk
                                                                   : cli::ExitCode::kPartial;
}

}  // namespace

void AddExportCommand(cli::Program& program) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App& command = program.AddCommand(
      "export",
      "Write a drive that lies in a folder of this machine into a store that today's JavaScript\n"
      "opens (corestore 7 with hyperdrive 13), to read and to serve. Of a mirror, its shards go\n"
      "into the same store. Every block is checked before it is written; what is damaged is named\n"
      "and left out. What a sparse copy lacks is lacking in the store, too.\n"
      "The same command again adds what is new, or goes on where one that was killed stopped.\n"
      "Secret keys are never exported: nobody can write to a drive through such a store.\n"
      "A drive that peers have: hyp import first. Exit code 3: a shard is not in the folders.",
      [options] {
        const auto done = Export(*options);
        return done ? *done : Fail(done.error());
      },
      "hyp export hyper://KEY --rocksdb /srv/store\n"
      "hyp export hyper://KEY --rocksdb /srv/store --drives /srv/drives",
      kExportExits);
  command.add_option("address", options->address, "hyper://KEY")->required();
  options->folders.AddTo(command);
  cli::AddOption(command, "--rocksdb", options->store,
                 "Folder of the store; new, empty, or an earlier export of the same drive")
      ->required();
  cli::AddFlag(command, "--without-shards", options->without_shards, "Of a mirror, only the index");
  cli::AddFlag(command, "--json", options->json, "Print one JSON object");
}

}  // namespace hnx::hyp
