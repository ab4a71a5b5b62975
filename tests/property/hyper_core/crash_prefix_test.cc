// Cuts the power after every single change that the writer of a core makes, in every way that the
// unsynced changes may be lost, and opens what is left. It must be the core of before the
// interrupted step or of after it: no acknowledged append lost, no unverified block shown, no
// second tree at a length that was acknowledged.
//
//   HNX_CRASH_SEED       of the random workloads and subsets; printed
//   HNX_CRASH_WORKLOADS  random workloads after the scripted one (default 2)
//   HNX_CRASH_SUBSETS    random subsets per change (default 200)
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "hyper/core/hypercore.h"
#include "hyper/storage/memory_core_storage.h"
#include "hyper/storage/recording_core_storage.h"
#include "tests/property/hyper_core/core_workload.h"
#include "tests/property/hyper_core/crashing_disk.h"

namespace hnx::hyper {
namespace {

constexpr int kRandomSteps = 40;
// After how many of the crashes the power is cut again while the core is opened.
constexpr int kSecondCrashOneIn = 8;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): the test has one thread
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class CrashPrefixTest : public ::testing::Test {
 protected:
  CrashPrefixTest()
      : subsets_(FromEnvironment("HNX_CRASH_SUBSETS", 200)),
        seed_(FromEnvironment("HNX_CRASH_SEED", 20261122)),
        random_(seed_) {
    std::cout << "HNX_CRASH_SEED=" << seed_ << "\n";
  }

  // Goes through every prefix of the workload's journal.
  void CrashEverywhere(const CoreWorkload& workload) {
    CrashingDisk disk;
    std::size_t step = 0;  // the one that is running, or has just ended
    for (std::size_t done = 0;; ++done) {
      while (step + 1 < workload.steps().size() &&
             workload.steps()[step + 1].changes_before < done) {
        ++step;
      }
      Promise promise = PromiseAt(workload, step, done);
      promise.where += " after change " + std::to_string(done);
      disk.ForEachOutcome(
          subsets_, random_,
          [&](const std::shared_ptr<MemoryCoreFiles>& files, const std::string& what) {
            if (random_() % kSecondCrashOneIn == 0) {
              Promise second = promise;
              second.where += ", " + what;
              OpenAndCrash(CrashingDisk(*files), second);
            }
            Expect(files, promise, what);
          });
      OpenAndCrash(disk, promise);
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
  // What may be found. `before` is absent while the core is being created.
  struct Promise {
    const CoreState* before = nullptr;
    const CoreState* after = nullptr;
    bool acknowledged = false;  // then only `after`
    std::string where;
  };

  static Promise PromiseAt(const CoreWorkload& workload, std::size_t step, std::size_t done) {
    Promise promise;
    promise.where = "step " + std::to_string(step) + " (" + workload.steps()[step].name + ")";
    promise.after = &workload.steps()[step].state;
    promise.before = step == 0 ? nullptr : &workload.steps()[step - 1].state;
    promise.acknowledged = done >= workload.steps()[step].changes_after;
    return promise;
  }

  // Opens the files; which of the promised states it is, or a failure.
  const CoreState* Expect(const std::shared_ptr<MemoryCoreFiles>& files, const Promise& promise,
                          const std::string& what) {
    ++opened_;
    Result<std::unique_ptr<Hypercore>> core =
        Hypercore::Open(std::make_unique<MemoryCoreStorage>(files));
    if (!core) {
      const bool not_yet_made = promise.before == nullptr && !promise.acknowledged &&
                                core.error().code == ErrorCode::kNotFound;
      if (not_yet_made) {
        core =
            Hypercore::Create(std::make_unique<MemoryCoreStorage>(files), CoreWorkload::TheCore());
        EXPECT_TRUE(core.has_value()) << promise.where << ", " << what;
        return nullptr;
      }
      ADD_FAILURE() << promise.where << ", " << what << ": " << core.error().ToString();
      return nullptr;
    }
    return ExpectState(**core, promise, what);
  }

  const CoreState* ExpectState(Hypercore& core, const Promise& promise, const std::string& what) {
    const std::optional<std::string> from_after = Differs(core, *promise.after);
    const CoreState* found = promise.after;
    if (from_after) {
      const std::optional<std::string> from_before =
          promise.acknowledged || promise.before == nullptr ? from_after
                                                            : Differs(core, *promise.before);
      if (from_before) {
        ADD_FAILURE() << promise.where << ", " << what << ": " << *from_after << "; "
                      << *from_before;
        return nullptr;
      }
      found = promise.before;
    }
    ExpectClean(core, promise.where + ", " + what);
    ExpectGoesOn(core, promise.where + ", " + what);
    return found;
  }

  static void ExpectClean(Hypercore& core, const std::string& where) {
    const Result<AuditReport> report = core.Audit();
    ASSERT_TRUE(report.has_value()) << where << ": " << report.error().ToString();
    for (const AuditFinding& finding : report->findings) {
      ADD_FAILURE() << where << ": " << finding.ToString();
    }
  }

  static void ExpectGoesOn(Hypercore& core, const std::string& where) {
    const std::uint64_t length = core.length();
    const ByteView block = AsBytes("after the crash");
    const Result<CoreHead> head = core.Append(std::span(&block, 1));
    ASSERT_TRUE(head.has_value()) << where << ": " << head.error().ToString();
    const Result<Bytes> read = core.Get(BlockIndex(length));
    ASSERT_TRUE(read.has_value()) << where << ": " << read.error().ToString();
    EXPECT_EQ(AsText(*read), "after the crash") << where;
  }

  // The process is killed, which loses nothing (or the power comes back after a first cut); the
  // next one opens the core, and then the power is cut: during its opening, and just after it told
  // its head.
  void OpenAndCrash(const CrashingDisk& disk, const Promise& promise) {
    auto journal = std::make_shared<ChangeJournal>();
    const CoreState* told = nullptr;
    {
      auto storage = std::make_unique<RecordingCoreStorage>(
          std::make_unique<MemoryCoreStorage>(disk.AllKept()), journal);
      Result<std::unique_ptr<Hypercore>> core = Hypercore::Open(std::move(storage));
      if (!core) {
        return;  // judged by the outcome "all kept"
      }
      told = Differs(**core, *promise.after) ? promise.before : promise.after;
    }
    CrashingDisk second = disk;
    for (std::size_t done = 0; done <= journal->size(); ++done) {
      Promise narrowed = promise;
      narrowed.where += ", opened again, crashed after change " + std::to_string(done) + " of " +
                        std::to_string(journal->size()) + " of the opening";
      if (done == journal->size()) {
        narrowed.after = told;
        narrowed.acknowledged = true;
      }
      second.ForEachOutcome(
          0, random_, [&](const std::shared_ptr<MemoryCoreFiles>& files, const std::string& what) {
            Expect(files, narrowed, what);
          });
      if (done < journal->size()) {
        second.Apply((*journal)[done]);
      }
    }
  }

  std::size_t subsets_;
  std::uint64_t seed_;
  std::mt19937_64 random_;
  std::uint64_t opened_ = 0;
};

TEST_F(CrashPrefixTest, LosesNothingAcknowledgedInTheScriptedWorkload) {
  CoreWorkload workload;
  workload.RunScript();
  CrashEverywhere(workload);
}

TEST_F(CrashPrefixTest, LosesNothingAcknowledgedInRandomWorkloads) {
  for (std::uint64_t i = 0; i < FromEnvironment("HNX_CRASH_WORKLOADS", 2); ++i) {
    CoreWorkload workload;
    workload.RunRandom(random(), kRandomSteps);
    CrashEverywhere(workload);
    if (HasFailure()) {
      break;
    }
  }
}

}  // namespace
}  // namespace hnx::hyper
