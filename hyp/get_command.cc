// hyp get
#include <filesystem>
#include <iostream>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/core.h>

#include "cli/option.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "hyp/address.h"
#include "hyp/commands.h"
#include "hyp/drive_source.h"
#include "hyp/findings.h"
#include "hyp/link_resolver.h"
#include "hyp/target_folder.h"

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
  std::uint64_t no_file = 0;  // links that lead nowhere, or into shards that are not here
  Findings left_out;
};

// What the drive names is written below one folder, and nowhere else.
class Getter {
 public:
  static Result<std::unique_ptr<Getter>> Into(const fs::path& folder) {
    HNX_TRY(MakeFolders(folder));
    HNX_ASSIGN_OR_RETURN(PartsFolder made, PartsFolder::MakeIn(folder));
    auto parts = std::make_unique<PartsFolder>(std::move(made));
    HNX_ASSIGN_OR_RETURN(TargetFolder target, TargetFolder::Open(folder, parts->fd()));
    return std::unique_ptr<Getter>(new Getter(std::move(parts), std::move(target)));
  }

  // `path`: below the folder, "/a/b". kInvalidArgument: no path that a file can have;
  // kFailedPrecondition: something is in the way.
  Result<void> File(const mirror::MirrorFile& file, bool executable, std::string_view path,
                    Counts& counts) {
    HNX_ASSIGN_OR_RETURN(const TargetPath target, TargetPath::Parse(path));
    HNX_TRY(target_.WriteFile(target, executable, [&](const TargetFolder::Sink& sink) {
      return file.drive->ReadBlob(file.blob, 0, file.size_bytes(), sink);
    }));
    ++counts.files;
    counts.bytes += file.size_bytes();
    return {};
  }
  Result<void> Sync() { return target_.Sync(); }

 private:
  Getter(std::unique_ptr<PartsFolder> parts, TargetFolder target)
      : parts_(std::move(parts)), target_(std::move(target)) {}

  std::unique_ptr<PartsFolder> parts_;  // the target refers to it
  TargetFolder target_;
};

// Everything below the folder, into `destination`.
Result<void> GetFolder(const mirror::MirrorView& mirror, const Address& address,
                       const fs::path& destination, Counts& counts) {
  std::unique_ptr<Getter> getter;  // nothing is made for a folder that is not there
  HNX_ASSIGN_OR_RETURN(const auto list, mirror.index_view()->List(address.path));
  while (true) {
    HNX_ASSIGN_OR_RETURN(const auto entry, list->Next());
    if (!entry) {
      return getter != nullptr ? getter->Sync() : Result<void>();
    }
    if (!IsNormalPath(entry->path)) {
      counts.left_out.Add(entry->path + ": no path in normal form");
      continue;
    }
    HNX_ASSIGN_OR_RETURN(const auto file, FindFile(mirror, entry->path));
    if (!file) {
      ++counts.no_file;
      continue;
    }
    if (getter == nullptr) {
      HNX_ASSIGN_OR_RETURN(getter, Getter::Into(destination));
    }
    auto got = getter->File(*file, entry->executable,
                            std::string_view(entry->path).substr(address.path.size()), counts);
    if (!got && got.error().code != ErrorCode::kInvalidArgument &&
        got.error().code != ErrorCode::kFailedPrecondition) {
      return got;
    }
    if (!got) {
      counts.left_out.Add(got.error().message);
    }
  }
}

// One file, under the name that the user gave it.
Result<void> GetFile(const mirror::MirrorFile& file, bool executable, const fs::path& path,
                     Counts& counts) {
  HNX_ASSIGN_OR_RETURN(const auto getter,
                       Getter::Into(path.has_parent_path() ? path.parent_path() : "."));
  HNX_TRY(getter->File(file, executable, "/" + path.filename().string(), counts));
  return getter->Sync();
}

Result<cli::ExitCode> Report(const Address& address, const fs::path& destination,
                             const Counts& counts) {
  const std::uint64_t left_out = counts.left_out.total() + counts.no_file;
  if (counts.files == 0 && left_out == 0 && !address.path.empty()) {
    return NotFound(fmt::format("there is nothing at {} in {}", address.path, address.root()));
  }
  std::cerr << fmt::format("{} files, {}, in {}\n", counts.files, cli::FormatBytes(counts.bytes),
                           destination.string());
  const auto kept = counts.left_out.kept();
  for (const std::string& why : kept) {
    std::cerr << "left out: " << cli::Printable(why) << '\n';
  }
  if (counts.left_out.total() > kept.size()) {
    std::cerr << fmt::format("left out: {} more\n", counts.left_out.total() - kept.size());
  }
  if (counts.no_file > 0) {
    std::cerr << fmt::format(
        "{} entries left out: links that lead nowhere, or into shards that are not here\n",
        counts.no_file);
  }
  return left_out > 0 ? cli::ExitCode::kPartial : cli::ExitCode::kOk;
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
      HNX_TRY(GetFile(*file, entry && entry->executable,
                      into_folder ? destination / last : destination, counts));
      return cli::ExitCode::kOk;
    }
  }
  HNX_TRY(GetFolder(*view, address, destination, counts));
  return Report(address, destination, counts);
}

}  // namespace

void AddGetCommand(cli::Program& program) {
  auto options = std::make_shared<GetOptions>();
  CLI::App& command = program.AddCommand(
      "get",
      "Copy a file, or all below a folder, out of a drive. Each block is verified first; a file "
      "gets\n"
      "its name when it is whole. Links of a mirror become the files they lead to. Nothing is "
      "written\n"
      "outside the destination, whatever the drive says: links that lie in it are not followed, "
      "and\n"
      "what cannot be written for that is left out and named (exit code 3).",
      [options] {
        const auto done = Get(*options);
        return done ? *done : Fail(done.error());
      },
      "hyp get hyper://KEY/README.txt\nhyp get hyper://KEY/nar nars", cli::kLongExits);
  command.add_option("address", options->address, "hyper://KEY/path")->required();
  command.add_option("destination", options->destination,
                     "File or folder to write; by default the last part of the path, here");
  options->source.AddTo(command);
}

}  // namespace hnx::hyp
