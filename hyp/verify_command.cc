// hyp verify
#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <thread>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/bounded_queue.h"
#include "base/mutex.h"
#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "hyp/address.h"
#include "hyp/commands.h"
#include "hyp/drive_source.h"
#include "hyp/findings.h"
#include "hyp/link_resolver.h"
#include "hyp/nar_audit.h"
#include "hyp/release_audit.h"
#include "hyper/drive/find_drive.h"
#include "mirror/index_layout.h"
#include "nix/trusted_keys.h"

namespace hnx::hyp {

namespace {

// narinfos that wait for a thread.
constexpr std::size_t kQueuedNarInfosMax = 256;
constexpr std::chrono::milliseconds kProgressInterval{200};

struct VerifyOptions {
  DriveSource source;
  std::string address;
  std::vector<std::string> trusted_public_keys;  // empty: those that the mirror names
  unsigned threads = 0;
  bool skip_nars = false;
  std::string release;  // empty: none
  bool json = false;
};

unsigned ThreadCount(const VerifyOptions& options) {
  return options.threads > 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
}

// Runs `work` on `count` threads, and `tick` on this one now and then, until all are done.
void RunOnThreads(unsigned count, const std::function<void()>& work,
                  const std::function<void()>& tick) {
  Mutex mutex;
  CondVar changed;
  unsigned running = count;
  std::vector<std::jthread> threads;
  threads.reserve(count);
  for (unsigned i = 0; i < count; ++i) {
    threads.emplace_back([&] {
      work();
      const MutexLock lock(mutex);
      --running;
      changed.NotifyOne();
    });
  }
  while (true) {
    {
      const MutexLock lock(mutex);
      if (running == 0) {
        break;
      }
      changed.WaitFor(mutex, kProgressInterval);
      if (running == 0) {
        break;
      }
    }
    tick();
  }
}

class Verification {
 public:
  Verification(const VerifyOptions& options, Address address, nix::TrustedKeys keys)
      : options_(options),
        address_(std::move(address)),
        keys_(std::move(keys)),
        progress_(cli::ChooseProgressMode(false, STDERR_FILENO), std::cerr,
                  [] { return cli::TerminalWidth(STDERR_FILENO); }) {}

  cli::ExitCode Run();

 private:
  // The drives of the mirror that are in our folders; the others are noted.
  void ListDrives(const mirror::MirrorReader* mirror);
  cli::ExitCode RunFromAfar();
  // Reads every file of the drive that no narinfo vouches for; from afar, each block is checked
  // when it comes.
  Result<void> ReadFiles(const mirror::MirrorView& mirror);
  void CheckDrives();
  void CheckDrive(const hyper::DriveKey& key);
  void CheckNars(const mirror::MirrorView& mirror);
  // Without keys from the user: those that the mirror names, which is said.
  Result<void> ChooseKeys(const mirror::MirrorView& mirror);
  void CheckRelease(const mirror::MirrorView& mirror);
  Result<void> QueueNarInfos(const mirror::MirrorView& mirror, BoundedQueue<std::string>& queue);
  cli::ExitCode Report(const NarAudit* nars);

  const VerifyOptions& options_;
  const Address address_;
  nix::TrustedKeys keys_;
  cli::ProgressDisplay progress_;
  Findings findings_;
  std::vector<hyper::DriveKey> drives_;
  std::vector<std::string> missing_shards_;
  std::uint64_t bytes_total_ = 0;
  std::atomic<std::uint64_t> blocks_{0};
  std::atomic<std::uint64_t> blocks_cleared_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::unique_ptr<OpenedMirror> far_;  // none: the drive is in our folders
  std::unique_ptr<NarAudit> nars_;
  std::unique_ptr<ReleaseAudit> release_;
};

cli::ExitCode Verification::Run() {
  if (!options_.source.folders.Find(address_.key)) {
    return RunFromAfar();
  }
  auto mirror = options_.source.folders.Open(address_.key);
  if (!mirror) {  // the audit below says why, file and place
    findings_.Add(fmt::format("drive {}: {}", address_.key.id(), mirror.error().message));
  }
  ListDrives(mirror ? mirror->get() : nullptr);
  CheckDrives();
  if (mirror && !options_.skip_nars && *(*mirror)->mirror_json() != mirror::MirrorJson{}) {
    CheckNars(**mirror);
  }
  if (mirror && !options_.release.empty()) {
    CheckRelease(**mirror);
  }
  progress_.Finish();
  return Report(nars_.get());
}

cli::ExitCode Verification::RunFromAfar() {
  auto opened = options_.source.Open(address_.key);
  if (!opened) {
    return Fail(opened.error());
  }
  far_ = *std::move(opened);
  const auto view = far_->view();
  drives_.push_back(address_.key);
  const auto entries = far_->FetchEntries(address_.key, [&](std::uint64_t held, std::uint64_t all) {
    progress_.Update({{"entries", held, all, cli::ProgressUnit::kCount, ""}});
  });
  const auto read = entries ? ReadFiles(*view) : entries;
  if (!read && IsNobodyThere(read.error())) {
    return Fail(Error{ErrorCode::kDeadlineExceeded, read.error().message});
  }
  if (!read) {
    findings_.Add(fmt::format("drive {}: {}", address_.key.id(), read.error().message));
  } else if (!options_.skip_nars && *view->mirror_json() != mirror::MirrorJson{}) {
    CheckNars(*view);
  }
  if (read && !options_.release.empty()) {
    CheckRelease(*view);
  }
  progress_.Finish();
  return Report(nars_.get());
}

Result<void> Verification::ReadFiles(const mirror::MirrorView& mirror) {
  const bool is_mirror = *mirror.mirror_json() != mirror::MirrorJson{};
  const auto drive = mirror.index_view();
  HNX_ASSIGN_OR_RETURN(const auto list, drive->List("/"));
  while (true) {
    HNX_ASSIGN_OR_RETURN(const auto entry, list->Next());
    if (!entry) {
      return {};
    }
    if (!entry->blob || (is_mirror && NarAudit::IsNarInfoPath(entry->path))) {
      continue;
    }
    const auto read = drive->ReadBlob(*entry->blob, 0, entry->blob->byte_length,
                                      [this](ByteView piece) -> Result<void> {
                                        bytes_ += piece.size();
                                        return {};
                                      });
    if (!read && IsNobodyThere(read.error())) {
      return read.error();
    }
    if (!read) {
      findings_.Add(fmt::format("{}: {}", entry->path, read.error().message));
    }
    progress_.Update({{"files", bytes_, 0, cli::ProgressUnit::kBytes, ""}});
    far_->GiveBack(drive->key(), *entry->blob);
  }
}

void Verification::ListDrives(const mirror::MirrorReader* mirror) {
  drives_.push_back(address_.key);
  if (mirror == nullptr) {
    return;
  }
  bytes_total_ = mirror->index()->content_byte_length();
  for (const mirror::MirrorShard& shard : mirror->mirror_json()->shards) {
    if (options_.source.folders.Find(shard.key)) {
      drives_.push_back(shard.key);
      bytes_total_ += shard.bytes;
    } else {
      missing_shards_.push_back(shard.key.id());
    }
  }
}

void Verification::CheckDrive(const hyper::DriveKey& key) {
  const auto folder = options_.source.folders.Find(key);
  if (!folder) {
    findings_.Add(folder.error().message);
    return;
  }
  const auto audit =
      hyper::AuditStoreFolder(*folder, [this](std::uint64_t bytes) { bytes_ += bytes; });
  if (!audit) {
    findings_.Add(fmt::format("drive {}: {}", key.id(), audit.error().message));
    return;
  }
  for (const std::string& finding : audit->findings) {
    findings_.Add(fmt::format("drive {}: {}", key.id(), finding));
  }
  if (audit->clean()) {
    // Sound cores that are another drive's, or none's.
    if (const auto drive = hyper::DriveReader::Open({*folder, key}); !drive) {
      findings_.Add(fmt::format("drive {}: {}", key.id(), drive.error().message));
    }
  }
  blocks_ += audit->blocks_checked;
  blocks_cleared_ += audit->blocks_cleared;
}

void Verification::CheckDrives() {
  std::atomic<std::size_t> next{0};
  RunOnThreads(
      std::min<unsigned>(ThreadCount(options_), static_cast<unsigned>(drives_.size())),
      [&] {
        for (std::size_t i = next++; i < drives_.size(); i = next++) {
          CheckDrive(drives_[i]);
        }
      },
      [&] {
        progress_.Update({{"blocks", bytes_, std::max<std::uint64_t>(bytes_total_, bytes_),
                           cli::ProgressUnit::kBytes, ""}});
      });
}

Result<void> Verification::QueueNarInfos(const mirror::MirrorView& mirror,
                                         BoundedQueue<std::string>& queue) {
  HNX_ASSIGN_OR_RETURN(const auto list, mirror.index_view()->List("/"));
  while (true) {
    HNX_ASSIGN_OR_RETURN(const auto entry, list->Next());
    if (!entry) {
      return {};
    }
    if (NarAudit::IsNarInfoPath(entry->path) && !queue.Push(entry->path)) {
      return {};
    }
  }
}

Result<void> Verification::ChooseKeys(const mirror::MirrorView& mirror) {
  if (!keys_.empty()) {
    return {};
  }
  const auto description = mirror.mirror_json();
  HNX_ASSIGN_OR_RETURN(keys_, nix::TrustedKeys::Parse(description->public_keys));
  std::string names;
  for (const auto& [name, key] : keys_.keys()) {
    names += (names.empty() ? "" : ", ") + name;
  }
  progress_.Message(cli::Printable(
      fmt::format("signatures are checked against the keys that the mirror itself names ({}); to "
                  "check them against keys that you trust, give --trusted-public-keys",
                  names.empty() ? "none" : names)));
  return {};
}

void Verification::CheckNars(const mirror::MirrorView& mirror) {
  if (const auto chosen = ChooseKeys(mirror); !chosen) {
    findings_.Add(fmt::format("mirror.json: {}", chosen.error().message));
    return;
  }
  nars_ = std::make_unique<NarAudit>(mirror, keys_, findings_);
  if (far_ != nullptr) {
    nars_->SetOnRead(
        [this](const mirror::MirrorFile& file) { far_->GiveBack(file.drive->key(), file.blob); });
  }
  BoundedQueue<std::string> queue(kQueuedNarInfosMax);
  const std::jthread lister([&] {
    if (const auto listed = QueueNarInfos(mirror, queue); !listed) {
      findings_.Add(fmt::format("list of narinfos: {}", listed.error().message));
    }
    queue.Close();
  });
  RunOnThreads(
      ThreadCount(options_),
      [&] {
        while (const auto path = queue.Pop()) {
          nars_->CheckNarInfo(*path);
        }
      },
      [&] {
        progress_.Update({{"narinfos", nars_->narinfos(), 0, cli::ProgressUnit::kCount, ""},
                          {"NARs", nars_->bytes(), 0, cli::ProgressUnit::kBytes, ""}});
      });
}

void Verification::CheckRelease(const mirror::MirrorView& mirror) {
  release_ = std::make_unique<ReleaseAudit>(mirror, findings_, [this](std::uint64_t checked) {
    progress_.Update({{"release", checked, 0, cli::ProgressUnit::kCount, ""}});
  });
  if (const auto checked = release_->Check(options_.release); !checked) {
    findings_.Add(fmt::format("release {}: {}", options_.release, checked.error().message));
  }
}

cli::ExitCode Verification::Report(const NarAudit* nars) {
  const std::uint64_t narinfos = nars != nullptr ? nars->narinfos() : 0;
  const std::uint64_t nar_count = nars != nullptr ? nars->nars() : 0;
  const std::vector<std::string> findings = findings_.kept();
  if (options_.json) {
    std::cout << cli::JsonLine({{"address", address_.root()},
                                {"drives", drives_.size()},
                                {"blocks", blocks_.load()},
                                {"blocksCleared", blocks_cleared_.load()},
                                {"bytes", bytes_.load()},
                                {"narinfos", narinfos},
                                {"nars", nar_count},
                                {"releasePaths", release_ ? release_->paths() : 0},
                                {"releaseUnpublished", release_ ? release_->unpublished() : 0},
                                {"releaseLeftOut", release_ ? release_->left_out() : 0},
                                {"missingShards", missing_shards_},
                                {"findings", findings},
                                {"findingsTotal", findings_.total()}})
              << '\n';
  } else {
    for (const std::string& finding : findings) {
      std::cout << "wrong: " << cli::Printable(finding) << '\n';
    }
    if (findings_.total() > findings.size()) {
      std::cout << fmt::format("wrong: {} more findings\n", findings_.total() - findings.size());
    }
    for (const std::string& id : missing_shards_) {
      std::cout << fmt::format("not here: shard {}; name its folder with --drives\n", id);
    }
    if (release_) {
      std::cout << fmt::format(
          "release {}: {} paths published, {} named with the reason why they are not{}\n",
          cli::Printable(options_.release), release_->paths(), release_->unpublished(),
          release_->left_out() > 0
              ? fmt::format(", {} of them outside of its operator's budget", release_->left_out())
              : "");
    }
    std::cout << fmt::format("{}: {} drives, {} blocks, {}, {} narinfos, {} NARs: {}\n",
                             address_.root(), drives_.size(), blocks_.load(),
                             cli::FormatBytes(bytes_), narinfos, nar_count,
                             findings_.total() > 0      ? "DAMAGED"
                             : !missing_shards_.empty() ? "all that is here is right"
                                                        : "all is right");
  }
  if (findings_.total() > 0) {
    return cli::ExitCode::kFailure;
  }
  return missing_shards_.empty() ? cli::ExitCode::kOk : cli::ExitCode::kPartial;
}

cli::ExitCode Verify(const VerifyOptions& options) {
  auto address = Address::Parse(options.address);
  if (!address) {
    return Fail(address.error());
  }
  auto keys = nix::TrustedKeys::Parse(options.trusted_public_keys);
  if (!keys) {
    return Fail(keys.error());
  }
  return Verification(options, *std::move(address), *std::move(keys)).Run();
}

}  // namespace

void AddVerifyCommand(cli::Program& program) {
  auto options = std::make_shared<VerifyOptions>();
  CLI::App& command = program.AddCommand(
      "verify",
      "Check every byte of a drive: oplog, tree, bitfield, data and signature of its cores. For a\n"
      "mirror, those of the shards too, and each narinfo: signature, references, hash of its NAR.\n"
      "What is wrong is named, file and place. Exit code 3: a shard is not in the folders given.\n"
      "A drive that is read from peers is checked block by block as it comes, and not kept.",
      [options] { return Verify(*options); },
      "hyp verify hyper://KEY\n"
      "hyp verify hyper://KEY --release nixos-unstable --skip-nars\n"
      "hyp verify hyper://KEY --drives /srv/drives --trusted-public-keys cache.example.org-1:...",
      cli::kLongExits);
  command.add_option("address", options->address, "hyper://KEY")->required();
  options->source.AddTo(command);
  cli::AddOption(command, "--trusted-public-keys", options->trusted_public_keys,
                 "Key whose signature makes a narinfo authentic; may be given several times. By "
                 "default those that the mirror itself names: nothing proves that they are right");
  cli::AddOption(command, "--threads", options->threads, "Threads; 0: one a processor");
  cli::AddFlag(command, "--skip-nars", options->skip_nars,
               "Check the drives only, not what narinfos say of NARs");
  cli::AddOption(command, "--release", options->release,
                 "Check the manifest of this release too, CHANNEL/RELEASE, or CHANNEL for its "
                 "latest: that it adds up, that every path that it calls published is there with "
                 "its NAR and its references, that nothing of store-paths.xz is passed over");
  cli::AddFlag(command, "--json", options->json, "Print one JSON object");
}

}  // namespace hnx::hyp
