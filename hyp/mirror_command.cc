// hyp mirror
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
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
#include "hyp/drive_source.h"
#include "hyp/findings.h"
#include "hyp/folder_lock.h"
#include "hyp/link_resolver.h"
#include "hyp/selection.h"
#include "hyp/stop_watch.h"
#include "hyp/target_folder.h"
#include "hyp/tree_copy.h"
#include "mirror/drive_link.h"
#include "mirror/index_layout.h"

namespace hnx::hyp {

namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kFollowInterval{500};
constexpr unsigned kThreadsMax = 256;
// Our own folder in the target: records, temporary names, and what is fetched on its way there.
constexpr const char* kWorkFolder = ".hyp";

struct MirrorOptions {
  DriveSource source;
  std::string address;
  std::string directory;
  std::string store;  // empty: what was fetched is given back once it is a file
  SelectionOptions selection;
  unsigned threads = 16;
  bool follow = false;
  bool json = false;
};

class Mirroring {
 public:
  Mirroring(const MirrorOptions& options, Address address)
      : options_(options),
        address_(std::move(address)),
        progress_(cli::ChooseProgressMode(options.json, STDERR_FILENO), std::cerr,
                  [] { return cli::TerminalWidth(STDERR_FILENO); }) {}

  Result<cli::ExitCode> Run();

 private:
  Result<void> Prepare();
  Result<void> CopyOnce();
  Result<void> CopyShards(const Selection& selection);
  Result<void> CopyDrive(const TreeCopyPart& part);
  Result<void> FetchEntries(const hyper::DriveKey& key);
  fs::path Record(const hyper::DriveKey& key, const char* suffix = "") const {
    return work_ / (key.id() + suffix);
  }
  void Tick();
  cli::ExitCode Report();

  const MirrorOptions& options_;
  const Address address_;
  const fs::path directory_{options_.directory};
  const fs::path work_{directory_ / kWorkFolder};
  cli::ProgressDisplay progress_;
  StopWatch stop_;
  std::optional<FolderLock> lock_;
  UniqueFd parts_;
  std::unique_ptr<OpenedMirror> mirror_;
  std::shared_ptr<const mirror::MirrorView> view_;
  std::unique_ptr<Findings> left_out_ = std::make_unique<Findings>();
  CopyCounts counts_;
  std::unique_ptr<TreeCopy> copy_;
};

Result<void> Mirroring::Prepare() {
  HNX_TRY(MakeFolders(directory_));
  HNX_ASSIGN_OR_RETURN(
      lock_, FolderLock::Take(directory_, kWorkFolder, "another hyp mirrors into the folder"));
  std::error_code ignored;
  fs::remove_all(work_ / "parts", ignored);  // of a run that was killed
  HNX_TRY(MakeFolders(work_ / "parts"));
  HNX_ASSIGN_OR_RETURN(parts_, OpenFile(work_ / "parts", O_RDONLY | O_DIRECTORY));
  const bool keep = !options_.store.empty();
  HNX_ASSIGN_OR_RETURN(
      mirror_, options_.source.Open(address_.key, {stop_.cancellation(),
                                                   keep ? fs::path(options_.store) : work_, keep}));
  copy_ = std::make_unique<TreeCopy>(*mirror_, *left_out_, counts_,
                                     std::min(options_.threads, kThreadsMax), stop_.cancellation(),
                                     [this] { Tick(); });
  return {};
}

void Mirroring::Tick() {
  progress_.Update({{"entries", counts_.looked_at, 0, cli::ProgressUnit::kCount, ""},
                    {"files", counts_.files, 0, cli::ProgressUnit::kCount, ""},
                    {"bytes", counts_.bytes, 0, cli::ProgressUnit::kBytes, ""}});
}

Result<void> Mirroring::FetchEntries(const hyper::DriveKey& key) {
  return mirror_->FetchEntries(key, [&](std::uint64_t held, std::uint64_t total) {
    progress_.Update(
        {{"list of " + key.id().substr(0, 8), held, total, cli::ProgressUnit::kCount, ""}});
  });
}

Result<void> Mirroring::CopyDrive(const TreeCopyPart& part) {
  HNX_ASSIGN_OR_RETURN(const TargetFolder target,
                       TargetFolder::OpenOrCreate(directory_, part.drive->key().id(), parts_));
  return copy_->Run(part, target);
}

Result<void> Mirroring::CopyShards(const Selection& selection) {
  for (const mirror::MirrorShard& shard : view_->mirror_json()->shards) {
    if (shard.key == address_.key) {
      left_out_->Add(fmt::format("the mirror lists itself as a shard, {}", shard.key.id()));
      continue;
    }
    const auto fetched = FetchEntries(shard.key);
    if (!fetched && IsNobodyThere(fetched.error())) {
      if (shard.length > 0) {  // else it is empty: there is nothing that anybody could give
        left_out_->Add(fmt::format("shard {}: {}", shard.key.id(), fetched.error().message));
      }
      continue;
    }
    HNX_TRY(fetched);
    HNX_ASSIGN_OR_RETURN(const auto newest, view_->shard_view(shard.key));
    if (newest == nullptr) {
      left_out_->Add(fmt::format("shard {}: it is in none of the folders given", shard.key.id()));
      continue;
    }
    HNX_TRY(CopyDrive(
        {newest,
         "/",
         [&](const hyper::DriveEntry& entry) { return selection.TakesOfShard(entry.path); },
         {},
         Record(shard.key)}));
  }
  return {};
}

// Shards, then links, then narinfos: whoever looks in meanwhile finds each NAR that a narinfo
// names.
Result<void> Mirroring::CopyOnce() {
  view_ = mirror_->view();
  HNX_TRY(FetchEntries(address_.key));
  HNX_ASSIGN_OR_RETURN(const Selection selection, Selection::Make(*view_, options_.selection));
  const std::string nar_prefix = mirror::NarPath("");
  HNX_TRY(CopyShards(selection));
  const auto is_good_link = [this](const hyper::DriveEntry& entry) {
    const auto link = mirror::DriveLink::Parse(entry.path, *entry.linkname);
    return link && view_->IsListed(link->shard) && link->shard != address_.key;
  };
  HNX_TRY(
      CopyDrive({view_->index_view(), std::string(mirror::kNarFolder),
                 [&](const hyper::DriveEntry& entry) { return selection.TakesOfIndex(entry.path); },
                 is_good_link, Record(address_.key, ".nar")}));
  return CopyDrive({view_->index_view(),
                    "/",
                    [&](const hyper::DriveEntry& entry) {
                      return !entry.path.starts_with(nar_prefix) &&
                             selection.TakesOfIndex(entry.path);
                    },
                    {},
                    Record(address_.key)});
}

cli::ExitCode Mirroring::Report() {
  const std::vector<std::string> left_out = left_out_->kept();
  if (options_.json) {
    std::cout << cli::JsonLine({{"address", address_.root()},
                                {"folder", directory_.string()},
                                {"version", view_->index_version()},
                                {"files", counts_.files.load()},
                                {"bytes", counts_.bytes.load()},
                                {"unchanged", counts_.unchanged.load()},
                                {"removed", counts_.removed.load()},
                                {"leftOut", left_out},
                                {"leftOutTotal", left_out_->total()}})
              << '\n'
              << std::flush;
  } else {
    for (const std::string& entry : left_out) {
      std::cout << "left out: " << cli::Printable(entry) << '\n';
    }
    if (left_out_->total() > left_out.size()) {
      std::cout << fmt::format("left out: {} more\n", left_out_->total() - left_out.size());
    }
    std::cout << fmt::format("{} version {} in {}: {} files written, {}; {} unchanged, {} removed",
                             address_.root(), view_->index_version(), directory_.string(),
                             counts_.files.load(), cli::FormatBytes(counts_.bytes),
                             counts_.unchanged.load(), counts_.removed.load())
              << '\n'
              << std::flush;
  }
  return left_out_->total() == 0 ? cli::ExitCode::kOk : cli::ExitCode::kPartial;
}

Result<cli::ExitCode> Mirroring::Run() {
  HNX_TRY(Prepare());
  HNX_TRY(CopyOnce());
  progress_.Finish();
  cli::ExitCode code = Report();
  while (options_.follow && !stop_.WaitFor(kFollowInterval)) {
    HNX_ASSIGN_OR_RETURN(const bool moved, mirror_->Refresh());
    if (!moved) {
      continue;
    }
    counts_.looked_at = counts_.files = counts_.bytes = counts_.unchanged = counts_.removed = 0;
    left_out_->Clear();
    const auto copied = CopyOnce();
    progress_.Finish();
    if (copied) {
      code = Report();
    } else if (copied.error().code == ErrorCode::kDeadlineExceeded) {
      progress_.Message(cli::Printable("tried again later: " + copied.error().message));
    } else if (copied.error().code != ErrorCode::kCancelled) {
      return copied.error();
    }
  }
  return code;
}

Result<cli::ExitCode> RunMirror(const MirrorOptions& options) {
  HNX_ASSIGN_OR_RETURN(Address address, Address::Parse(options.address));
  if (!address.path.empty()) {
    return InvalidArgument(
        "hyp mirror takes a whole drive, hyper://KEY; part of one by --release or --match, or one "
        "folder with hyp get");
  }
  return Mirroring(options, std::move(address)).Run();
}

}  // namespace

void AddMirrorCommand(cli::Program& program) {
  auto options = std::make_shared<MirrorOptions>();
  CLI::App& command = program.AddCommand(
      "mirror",
      "Copy a mirror into a folder: its index to DIR/<id>, each shard to DIR/<id>, so that the "
      "links\n"
      "between them resolve and a web server can serve DIR/<id of the index> to Nix. Each block "
      "is\n"
      "verified first. Run again, it copies what is new and goes on where it was stopped. It "
      "removes\n"
      "what it wrote itself and is gone from the drive, and nothing else; DIR/.hyp tells it what "
      "that\n"
      "is.",
      [options] {
        const auto done = RunMirror(*options);
        return done ? *done : Fail(done.error());
      },
      "hyp mirror hyper://KEY /srv/mirror\n"
      "hyp mirror hyper://KEY /srv/mirror --release nixos-25.11 --follow\n"
      "hyp mirror hyper://KEY DIR --match '-firefox-[0-9]' --peer mirror.example:4711",
      cli::kLongExits);
  command.add_option("address", options->address, "hyper://KEY")->required();
  command.add_option("directory", options->directory, "Folder to copy into; made when missing")
      ->required();
  options->source.AddTo(command);
  cli::AddOption(command, "--release", options->selection.release,
                 "Only the files of one release: CHANNEL/RELEASE, or CHANNEL for its newest");
  cli::AddOption(command, "--match", options->selection.match,
                 "Only store paths whose HASH-NAME matches this regular expression, with all that "
                 "they refer to; of a drive that is no mirror, files by their path");
  cli::AddOption(command, "--store", options->store,
                 "Keep what is fetched as drives too, in this folder, for hyp seed --data; takes "
                 "the same room again. By default it is given back once it is a file");
  cli::AddFlag(command, "--follow", options->follow,
               "Stay, and copy what is added, until a signal comes");
  cli::AddOption(command, "--threads", options->threads, "Files that are copied at once");
  cli::AddFlag(command, "--json", options->json, "Print one JSON object each time all is there");
}

}  // namespace hnx::hyp
