// import: a folder in the layout of a binary cache becomes part of the mirror, verified like an
// upstream, with nothing fetched. The roots are all its narinfos.
#include <filesystem>
#include <fstream>
#include <memory>
#include <system_error>

#include <fmt/format.h>

#include "cli/option.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/selection.h"
#include "coordinator/cli/submit_and_follow.h"

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
  FillRootOptions(options.selection, submission);
  return SubmitAndFollow(options.client, submission, list, options.wait);
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
      "coordinator import --from-dir /srv/cache --wait", cli::kLongExits);
  cli::AddOption(
      command, "--from-dir", options->from_dir,
      "The folder, readable under this path by the coordinator and by workers that were started "
      "with --import-dir")
      ->required();
  cli::AddOption(command, "--name", options->selection.list_name,
                 "What it is called under /channels/");
  AddRootOptions(command, options->selection);
  cli::AddFlag(command, "--wait", options->wait,
               "Show the progress and return when the import is settled");
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
