// The bridge is played by a shell script in the place of node.
#include "swarm/swarm_bridge.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "cli/environment.h"

namespace hnx::swarm {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kPatience{60};

class SwarmBridgeTest : public ::testing::Test {
 protected:
  SwarmBridgeTest() {
    std::string name = ::testing::TempDir() + "/hnx-swarm-test-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    path_ = cli::EnvironmentVariable("PATH").value_or("");
  }
  ~SwarmBridgeTest() override {
    SetVariable("PATH", path_);
    fs::remove_all(folder_);
  }

  static void SetVariable(const char* name, const std::string& value) {
    ASSERT_EQ(::setenv(name, value.c_str(), 1), 0);
  }

  // A node that writes a line for each start and goes on as `script` says.
  void PutNode(const std::string& script) {
    const fs::path node = folder_ / "node";
    std::ofstream(node) << "#!/bin/sh\necho \"$$ $*\" >>" << (folder_ / "starts").string() << '\n'
                        << script << '\n';
    fs::permissions(node, fs::perms::owner_all);
    SetVariable("PATH", folder_.string() + ":" + path_);
  }

  std::vector<std::string> Starts() const {
    std::vector<std::string> lines;
    std::ifstream file(folder_ / "starts");
    for (std::string line; std::getline(file, line);) {
      lines.push_back(line);
    }
    return lines;
  }

  template <class Condition>
  static bool Until(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) {
        return false;
      }
      std::this_thread::yield();
    }
    return true;
  }

  static pid_t PidOf(const std::string& line) { return std::stoi(line); }
  static bool Runs(pid_t pid) { return ::kill(pid, 0) == 0; }

  SwarmOptions Options() const {
    return {.swarm = "on", .program = "the-bridge.mjs", .bootstrap = {"127.0.0.1:4711"}};
  }

  fs::path folder_;
  std::string path_;
};

TEST_F(SwarmBridgeTest, TellsTheBridgeWhereItIsLetInAndWhichDhtItIs) {
  PutNode("exec sleep 1000");
  const auto bridge = SwarmBridge::Start(Options());
  ASSERT_TRUE(bridge.has_value()) << bridge.error().message;
  ASSERT_TRUE(Until([&] { return Starts().size() == 1; }));
  const std::string line = Starts().front();
  EXPECT_THAT(line, HasSubstr("the-bridge.mjs --socket " + (*bridge)->socket()));
  EXPECT_THAT(line, HasSubstr("--bootstrap 127.0.0.1:4711"));
}

TEST_F(SwarmBridgeTest, ABridgeThatWasKilledIsStartedAgain) {
  PutNode("exec sleep 1000");
  const auto bridge = SwarmBridge::Start(Options());
  ASSERT_TRUE(bridge.has_value()) << bridge.error().message;
  ASSERT_TRUE(Until([&] { return Starts().size() == 1; }));
  ASSERT_EQ(::kill(PidOf(Starts().front()), SIGKILL), 0);
  EXPECT_TRUE(Until([&] { return Starts().size() == 2; }));
}

TEST_F(SwarmBridgeTest, ABridgeThatEndsAtOnceIsStartedAgainUntilItsOwnerGoes) {
  PutNode("exit 1");
  auto bridge = SwarmBridge::Start(Options());
  ASSERT_TRUE(bridge.has_value()) << bridge.error().message;
  ASSERT_TRUE(Until([&] { return Starts().size() >= 2; }));
  bridge->reset();  // returns, whether one runs or the next is waited for
}

TEST_F(SwarmBridgeTest, TheBridgeAndItsSocketFolderGoWithTheirOwner) {
  PutNode("exec sleep 1000");
  auto bridge = SwarmBridge::Start(Options());
  ASSERT_TRUE(bridge.has_value()) << bridge.error().message;
  ASSERT_TRUE(Until([&] { return Starts().size() == 1; }));
  const fs::path folder = fs::path((*bridge)->socket()).parent_path();
  EXPECT_TRUE(fs::is_directory(folder));
  bridge->reset();
  EXPECT_FALSE(Runs(PidOf(Starts().front())));
  EXPECT_FALSE(fs::exists(folder));
}

TEST_F(SwarmBridgeTest, OurOwnVariablesAreNotTheBridges) {
  SetVariable("HNX_LOG_LEVEL", "nonsense");
  PutNode("env >" + (folder_ / "environment.new").string() + "; mv " +
          (folder_ / "environment.new").string() + " " + (folder_ / "environment").string() +
          "; exec sleep 1000");
  const auto bridge = SwarmBridge::Start(Options());
  ASSERT_TRUE(bridge.has_value()) << bridge.error().message;
  const bool written = Until([&] { return fs::exists(folder_ / "environment"); });
  ::unsetenv("HNX_LOG_LEVEL");
  ASSERT_TRUE(written);
  std::ifstream file(folder_ / "environment");
  const std::string variables{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(variables, HasSubstr("PATH="));
  EXPECT_THAT(variables, Not(HasSubstr("HNX_")));
}

TEST_F(SwarmBridgeTest, WithoutNodeItSaysWhatToDo) {
  SetVariable("PATH", folder_.string());
  const auto bridge = SwarmBridge::Start(Options());
  ASSERT_FALSE(bridge.has_value());
  EXPECT_THAT(bridge.error().message, HasSubstr("--swarm off"));
}

TEST_F(SwarmBridgeTest, ASocketForOthersBridgesStartsNone) {
  PutNode("exec sleep 1000");
  auto bridge = SwarmBridge::Start({.swarm = "./some.sock", .program = {}, .bootstrap = {}});
  ASSERT_TRUE(bridge.has_value()) << bridge.error().message;
  EXPECT_EQ((*bridge)->socket(), "./some.sock");
  bridge->reset();
  EXPECT_TRUE(Starts().empty());
}

TEST(SwarmOptionsTest, NoBridgeOfItsOwnWhenPeersAreNamed) {
  SwarmOptions options;
  EXPECT_TRUE(options.Wanted(false));
  EXPECT_FALSE(options.Wanted(true));
  options.swarm = "on";
  EXPECT_TRUE(options.Wanted(true));
  options.swarm = "off";
  EXPECT_FALSE(options.Wanted(false));
}

TEST(SwarmOptionsTest, AMistypedWordIsNoSocket) {
  SwarmOptions options;
  CLI::App app;
  options.AddTo(app);
  EXPECT_THROW(app.parse("--swarm onn"), CLI::ValidationError);
  EXPECT_NO_THROW(app.parse("--swarm ./onn"));
}

}  // namespace
}  // namespace hnx::swarm
