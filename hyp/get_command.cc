// hyp get
#include <filesystem>
#include <iostream>
#include <memory>
#include <system_error>

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/option.h"
#include "cli/units.h"
#include "hyp/address.h"
#include "hyp/commands.h"
#include "hyp/drive_source.h"
#include "hyp/link_resolver.h"

namespace hnx::hyp {

namespace {

namespace fs = std::filesystem;

struct GetOptions {
  DriveSource source;
  std::string address;
  std::string destination;
};

struct Counts {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t left_out = 0;
};

// Writes beside the destination and renames, so that what bears the name is whole.
Result<void> WriteFile(const mirror::MirrorFile& file, bool executable, const fs::path& path) {
  std::error_code error;
  if (path.has_parent_path()) {
    fs::create_directories(path.parent_path(), error);
    if (error) {
      return Unavailable(
          fmt::format("create folder {}: {}", path.parent_path().string(), error.message()));
    }
  }
  const fs::path temporary = path.string() + fmt::format(".part-{}", ::getpid());
  constexpr unsigned kModeFile = 0644;
  constexpr unsigned kModeExecutable = 0755;
  HNX_ASSIGN_OR_RETURN(const UniqueFd out,
                       OpenFile(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                                executable ? kModeExecutable : kModeFile));
  std::uint64_t at = 0;
  auto written =
      file.drive->ReadBlob(file.blob, 0, file.size_bytes(), [&](ByteView piece) -> Result<void> {
        HNX_TRY(WriteAt(out.get(), at, piece));
        at += piece.size();
        return {};
      });
  if (written) {
    fs::rename(temporary, path, error);
    if (!error) {
      return {};
    }
    written = Unavailable(fmt::format("rename to {}: {}", path.string(), error.message()));
  }
  fs::remove(temporary, error);
  return written;
}

Result<void> GetOne(const mirror::MirrorFile& file, bool executable, const fs::path& path,
                    Counts& counts) {
  HNX_TRY(WriteFile(file, executable, path));
  ++counts.files;
  counts.bytes += file.size_bytes();
  return {};
}

// Everything below the folder, into `destination`.
Result<void> GetFolder(const mirror::MirrorView& mirror, const Address& address,
                       const fs::path& destination, Counts& counts) {
  HNX_ASSIGN_OR_RETURN(const auto list, mirror.index_view()->List(address.path));
  while (true) {
    HNX_ASSIGN_OR_RETURN(const auto entry, list->Next());
    if (!entry) {
      return {};
    }
    if (!IsNormalPath(entry->path)) {
      ++counts.left_out;
      continue;
    }
    HNX_ASSIGN_OR_RETURN(const auto file, FindFile(mirror, entry->path));
    if (!file) {
      ++counts.left_out;
      continue;
    }
    const std::string below = entry->path.substr(address.path.size() + 1);
    HNX_TRY(GetOne(*file, entry->executable, destination / below, counts));
  }
}

Result<cli::ExitCode> Get(const GetOptions& options) {
  HNX_ASSIGN_OR_RETURN(const Address address, Address::Parse(options.address));
  HNX_ASSIGN_OR_RETURN(const auto mirror, options.source.Open(address.key));
  const auto view = mirror->view();
  const fs::path last =
      address.path.empty() ? fs::path(address.key.id()) : fs::path(address.path).filename();
  const fs::path destination = options.destination.empty() ? last : fs::path(options.destination);
  Counts counts;
  if (!address.path.empty()) {
    HNX_ASSIGN_OR_RETURN(const auto file, FindFile(*view, address.path));
    if (file) {
      HNX_ASSIGN_OR_RETURN(const auto entry, view->index_view()->Entry(address.path));
      const bool into_folder = !options.destination.empty() && fs::is_directory(destination);
      HNX_TRY(GetOne(*file, entry && entry->executable,
                     into_folder ? destination / last : destination, counts));
      return cli::ExitCode::kOk;
    }
  }
  HNX_TRY(GetFolder(*view, address, destination, counts));
  if (counts.files == 0 && counts.left_out == 0 && !address.path.empty()) {
    return NotFound(fmt::format("there is nothing at {} in {}", address.path, address.root()));
  }
  std::cerr << fmt::format("{} files, {}, in {}\n", counts.files, cli::FormatBytes(counts.bytes),
                           destination.string());
  if (counts.left_out > 0) {
    std::cerr << fmt::format(
        "{} entries left out: links that lead nowhere, or into shards that are not here\n",
        counts.left_out);
    return cli::ExitCode::kPartial;
  }
  return cli::ExitCode::kOk;
}

}  // namespace

void AddGetCommand(cli::Program& program) {
  auto options = std::make_shared<GetOptions>();
  CLI::App& command = program.AddCommand(
      "get",
      "Copy a file, or all below a folder, out of a drive. Each block is verified first; a file "
      "gets\n"
      "its name when it is whole. Links of a mirror become the files they lead to.",
      [options] {
        const auto done = Get(*options);
        return done ? *done : Fail(done.error());
      },
      "hyp get hyper://KEY/README.txt\nhyp get hyper://KEY/nar nars");
  command.add_option("address", options->address, "hyper://KEY/path")->required();
  command.add_option("destination", options->destination,
                     "File or folder to write; by default the last part of the path, here");
  options->source.AddTo(command);
}

}  // namespace hnx::hyp
