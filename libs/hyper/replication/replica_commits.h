// ReplicaCommits: when what a replica has staged is committed, and where: the waiting for the disk
// goes to another thread, while more is received, read and served here. One commit at a time.
//
// Threads: that of the Replicator.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/result.h"
#include "hyper/core/replica_core.h"
#include "hyper/replication/run_beside.h"

namespace hnx::hyper {

// Staged blocks are committed when they are so old, or so many (ReplicaCore::commit_due), or when
// nothing more is under way.
inline constexpr std::chrono::milliseconds kCommitAfter{500};

class ReplicaCommits {
 public:
  struct Links {
    ReplicaCore& replica;
    const Clock& clock;
    RunBeside run_beside;  // empty: on this thread, at once
    std::function<void(const ReplicaCore::Committed& committed, bool longer)> on_committed;
    // Everything is staged still; it is tried again after kCommitAfter.
    std::function<void(const Error&)> on_failed;
  };
  explicit ReplicaCommits(Links links) : links_(std::move(links)) {}
  // Waits for a commit that is under way. Nothing is called any more.
  ~ReplicaCommits();
  ReplicaCommits(const ReplicaCommits&) = delete;
  ReplicaCommits& operator=(const ReplicaCommits&) = delete;
  ReplicaCommits(ReplicaCommits&&) = delete;
  ReplicaCommits& operator=(ReplicaCommits&&) = delete;

  // Something was staged.
  void OnStaged();
  // Begins a commit, or will when the one under way has ended.
  void CommitSoon();
  // The same when it is due by its size or age.
  void CommitIfDue();
  // Durable when it returns. Waits for the disk.
  Result<void> CommitNow();

  // Staged, or under way.
  bool pending() const { return staged_since_ || under_way_; }

 private:
  class UnderWay;

  void Begin();
  // It ran.
  Result<void> End();
  void Report(const ReplicaCore::Committed& committed, std::uint64_t length_before);

  const Links links_;
  std::optional<Clock::SteadyTime> staged_since_;
  bool again_ = false;
  std::shared_ptr<UnderWay> under_way_;
};

}  // namespace hnx::hyper
