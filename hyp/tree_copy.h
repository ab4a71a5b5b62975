// TreeCopy: brings a target folder to the state of a drive, or of a part of it. What was copied
// before and not touched since is not read again. Several files are on their way at once; they are
// recorded in the drive's order.
//
// A path that no file can have, a link that does not lead from the index into a listed shard, and
// what lies in the folder without being ours, are left out and reported; they never end a copy.
//
// Threads: one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "hyp/copy_record.h"
#include "hyp/findings.h"
#include "hyp/opened_mirror.h"
#include "hyp/target_folder.h"
#include "hyper/drive/drive_entry.h"
#include "hyper/drive/drive_view.h"
#include "hyper/node/read_limits.h"

namespace hnx::hyp {

// Entries between the one that is looked at and the oldest that is not recorded.
inline constexpr std::size_t kEntriesUnderWayMax = 1024;
// After so many files in a row that nobody gave, the copy ends: nobody is there.
inline constexpr std::size_t kUnreachableInARowMax = 16;

struct CopyCounts {
  std::atomic<std::uint64_t> looked_at{0};
  std::atomic<std::uint64_t> files{0};      // written
  std::atomic<std::uint64_t> bytes{0};      // written
  std::atomic<std::uint64_t> unchanged{0};  // of an earlier run
  std::atomic<std::uint64_t> removed{0};    // gone from the drive
};

struct TreeCopyPart {
  std::shared_ptr<const hyper::DriveView> drive;
  std::string folder;  // "/": all
  // Entries that are taken; others are neither written nor removed.
  std::function<bool(const hyper::DriveEntry&)> takes;
  // Whether a link may be written as it is; without it, none is.
  std::function<bool(const hyper::DriveEntry&)> takes_link;
  std::filesystem::path record;
};

class TreeCopy {
 public:
  // All must outlive it. `tick` is called on the calling thread now and then.
  TreeCopy(OpenedMirror& mirror, Findings& left_out, CopyCounts& counts, unsigned threads,
           std::shared_ptr<hyper::Cancellation> cancellation, std::function<void()> tick);
  ~TreeCopy();
  TreeCopy(const TreeCopy&) = delete;
  TreeCopy& operator=(const TreeCopy&) = delete;
  TreeCopy(TreeCopy&&) = delete;
  TreeCopy& operator=(TreeCopy&&) = delete;

  // kCancelled; kDeadlineExceeded: nobody gives what is missing; else a failure of this machine.
  // What was copied until then is recorded.
  Result<void> Run(const TreeCopyPart& part, const TargetFolder& target);

 private:
  class Run_;
  class Pool;

  OpenedMirror& mirror_;
  Findings& left_out_;
  CopyCounts& counts_;
  const std::shared_ptr<hyper::Cancellation> cancellation_;
  const std::function<void()> tick_;
  const std::unique_ptr<Pool> pool_;
};

}  // namespace hnx::hyp
