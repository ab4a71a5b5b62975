// Cuts the power after every single change that a replica makes while peers fill it, in every way
// that the unsynced changes may be lost, and opens what is left: the core of before the interrupted
// step or of after it. No committed block is lost, none is shown that was not verified, and filling
// goes on.
//
//   HNX_CRASH_SEED     of the random workload and subsets; printed
//   HNX_CRASH_SUBSETS  random subsets per change (default 20)
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "hyper/core/replica_core.h"
#include "hyper/storage/memory_core_storage.h"
#include "hyper/storage/recording_core_storage.h"
#include "tests/property/hyper_core/crashing_disk.h"
#include "tests/property/hyper_core/proof_world.h"

namespace hnx::hyper {
namespace {

constexpr std::uint32_t kFill = 7;
constexpr int kRandomSteps = 60;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): the test has one thread
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

template <class T>
T Must(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().ToString());
  }
  return *std::move(result);
}
void Must(const Result<void>& result) {
  if (!result) {
    throw std::runtime_error(result.error().ToString());
  }
}

// Blocks of a few bytes, some empty, some that reach over sectors.
std::size_t BlockSize(std::uint64_t block) {
  return block % 7 == 3 ? 0 : block % 11 == 5 ? 1500 : 20 + block % 13;
}

// The owner's core.
class Source {
 public:
  Source() : core_(MakeCore(Seed(), kFill, {BlockSize(0)})) {}

  Hypercore& core() { return *core_; }
  void Grow(std::uint64_t blocks) {
    for (std::uint64_t i = 0; i < blocks; ++i) {
      const std::uint64_t at = core_->length();
      const Bytes block = GeneratedBlock(kFill, at, BlockSize(at));
      const ByteView view = block;
      Must(core_->Append(std::span(&view, 1)));
    }
  }
  // The peer's answer is taken, or the test is wrong.
  ProofStaged Give(ReplicaCore& replica, const ProofRequest& request) {
    const Proof proof = Must(core_->Prove(request));
    const ReceiveVerdict verdict = Must(replica.Receive(request, proof));
    if (const auto* refused = std::get_if<ProofRefused>(&verdict)) {
      throw std::runtime_error(refused->why);
    }
    return std::get<ProofStaged>(verdict);
  }
  ProofStaged GiveBlock(ReplicaCore& replica, std::uint64_t block) {
    return Give(replica, Must(replica.RequestBlock(BlockIndex(block), core_->length())));
  }

 private:
  static std::array<std::byte, 32> Seed() {
    std::array<std::byte, 32> seed;
    seed.fill(std::byte{9});
    return seed;
  }
  std::unique_ptr<Hypercore> core_;
};

struct ReplicaState {
  CoreHead head;
  std::set<std::uint64_t> present;
};

std::optional<std::string> Differs(ReplicaCore& replica, const ReplicaState& state) {
  if (replica.head() != state.head) {
    return "length " + std::to_string(replica.length()) + " instead of " +
           std::to_string(state.head.length);
  }
  for (std::uint64_t i = 0; i < state.head.length; ++i) {
    const Result<Bytes> block = replica.Get(BlockIndex(i));
    if (state.present.count(i) == 0) {
      if (block || block.error().code != ErrorCode::kNotFound) {
        return "block " + std::to_string(i) + " is not absent";
      }
    } else if (!block) {
      return "block " + std::to_string(i) + ": " + block.error().ToString();
    } else if (*block != GeneratedBlock(kFill, i, BlockSize(i))) {
      return "block " + std::to_string(i) + " has other bytes";
    }
  }
  return std::nullopt;
}

struct Step {
  std::string name;
  std::size_t changes_before = 0;
  std::size_t changes_after = 0;
  ReplicaState state;  // after it
};

class ReplicaWorkload {
 public:
  ReplicaWorkload() {
    Do("create", [&] { replica_ = Must(ReplicaCore::Create(Storage(), source_.core().key())); });
  }

  void RunScript() {
    source_.Grow(20);
    Upgrade();
    Fill({3, 4, 5, 17});
    Fill({0, 8, 10, 12, 19});
    Clear(4, 13);
    FlushNow();
    Fill({6, 7, 8, 9, 10});
    FillBeside({14}, {15, 16, 18});
    source_.Grow(9);
    FillWithUpgrade(25);
    Reopen();
    StageAndDrop({1, 2, 26});
    StageAndReopen({1, 11, 27, 28});
    Fill({1, 2, 11, 13, 14, 15, 16, 18});
    FlushNow();
    source_.Grow(4);
    UpgradeBeside({12, 29});
    source_.Grow(40);
    Upgrade();
    Clear(0, 69);
    FillAllMissing();
    Reopen();
  }

  void RunRandom(std::mt19937_64& random, int steps) {
    source_.Grow(1 + random() % 40);
    Upgrade();
    for (int i = 0; i < steps; ++i) {
      const std::uint64_t length = replica_->length();
      std::set<std::uint64_t> some;
      for (std::uint64_t n = 1 + random() % 12; n > 0; --n) {
        some.insert(random() % length);
      }
      switch (random() % 14) {
        case 0:
          source_.Grow(1 + random() % 9);
          Upgrade();
          break;
        case 1:
          source_.Grow(1 + random() % 9);
          FillWithUpgrade(length + random() % (source_.core().length() - length));
          break;
        case 2:
        case 3:
          Clear(*some.begin(), 1 + *some.rbegin());
          break;
        case 4:
          FlushNow();
          break;
        case 5:
          Reopen();
          break;
        case 6:
          StageAndDrop(some);
          break;
        case 7:
          StageAndReopen(some);
          break;
        case 8: {
          const std::uint64_t middle = random() % length;
          FillBeside({some.begin(), some.lower_bound(middle)},
                     {some.lower_bound(middle), some.end()});
          break;
        }
        case 9:
          source_.Grow(1 + random() % 9);
          UpgradeBeside(some);
          break;
        default:
          Fill(some);
      }
    }
  }

  const ChangeJournal& journal() const { return *journal_; }
  const std::vector<Step>& steps() const { return steps_; }
  Source& source() { return source_; }

 private:
  std::unique_ptr<CoreStorage> Storage() {
    return std::make_unique<RecordingCoreStorage>(std::make_unique<MemoryCoreStorage>(files_),
                                                  journal_);
  }

  template <class Action>
  void Do(std::string name, Action action) {
    Step step{std::move(name), journal_->size(), 0, {}};
    action();
    state_.head = replica_->head();
    step.changes_after = journal_->size();
    step.state = state_;
    steps_.push_back(std::move(step));
  }

  void Stage(const std::set<std::uint64_t>& blocks) {
    for (const std::uint64_t block : blocks) {
      if (block < source_.core().length()) {
        source_.GiveBlock(*replica_, block);
      }
    }
  }
  void Upgrade() {
    Do("upgrade", [&] {
      source_.Give(*replica_, Must(replica_->RequestUpgrade(source_.core().length())));
      Must(replica_->Commit());
    });
  }
  void Fill(const std::set<std::uint64_t>& blocks) {
    Do("fill", [&] {
      Stage(blocks);
      Note(Must(replica_->Commit()));
    });
  }
  // More is staged while a commit waits for the disk.
  void FillBeside(const std::set<std::uint64_t>& first, const std::set<std::uint64_t>& later) {
    Do("fill beside a commit", [&] {
      Stage(first);
      CommitBeside([&] { Stage(later); });
    });
    Do("commit the rest", [&] { Note(Must(replica_->Commit())); });
  }
  void UpgradeBeside(const std::set<std::uint64_t>& blocks) {
    Do("upgrade beside a commit", [&] {
      Stage(blocks);
      CommitBeside([&] {
        source_.Give(*replica_, Must(replica_->RequestUpgrade(source_.core().length())));
        Stage({source_.core().length() - 1});
      });
    });
    Do("commit the upgrade", [&] { Note(Must(replica_->Commit())); });
  }
  template <class Action>
  void CommitBeside(Action meanwhile) {
    const auto work = Must(replica_->BeginCommit());
    meanwhile();
    if (work != nullptr) {
      work->Run();
      Note(Must(replica_->EndCommit(*work)));
    }
  }
  void FillWithUpgrade(std::uint64_t block) {
    Do("fill with upgrade", [&] {
      source_.GiveBlock(*replica_, block);
      Note(Must(replica_->Commit()));
    });
  }
  void FillAllMissing() {
    Do("fill all", [&] {
      const BlockIndex end(replica_->length());
      BlockIndex at(0);
      while ((at = Must(replica_->NextMissing({at, end}))) < end) {
        source_.GiveBlock(*replica_, at.value());
      }
      Note(Must(replica_->Commit()));
    });
  }
  void StageAndDrop(const std::set<std::uint64_t>& blocks) {
    Do("stage and drop", [&] {
      Stage(blocks);
      Must(replica_->DropStaged());
    });
  }
  void StageAndReopen(const std::set<std::uint64_t>& blocks) {
    Do("stage and reopen", [&] {
      Stage(blocks);
      replica_.reset();
      replica_ = Must(ReplicaCore::Open(Storage()));
    });
  }
  void Clear(std::uint64_t begin, std::uint64_t end) {
    Do("clear", [&] {
      Must(replica_->Clear({BlockIndex(begin), BlockIndex(end)}));
      state_.present.erase(state_.present.lower_bound(begin), state_.present.lower_bound(end));
    });
  }
  void FlushNow() {
    Do("flush", [&] { Must(replica_->Flush()); });
  }
  void Reopen() {
    Do("reopen", [&] {
      replica_.reset();
      replica_ = Must(ReplicaCore::Open(Storage()));
    });
  }
  void Note(const ReplicaCore::Committed& committed) {
    for (const BlockRange& range : committed.blocks) {
      for (std::uint64_t i = range.begin.value(); i < range.end.value(); ++i) {
        state_.present.insert(i);
      }
    }
  }

  Source source_;
  std::shared_ptr<MemoryCoreFiles> files_ = std::make_shared<MemoryCoreFiles>();
  std::shared_ptr<ChangeJournal> journal_ = std::make_shared<ChangeJournal>();
  std::unique_ptr<ReplicaCore> replica_;
  ReplicaState state_;
  std::vector<Step> steps_;
};

class ReplicaCrashTest : public ::testing::Test {
 protected:
  ReplicaCrashTest()
      : subsets_(FromEnvironment("HNX_CRASH_SUBSETS", 20)),
        seed_(FromEnvironment("HNX_CRASH_SEED", 20261122)),
        random_(seed_) {
    std::cout << "HNX_CRASH_SEED=" << seed_ << "\n";
  }

  void CrashEverywhere(ReplicaWorkload& workload) {
    CrashingDisk disk;
    std::size_t step = 0;
    for (std::size_t done = 0;; ++done) {
      while (step + 1 < workload.steps().size() &&
             workload.steps()[step + 1].changes_before < done) {
        ++step;
      }
      const Step& running = workload.steps()[step];
      const ReplicaState* before = step == 0 ? nullptr : &workload.steps()[step - 1].state;
      const bool acknowledged = done >= running.changes_after;
      const std::string where = "step " + std::to_string(step) + " (" + running.name +
                                ") after change " + std::to_string(done);
      disk.ForEachOutcome(
          subsets_, random_,
          [&](const std::shared_ptr<MemoryCoreFiles>& files, const std::string& what) {
            Expect(workload, files, acknowledged ? &running.state : before, running.state,
                   where + ", " + what);
          });
      if (HasFailure() || done == workload.journal().size()) {
        break;
      }
      disk.Apply(workload.journal()[done]);
    }
    std::cout << workload.steps().size() << " steps, " << workload.journal().size() << " changes, "
              << opened_ << " crashed states opened\n";
  }

  std::mt19937_64& random() { return random_; }

 private:
  void Expect(ReplicaWorkload& workload, const std::shared_ptr<MemoryCoreFiles>& files,
              const ReplicaState* before, const ReplicaState& after, const std::string& where) {
    ++opened_;
    Result<std::unique_ptr<ReplicaCore>> replica =
        ReplicaCore::Open(std::make_unique<MemoryCoreStorage>(files));
    if (!replica && before == nullptr && replica.error().code == ErrorCode::kNotFound) {
      replica = ReplicaCore::Create(std::make_unique<MemoryCoreStorage>(files),
                                    workload.source().core().key());
    }
    ASSERT_TRUE(replica.has_value()) << where << ": " << replica.error().ToString();
    const std::optional<std::string> from_after = Differs(**replica, after);
    const std::optional<std::string> from_before =
        before == nullptr ? from_after : Differs(**replica, *before);
    ASSERT_FALSE(from_after && from_before) << where << ": " << *from_after << "; " << *from_before;
    ExpectGoesOn(workload, **replica, where);
    const AuditReport report = Must((*replica)->Audit());
    for (const AuditFinding& finding : report.findings) {
      ADD_FAILURE() << where << ": " << finding.ToString();
    }
  }

  // Takes a block that is missing, with an upgrade when the owner went on.
  void ExpectGoesOn(ReplicaWorkload& workload, ReplicaCore& replica, const std::string& where) {
    const std::uint64_t length = workload.source().core().length();
    const std::uint64_t wanted = random_() % length;
    workload.source().GiveBlock(replica, wanted);
    Must(replica.Commit());
    const Result<Bytes> block = replica.Get(BlockIndex(wanted));
    ASSERT_TRUE(block.has_value()) << where << ": " << block.error().ToString();
    EXPECT_EQ(*block, GeneratedBlock(kFill, wanted, BlockSize(wanted))) << where;
  }

  std::size_t subsets_;
  std::uint64_t seed_;
  std::mt19937_64 random_;
  std::uint64_t opened_ = 0;
};

TEST_F(ReplicaCrashTest, LosesNothingCommittedInTheScriptedWorkload) {
  ReplicaWorkload workload;
  workload.RunScript();
  CrashEverywhere(workload);
}

TEST_F(ReplicaCrashTest, LosesNothingCommittedInARandomWorkload) {
  ReplicaWorkload workload;
  workload.RunRandom(random(), kRandomSteps);
  CrashEverywhere(workload);
}

}  // namespace
}  // namespace hnx::hyper
