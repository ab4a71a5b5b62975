#include "hyper/replication/replica_commits.h"

#include <utility>

#include "base/mutex.h"

namespace hnx::hyper {

// Shared by the thread that runs it and this one, so that either may let go first.
class ReplicaCommits::UnderWay {
 public:
  UnderWay(ReplicaCommits& owner_in, std::unique_ptr<ReplicaCore::CommitWork> work_in)
      : owner(&owner_in), work(std::move(work_in)) {}

  void Run() HNX_EXCLUDES(mutex_) {
    work->Run();
    const MutexLock lock(mutex_);
    ran_ = true;
    changed_.NotifyAll();
  }
  void Wait() HNX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (!ran_) {
      changed_.Wait(mutex_);
    }
  }

  ReplicaCommits* owner;  // null: it was ended
  const std::unique_ptr<ReplicaCore::CommitWork> work;

 private:
  Mutex mutex_;
  CondVar changed_;
  bool ran_ HNX_GUARDED_BY(mutex_) = false;
};

ReplicaCommits::~ReplicaCommits() {
  if (under_way_) {
    under_way_->Wait();
    under_way_->owner = nullptr;
    (void)links_.replica.EndCommit(*under_way_->work);
  }
}

void ReplicaCommits::OnStaged() {
  if (!staged_since_) {
    staged_since_ = links_.clock.Steady();
  }
}

void ReplicaCommits::CommitSoon() {
  if (under_way_) {
    again_ = true;
  } else {
    Begin();
  }
}

void ReplicaCommits::CommitIfDue() {
  const bool old = staged_since_ && links_.clock.Steady() - *staged_since_ >= kCommitAfter;
  if (!under_way_ && (old || links_.replica.commit_due())) {
    Begin();
  }
}

void ReplicaCommits::Begin() {
  staged_since_.reset();
  again_ = false;
  Result<std::unique_ptr<ReplicaCore::CommitWork>> work = links_.replica.BeginCommit();
  if (!work) {
    OnStaged();
    links_.on_failed(work.error());
    return;
  }
  if (*work == nullptr) {
    return;
  }
  under_way_ = std::make_shared<UnderWay>(*this, *std::move(work));
  const auto run = [under_way = under_way_] { under_way->Run(); };
  const auto done = [under_way = under_way_] {
    ReplicaCommits* const owner = under_way->owner;
    if (owner == nullptr) {
      return;
    }
    if (const Result<void> ended = owner->End(); !ended) {
      owner->links_.on_failed(ended.error());
    } else if (owner->again_) {
      owner->CommitSoon();
    } else {
      owner->CommitIfDue();
    }
  };
  if (links_.run_beside) {
    links_.run_beside(run, done);
  } else {
    run();
    done();
  }
}

Result<void> ReplicaCommits::End() {
  const std::shared_ptr<UnderWay> ended = std::exchange(under_way_, nullptr);
  ended->owner = nullptr;
  const std::uint64_t length_before = links_.replica.length();
  const Result<ReplicaCore::Committed> committed = links_.replica.EndCommit(*ended->work);
  if (!committed) {
    OnStaged();
    return committed.error();
  }
  Report(*committed, length_before);
  return {};
}

Result<void> ReplicaCommits::CommitNow() {
  if (under_way_) {
    under_way_->Wait();
    HNX_TRY(End());
  }
  staged_since_.reset();
  again_ = false;
  if (!links_.replica.anything_staged()) {
    return {};
  }
  const std::uint64_t length_before = links_.replica.length();
  const Result<ReplicaCore::Committed> committed = links_.replica.Commit();
  if (!committed) {
    OnStaged();
    return committed.error();
  }
  Report(*committed, length_before);
  return {};
}

void ReplicaCommits::Report(const ReplicaCore::Committed& committed, std::uint64_t length_before) {
  links_.on_committed(committed, committed.head.length > length_before);
}

}  // namespace hnx::hyper
