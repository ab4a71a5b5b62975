#include "worker/scrub/drive_scrub.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include <fmt/core.h>

#include "base/log.h"
#include "hyper/core/keys.h"
#include "hyper/storage/flat_core_storage.h"
#include "mirror/index_layout.h"
#include "nix/nar_file_verifier.h"

namespace hnx::worker {
namespace {

namespace pb = hypercore_nixos::v1;

constexpr std::uint32_t kFilesEach = 200;
// A reader may be sending the NAR that is to be dropped.
constexpr int kDropTriesMax = 60;
constexpr std::chrono::milliseconds kDropInterval{500};
// Of one reader that is opened for a page of NARs.
constexpr std::size_t kScrubCacheBytesMax = std::size_t{1} << 20;

std::filesystem::path CoreFolderOf(const ScrubbedDrive& drive, const hyper::DriveKey& core) {
  hyper::CoreKey key;
  key.bytes = core.bytes();
  return hyper::CoreFolder(drive.folder, hyper::DiscoveryKeyOf(key));
}

}  // namespace

Result<pb::ListShardFilesResponse> ListShardFiles(const ScrubParts& parts,
                                                  const hyper::DriveKey& key,
                                                  const std::string& after,
                                                  const std::vector<std::string>& files,
                                                  std::uint32_t files_max) {
  pb::ListShardFilesRequest request;
  request.set_worker_id(parts.worker_id);
  request.set_key(ToString(key.bytes()));
  request.set_after(after);
  for (const std::string& file : files) {
    request.add_files(file);
  }
  request.set_files_max(files_max);
  return parts.coordinator.ListShardFiles(request);
}

void DriveScrub::NextPart(ScrubRound::Part part) {
  round_.part = part;
  round_.block = 0;
  round_.file.clear();
}

Result<void> DriveScrub::Run() {
  using Part = ScrubRound::Part;
  if (round_.part == Part::kDb) {
    HNX_TRY(ScrubDb());
    NextPart(Part::kContent);
    HNX_TRY(on_progress_());
  }
  Result<void> rest = RunBehindDb();
  if (!rest.has_value() && rest.error().code == ErrorCode::kNotFound &&
      drive_.kind == ScrubbedDrive::Kind::kCopy) {
    return {};  // entries have yet to come
  }
  if (!rest.has_value() && rest.error().code == ErrorCode::kDataLoss) {
    // Without its entries or its roots nothing more can be told of it.
    ++round_.counts.given_up;
    parts_.metrics.CountScrubGivenUp();
    Log("scrub")->error("{}", rest.error().message);
    given_up_.push_back({"", rest.error().message});
    return {};
  }
  return rest;
}

Result<void> DriveScrub::RunBehindDb() {
  using Part = ScrubRound::Part;
  if (round_.part == Part::kContent) {
    HNX_TRY(ScrubContent(round_, std::numeric_limits<std::uint64_t>::max()));
    NextPart(Part::kNars);
    HNX_TRY(on_progress_());
  }
  return drive_.kind == ScrubbedDrive::Kind::kIndex ? Result<void>() : ScrubNars();
}

Result<std::unique_ptr<hyper::DriveReader>> DriveScrub::OpenDrive() const {
  return hyper::DriveReader::Open({drive_.folder, drive_.key, kScrubCacheBytesMax});
}

Result<void> DriveScrub::ScrubDb() {
  CoreScrub::Options options{drive_, false, CoreFolderOf(drive_, drive_.key), on_progress_, {}};
  HNX_ASSIGN_OR_RETURN(std::vector<GivenUp> given_up,
                       CoreScrub(parts_, std::move(options), round_).Run());
  std::move(given_up.begin(), given_up.end(), std::back_inserter(given_up_));
  return {};
}

// Which files of the drive's newest version the blocks belong to.
Result<void> DriveScrub::NameFiles(std::vector<WantedBlock>& blocks) {
  HNX_ASSIGN_OR_RETURN(const auto drive, OpenDrive());
  HNX_ASSIGN_OR_RETURN(const auto list, drive->List("/"));
  const std::string folder = std::string(mirror::kNarFolder) + "/";
  while (true) {
    HNX_ASSIGN_OR_RETURN(const auto entry, list->Next());
    if (!entry) {
      return {};
    }
    if (!entry->blob) {
      continue;
    }
    for (WantedBlock& block : blocks) {
      const std::uint64_t at = block.block.value();
      if (at >= entry->blob->block_offset &&
          at < entry->blob->block_offset + entry->blob->block_length) {
        block.file = entry->path.starts_with(folder) ? entry->path.substr(folder.size())
                                                     : entry->path.substr(1);
        block.in_file = block.bytes.begin.value() - entry->blob->byte_offset;
        block.file_size = entry->blob->byte_length;
      }
    }
  }
}

Result<void> DriveScrub::ScrubContent(ScrubRound& round, std::uint64_t end_block) {
  HNX_ASSIGN_OR_RETURN(const auto drive, OpenDrive());
  std::vector<WantedBlock> named;
  CoreScrub::Options options{drive_,
                             true,
                             CoreFolderOf(drive_, drive->content_key()),
                             on_progress_,
                             [&](std::vector<WantedBlock>& blocks) -> Result<void> {
                               HNX_TRY(NameFiles(blocks));
                               named.insert(named.end(), blocks.begin(), blocks.end());
                               return {};
                             },
                             end_block};
  auto given_up = CoreScrub(parts_, std::move(options), round).Run();
  if (!given_up.has_value() && given_up.error().code == ErrorCode::kNotFound &&
      drive->content_length() == 0) {
    return {};  // nothing was put into it yet
  }
  if (!given_up.has_value()) {
    return given_up.error();
  }
  HNX_TRY(Withdraw(*given_up, named));
  std::move(given_up->begin(), given_up->end(), std::back_inserter(given_up_));
  return {};
}

Result<void> DriveScrub::Withdraw(const std::vector<GivenUp>& given_up,
                                  const std::vector<WantedBlock>& blocks) {
  std::set<std::string> files;
  for (const GivenUp& one : given_up) {
    if (!one.file.empty()) {
      files.insert(one.file);
    }
  }
  if (drive_.kind == ScrubbedDrive::Kind::kShard) {
    for (const std::string& file : files) {
      HNX_TRY(Drop(file));
    }
  }
  if (drive_.kind == ScrubbedDrive::Kind::kCopy) {
    for (const WantedBlock& block : blocks) {
      if (files.contains(block.file)) {
        hyper::BlobId blob;
        blob.byte_offset = block.bytes.begin.value();
        blob.block_offset = block.block.value();
        blob.block_length = 1;
        blob.byte_length = block.bytes.length();
        if (const auto evicted = parts_.evict(drive_.key, blob); !evicted.has_value()) {
          Log("scrub")->warn("copy of shard {}: {}", drive_.key.id(), evicted.error().message);
        }
      }
    }
  }
  return {};
}

Result<void> DriveScrub::Drop(const std::string& file) {
  for (int i = 0; i < kDropTriesMax; ++i) {
    if (const auto dropped = parts_.drop(drive_.key, file); !dropped.has_value()) {
      Log("scrub")->error("shard {}: /nar/{} stays as it is, damaged: {}", drive_.key.id(), file,
                          dropped.error().message);
      return {};
    }
    HNX_TRY(parts_.pace.Pause(kDropInterval));
    HNX_ASSIGN_OR_RETURN(const auto drive, OpenDrive());
    HNX_ASSIGN_OR_RETURN(const auto entry, drive->Entry(mirror::NarPath(file)));
    if (!entry) {
      return {};
    }
  }
  Log("scrub")->error("shard {}: /nar/{} is damaged and could not be taken out of it",
                      drive_.key.id(), file);
  return {};
}

Result<void> DriveScrub::ScrubNars() {
  while (true) {
    auto page = ListShardFiles(parts_, drive_.key, round_.file, {}, kFilesEach);
    if (!page.has_value() && page.error().code == ErrorCode::kNotFound) {
      return {};  // nothing is recorded of it
    }
    if (!page.has_value()) {
      return page.error();
    }
    for (const pb::ShardFile& file : page->files()) {
      HNX_TRY(ScrubNar(file));
      round_.file = file.file();
      HNX_TRY(on_progress_());
    }
    if (page->files_size() < static_cast<int>(kFilesEach)) {
      return {};
    }
  }
}

Result<void> DriveScrub::ScrubNar(const pb::ShardFile& file) {
  bool damaged = false;
  HNX_ASSIGN_OR_RETURN(std::optional<Error> wrong, CheckNar(file, &damaged));
  if (damaged) {
    HNX_TRY(ScrubBlocksOf(file.file()));
  }
  if (wrong || damaged) {
    // It is taken out only for what is so a second time.
    HNX_ASSIGN_OR_RETURN(wrong, CheckNar(file, &damaged));
  }
  if (!wrong) {
    return {};
  }
  ++round_.counts.damaged;
  ++round_.counts.given_up;
  parts_.metrics.CountScrubDamage("nar");
  parts_.metrics.CountScrubGivenUp();
  const std::string message = fmt::format(
      "/nar/{}: its blocks are as they were signed, and it is "
      "not the NAR that was promised: {}",
      file.file(), wrong->message);
  Log("scrub")->error("drive {}: {}", drive_.key.id(), message);
  given_up_.push_back({file.file(), message});
  return drive_.kind == ScrubbedDrive::Kind::kShard ? Drop(file.file()) : Result<void>();
}

Result<void> DriveScrub::ScrubBlocksOf(const std::string& file) {
  HNX_ASSIGN_OR_RETURN(const auto drive, OpenDrive());
  HNX_ASSIGN_OR_RETURN(const auto entry, drive->Entry(mirror::NarPath(file)));
  if (!entry || !entry->blob) {
    return {};
  }
  ScrubRound again;
  again.block = entry->blob->block_offset;
  const auto done = ScrubContent(again, entry->blob->block_offset + entry->blob->block_length);
  round_.counts.blocks += again.counts.blocks;
  round_.counts.bytes += again.counts.bytes;
  round_.counts.damaged += again.counts.damaged;
  round_.counts.repaired += again.counts.repaired;
  round_.counts.given_up += again.counts.given_up;
  return done;
}

Result<std::optional<Error>> DriveScrub::CheckNar(const pb::ShardFile& file, bool* damaged) {
  *damaged = false;
  HNX_ASSIGN_OR_RETURN(const auto drive, OpenDrive());
  HNX_ASSIGN_OR_RETURN(const auto entry, drive->Entry(mirror::NarPath(file.file())));
  if (!entry || !entry->blob) {
    return std::optional<Error>();
  }
  HNX_ASSIGN_OR_RETURN(const auto compression, nix::ParseCompression(file.compression()));
  if (file.nar_hash().size() != nix::kSha256Size) {
    return Internal("the coordinator names no SHA-256 hash for /nar/" + file.file());
  }
  const auto nar_hash =
      nix::Hash::FromDigest(nix::HashAlgorithm::kSha256, AsBytes(file.nar_hash()));
  const nix::NarExpectation expectation{compression, nar_hash, file.nar_size(), {}, {}, {}, {}};
  HNX_ASSIGN_OR_RETURN(const auto verifier, nix::NarFileVerifier::Create(expectation));
  std::optional<Error> refused;
  const auto read = drive->ReadBlob(
      *entry->blob, 0, entry->blob->byte_length, [&](ByteView piece) -> Result<void> {
        round_.counts.bytes += piece.size();
        parts_.metrics.CountScrubbed(0, piece.size());
        HNX_TRY(parts_.pace.Spend(piece.size()));
        if (const auto fed = verifier->Feed(piece); !fed.has_value()) {
          refused = fed.error();
          return Aborted("it is refused");
        }
        return {};
      });
  if (!read.has_value() && !refused) {
    if (read.error().code == ErrorCode::kCancelled) {
      return read.error();
    }
    *damaged = read.error().code == ErrorCode::kDataLoss;
    // Else it was cleared meanwhile.
    Log("scrub")->warn("/nar/{} of drive {}: {}", file.file(), drive_.key.id(),
                       read.error().message);
    return std::optional<Error>();
  }
  if (!refused) {
    if (const auto verdict = verifier->Finish(); !verdict.has_value()) {
      refused = verdict.error();
    }
  }
  if (!refused) {
    ++round_.counts.nars;
    parts_.metrics.CountScrubbedNar();
  }
  return refused;
}

}  // namespace hnx::worker
