// The real program, killed at named instructions and started again.
#include <csignal>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "nix/hash.h"
#include "worker/index_key.h"
#include "worker_fixture.h"

namespace hnx::test {
namespace {

using State = FakeCoordinator::State;

class CrashTest : public WorkerTest {
 protected:
  ~CrashTest() override { Kill(); }

  // Starts `worker run`; with `crash_at` it kills itself there.
  void Launch(const std::string& crash_at, const std::vector<std::string>& more = {}) {
    const char* bin = std::getenv("HNX_BIN_DIR");
    ASSERT_NE(bin, nullptr) << "run by ctest";
    std::vector<std::string> words = {std::string(bin) + "/worker",
                                      "run",
                                      "--data",
                                      options_.data,
                                      "--coordinator",
                                      options_.coordinators.front(),
                                      "--disk-reserve",
                                      "0",
                                      "--log-level",
                                      "error"};
    words.insert(words.end(), more.begin(), more.end());
    std::vector<char*> arguments;
    for (std::string& word : words) {
      arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    child_ = ::fork();
    if (child_ == 0) {
      if (!crash_at.empty()) {
        ::setenv("HNX_CRASH_AT", crash_at.c_str(), 1);
      }
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
  }
  int Wait() {
    int status = 0;
    ::waitpid(child_, &status, 0);
    child_ = -1;
    return status;
  }
  void Kill() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      (void)Wait();
    }
  }

  pid_t child_ = -1;
};

class MirrorCrashTest : public CrashTest, public testing::WithParamInterface<std::string> {};

TEST_P(MirrorCrashTest, LosesNothingAndStoresNothingTwice) {
  std::vector<SampleNar> nars;
  std::vector<pb::NarUnit> units;
  for (std::uint64_t i = 0; i < 20; ++i) {
    nars.push_back(MakeNar(3000 + i, i % 5 == 0 ? 2'000'000 : 4000 + i));
    units.push_back(Serve(nars.back()));
  }
  coordinator_.AddJob(units);
  Launch(GetParam());
  const int status = Wait();
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  std::uint64_t killed = 0;
  coordinator_.With([&](FakeCoordinator::State& state) { killed = state.nonce; });
  Launch("");
  // All may have been reported before: the signal is for a process that is at work.
  ASSERT_TRUE(coordinator_.WaitFor(
      [&](const FakeCoordinator::State& state) { return state.nonce != killed; }));
  ASSERT_TRUE(coordinator_.AllVerdicts());
  ::kill(child_, SIGTERM);
  const int left = Wait();
  EXPECT_TRUE(WIFEXITED(left) && WEXITSTATUS(left) == 0) << left;
  const auto files = FilesOnDisk();
  EXPECT_EQ(files.size(), nars.size());
  for (const SampleNar& nar : nars) {
    EXPECT_EQ(coordinator_.Copies(nar.name), 1U);
    EXPECT_EQ(files.at(nar.name), 1);
    EXPECT_EQ(Stored(nar.name), nar.file);
  }
}

INSTANTIATE_TEST_SUITE_P(Points, MirrorCrashTest,
                         testing::Values("worker.before_append", "worker.before_append:9",
                                         "worker.after_append:7", "worker.after_append:20",
                                         "worker.after_commit", "worker.after_commit:2",
                                         "worker.before_report", "worker.before_report:4"));

class IndexCrashTest : public CrashTest, public testing::WithParamInterface<std::string> {};

TEST_P(IndexCrashTest, AppendsEachBatchOnce) {
  const std::string key_file = folder_ / "index.key";
  ASSERT_TRUE(worker::CreateIndexKeyFile(key_file).has_value());
  coordinator_.With([](State& state) {
    for (int batch = 0; batch < 3; ++batch) {
      std::vector<pb::PublishOperation> operations;
      for (int i = 0; i < 50; ++i) {
        const std::string text = std::to_string(batch * 1000 + i);
        pb::PublishOperation put;
        put.mutable_put()->set_path("/" + text + ".narinfo");
        put.mutable_put()->set_size(text.size());
        put.mutable_put()->set_sha256(ToString(nix::Sha256::Of(AsBytes(text))));
        put.mutable_put()->set_data(text);
        operations.push_back(put);
      }
      state.batches.push_back(operations);
    }
  });
  const std::vector<std::string> role = {"--role", "index", "--index-key-file", key_file};
  Launch(GetParam(), role);
  const int status = Wait();
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  Launch("", role);
  ASSERT_TRUE(coordinator_.WaitFor([](const State& s) { return s.batches_accepted == 3; }));
  ::kill(child_, SIGTERM);
  (void)Wait();
  coordinator_.With([](State& state) {
    // One block for the tree's header and one for each file.
    EXPECT_EQ(state.drives.begin()->second.recorded.db_length(), 151U);
    EXPECT_EQ(state.drives.begin()->second.recorded.content_length(), 150U);
  });
}

INSTANTIATE_TEST_SUITE_P(Points, IndexCrashTest,
                         testing::Values("index.after_apply", "index.after_apply:2",
                                         "index.after_commit", "index.after_commit:3"));

TEST_F(CrashTest, ANewerIncarnationEndsItWithItsOwnExitCode) {
  coordinator_.With([](State& state) { state.incarnation = 1'000; });
  Launch("");
  const int status = Wait();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 5) << status;
}

}  // namespace
}  // namespace hnx::test
