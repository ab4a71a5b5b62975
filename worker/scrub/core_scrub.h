// CoreScrub: one core of a drive, read past the page cache at the pace allowed, checked up to the
// signed head, and mended: nodes and bits from what is around them, blocks from the sources.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "hyper/core/audit.h"
#include "hyper/core/core_mender.h"
#include "hyper/storage/flat_core_storage.h"
#include "worker/scrub/scrub_parts.h"

namespace hnx::worker {

// Findings that are kept before they are mended.
inline constexpr std::size_t kScrubFindingsMax = 4'096;
// Read on behind the first damage that was found, before it is mended: what lies near is mended
// together.
inline constexpr std::uint64_t kMendAfterBytes = std::uint64_t{16} << 20;

class CoreScrub {
 public:
  struct Options {
    ScrubbedDrive drive;
    bool content = true;           // else the db core
    std::filesystem::path folder;  // of the core
    // After each block; its error ends the scrub.
    std::function<Result<void>()> on_progress;
    // Fills in which files the blocks belong to; without it they belong to none.
    std::function<Result<void>(std::vector<WantedBlock>&)> name_files;
    std::uint64_t end_block = std::numeric_limits<std::uint64_t>::max();
  };
  // `round` is moved on as blocks are checked.
  CoreScrub(const ScrubParts& parts, Options options, ScrubRound& round)
      : parts_(parts), options_(std::move(options)), round_(round) {}

  // What was given up. kNotFound: there is no core.
  Result<std::vector<GivenUp>> Run();

 private:
  // Everything from round_.block to the first damage and a little further, or to options_.end_block
  // or the end.
  struct Stretch {
    std::vector<hyper::AuditFinding> findings;
    std::uint64_t end_block = 0;
    bool end = false;  // of the core
  };

  Result<Stretch> Read(bool again);
  Result<void> OnBlock(hyper::FlatCoreStorage& storage, hyper::BlockIndex block,
                       const hyper::ByteRange& bytes);
  // Returns those of which nobody knows what is right.
  Result<std::vector<hyper::AuditFinding>> Mend(const std::vector<hyper::AuditFinding>& findings);
  Result<void> Clarify(const std::vector<hyper::AuditFinding>& unclear);
  // A node that its parent proves.
  Result<void> MendFrom(const hyper::TreeNode& right, const char* source);
  Result<void> MendBlocks(std::vector<const hyper::AuditFinding*> left);
  // Blocks that nothing refers to any more need no bytes.
  Result<void> MarkCleared(std::vector<const hyper::AuditFinding*>& left, WantedBlocks& wanted);
  Result<void> TryBlocks(BlockSource& source, std::vector<const hyper::AuditFinding*>& left,
                         WantedBlocks& wanted, std::string& trouble);
  void Note(const hyper::AuditFinding& finding, hyper::CoreMender::Outcome outcome,
            const char* source);
  void GiveUp(const hyper::AuditFinding& finding, const std::string& file, const std::string& why);

  const ScrubParts& parts_;
  const Options options_;
  ScrubRound& round_;
  std::unique_ptr<hyper::CoreMender> mender_;
  std::vector<GivenUp> given_up_;
  std::set<std::string> told_;  // what was given up
  // Of the stretch that is being read.
  Stretch stretch_;
  std::uint64_t forgotten_to_ = 0;
  std::uint64_t behind_damage_ = 0;  // bytes
};

}  // namespace hnx::worker
