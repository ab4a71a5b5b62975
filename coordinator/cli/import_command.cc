// import: a folder in the layout of a binary cache becomes part of the mirror, verified like an
// upstream, with nothing fetched. The roots are all its narinfos.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <system_error>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "cli/option.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/release_text.h"
#include "coordinator/cli/release_watch.h"
#include "coordinator/cli/selection.h"

namespace hnx::coordinator {
namespace {

namespace fs = std::filesystem;

struct ImportOptions {
  ClientOptions client;
  Selection selection;
  std::string from_dir;
  bool wait = false;
};

// The line's value in a narinfo; the coordinator checks everything else.
Result<std::string> StorePathOf(const fs::path& narinfo) {
  constexpr std::string_view kField = "StorePath: ";
  constexpr std::size_t kLineMax = 4096;
  constexpr int kLinesMax = 100;
  std::ifstream file(narinfo, std::ios::binary);
  std::string line;
  for (int i = 0; i < kLinesMax && std::getline(file, line) && line.size() < kLineMax; ++i) {
    if (line.starts_with(kField)) {
      return line.substr(kField.size());
    }
  }
  return InvalidArgument(
      fmt::format("read {}: no StorePath in it; remove the file or mend it", narinfo.string()));
}

// The store paths of all narinfos, some at a time.
Result<ListSource> ListFolder(const std::string& directory) {
  constexpr int kPathsPerPiece = 1'000;
  std::error_code error;
  auto entries = std::make_shared<fs::directory_iterator>(directory, error);
  if (error) {
    return InvalidArgument(fmt::format("open {}: {}", directory, error.message()));
  }
  return ListSource([entries](std::string& piece) -> Result<bool> {
    piece.clear();
    std::error_code next_error;
    for (int i = 0; i < kPathsPerPiece && *entries != fs::directory_iterator();) {
      const fs::path path = (*entries)->path();
      entries->increment(next_error);
      if (next_error) {
        return Unavailable("read the folder: " + next_error.message());
      }
      if (path.extension() != ".narinfo") {
        continue;
      }
      HNX_ASSIGN_OR_RETURN(const std::string store_path, StorePathOf(path));
      piece += store_path + "\n";
      ++i;
    }
    return !piece.empty();
  });
}

Result<cli::ExitCode> Import(const ImportOptions& options) {
  std::error_code error;
  const fs::path directory = fs::canonical(options.from_dir, error);
  if (error || !fs::exists(directory / "nix-cache-info", error)) {
    return InvalidArgument(fmt::format(
        "open {}: not a folder in binary-cache layout (no nix-cache-info)", options.from_dir));
  }
  HNX_ASSIGN_OR_RETURN(const ListSource list, ListFolder(directory.string()));
  pb::Submission submission;
  submission.set_from_dir(directory.string());
  submission.set_list_name(options.selection.list_name);
  submission.mutable_match()->Assign(options.selection.match.begin(),
                                     options.selection.match.end());
  submission.mutable_exclude()->Assign(options.selection.exclude.begin(),
                                       options.selection.exclude.end());
  submission.set_force(options.selection.force);
  submission.set_max_missing(options.selection.max_missing);
  submission.set_priority(options.selection.priority);
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  HNX_ASSIGN_OR_RETURN(const pb::SubmitResponse response, client.Submit(submission, list));
  if (!options.wait) {
    std::cout << (options.client.json
                      ? cli::JsonLine({{"release_id", response.release_id()}})
                      : fmt::format("Release {} is queued. Follow it with `coordinator watch "
                                    "--release {}`.",
                                    response.release_id(), response.release_id()))
              << '\n';
    return cli::ExitCode::kOk;
  }
  HNX_ASSIGN_OR_RETURN(const pb::Release release,
                       WatchRelease(client, options.client, response.release_id(), false));
  if (!options.client.json) {
    std::cout << Summary(release) << '\n';
  }
  return ExitCodeOf(release);
}

}  // namespace

void AddImportCommand(cli::Program& program) {
  auto options = std::make_shared<ImportOptions>();
  options->selection.list_name = "import";
  CLI::App& command = program.AddCommand(
      "import", "Adopt an existing binary-cache folder, verified like an upstream",
      [options] {
        const auto code = Import(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator import --from-dir /srv/cache --wait");
  cli::AddOption(command, "--from-dir", options->from_dir,
                 "The folder, readable under this path by coordinator and workers")
      ->required();
  cli::AddOption(command, "--name", options->selection.list_name,
                 "What it is called under /channels/");
  AddRootOptions(command, options->selection);
  cli::AddFlag(command, "--wait", options->wait,
               "Show the progress and return when the import is settled");
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
