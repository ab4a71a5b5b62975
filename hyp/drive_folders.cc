#include "hyp/drive_folders.h"

#include <system_error>

#include <fmt/format.h>

#include "cli/option.h"

namespace hnx::hyp {

void DriveFolders::AddTo(CLI::App& command) {
  cli::AddOption(command, "--drives", directories,
                 "Folder that holds drives, one folder each by its id; may be given several times");
}

Result<std::filesystem::path> DriveFolders::Find(const hyper::DriveKey& key) const {
  for (const std::string& directory : directories) {
    const std::filesystem::path folder = std::filesystem::path(directory) / key.id();
    std::error_code ignored;
    if (std::filesystem::is_directory(folder, ignored)) {
      return folder;
    }
  }
  return NotFound(fmt::format("drive {} is not in {}; name its folder with --drives DIR", key.id(),
                              fmt::join(directories, ", ")));
}

Result<std::unique_ptr<mirror::MirrorReader>> DriveFolders::Open(const hyper::DriveKey& key) const {
  HNX_TRY(Find(key));
  mirror::MirrorReaderOptions options{.directory = directories.front(), .index_key = key};
  options.further_directories.assign(directories.begin() + 1, directories.end());
  return mirror::MirrorReader::Open(std::move(options));
}

}  // namespace hnx::hyp
