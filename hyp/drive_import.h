// DriveImport: whole drives from peers into folders of this machine, DIR/<id> each, in the files
// that all programs here and JavaScript's corestore 6 open. Of a mirror, its shards too.
//
//   1. the newest head that peers have is waited for
//   2. everything is fetched, in the order in which it comes
//   3. whether every file is here is looked at, entry by entry; what is missing is asked for again
//
// What was fetched is durable and stays; the same import again goes on from there.
//
// Threads: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "hyp/drive_holder.h"
#include "hyp/stop_watch.h"
#include "hyper/drive/drive_key.h"
#include "hyper/node/peer_node.h"

namespace hnx::hyp {

struct ImportReport {
  std::vector<HeldDrive> drives;
  // Drives of which files are missing, and why.
  std::vector<std::string> missing;
};

class DriveImport {
 public:
  struct Options {
    hyper::DriveKey key;
    std::filesystem::path folder;
    // For finding somebody, and for each next block.
    std::chrono::milliseconds timeout{};
  };
  using Progress = std::function<void(const std::vector<HeldDrive>&)>;

  // `node` and `stop` must outlive it.
  DriveImport(hyper::PeerNode& node, StopWatch& stop, Options options, Progress progress)
      : options_(std::move(options)),
        progress_(std::move(progress)),
        stop_(stop),
        holder_(node, options_.folder, true, false) {}

  // kDeadlineExceeded, kUnavailable: nobody who has the drive that was asked for answered.
  // kFailedPrecondition: the drive is one of this machine's own.
  Result<ImportReport> Run();

 private:
  hyper::ReadLimits Within() const;
  Result<void> WaitForHead();
  Result<void> LookForShards();
  Result<void> FetchAll();
  // True when another round is due: the index grew, and lists shards that were not there.
  Result<bool> CheckFiles();

  const Options options_;
  const Progress progress_;
  StopWatch& stop_;
  DriveHolder holder_;
  ImportReport report_;
};

}  // namespace hnx::hyp
