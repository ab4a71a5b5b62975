#include "cli/option.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "cli/program.h"

namespace hnx::cli {
namespace {

class OptionTest : public ::testing::Test {
 protected:
  ~OptionTest() override {
    for (const char* name : {"HNX_GATEWAY_LISTEN", "HNX_MATCH", "HNX_QUIET", "HNX_CACHE_SIZE"}) {
      ::unsetenv(name);
    }
    std::filesystem::remove(file_);
  }

  // The exit status of `gateway <arguments>` with commands serve and check.
  int Run(const std::vector<std::string>& arguments) {
    Program program("gateway", "Serves.");
    CLI::App& serve = program.AddCommand("serve", "Run", [this] {
      served_ = true;
      return ExitCode::kOk;
    });
    AddOption(serve, "--gateway-listen", listen_, "Where");
    AddOption(serve, "--match", match_, "Names");
    AddFlag(serve, "--quiet", quiet_, "Say less");
    AddSize(serve, "--cache-size", cache_size_, "How much");
    AddDuration(serve, "--grace", grace_, "How long");
    CLI::App& check = program.AddCommand("check", "Check", [] { return ExitCode::kPartial; });
    AddOption(check, "--depth", depth_, "How deep");
    std::vector<const char*> argv{"gateway"};
    for (const std::string& argument : arguments) {
      argv.push_back(argument.c_str());
    }
    return program.Main(static_cast<int>(argv.size()), argv.data());
  }

  std::string WriteConfig(const std::string& text) {
    std::ofstream(file_) << text;
    return file_.string();
  }

  const std::filesystem::path file_ =
      std::filesystem::temp_directory_path() / ("hnx_option_test." + std::to_string(::getpid()));
  std::string listen_ = "default";
  std::vector<std::string> match_;
  bool quiet_ = false;
  std::uint64_t cache_size_ = 1024;
  std::chrono::milliseconds grace_{1000};
  int depth_ = 1;
  bool served_ = false;
};

TEST_F(OptionTest, KeepsTheDefaultWhenNobodySaysOtherwise) {
  EXPECT_EQ(Run({"serve"}), 0);
  EXPECT_TRUE(served_);
  EXPECT_EQ(listen_, "default");
  EXPECT_EQ(cache_size_, 1024U);
}

TEST_F(OptionTest, TakesTheFileThenTheEnvironmentThenTheCommandLine) {
  const std::string config = WriteConfig("gateway-listen = file\n");
  EXPECT_EQ(Run({"--config", config, "serve"}), 0);
  EXPECT_EQ(listen_, "file");
  ::setenv("HNX_GATEWAY_LISTEN", "environment", 1);
  EXPECT_EQ(Run({"--config", config, "serve"}), 0);
  EXPECT_EQ(listen_, "environment");
  EXPECT_EQ(Run({"serve", "--config", config, "--gateway-listen", "flag"}), 0);
  EXPECT_EQ(listen_, "flag");
}

TEST_F(OptionTest, ListsTakeSeveralFlagsKeysOrLines) {
  EXPECT_EQ(Run({"serve", "--match", "a b", "--match", "c"}), 0);
  EXPECT_EQ(match_, (std::vector<std::string>{"a b", "c"}));
  EXPECT_EQ(Run({"--config", WriteConfig("match = a b\nmatch = d\n"), "serve"}), 0);
  EXPECT_EQ(match_, (std::vector<std::string>{"a b", "d"}));
  ::setenv("HNX_MATCH", "x y\nz", 1);
  EXPECT_EQ(Run({"serve"}), 0);
  EXPECT_EQ(match_, (std::vector<std::string>{"x y", "z"}));
}

TEST_F(OptionTest, ReadsSizesDurationsAndSwitchesEverywhere) {
  ::setenv("HNX_CACHE_SIZE", "2MiB", 1);
  EXPECT_EQ(Run({"--config", WriteConfig("quiet = true\n"), "serve", "--grace", "2m"}), 0);
  EXPECT_EQ(cache_size_, 2U << 20U);
  EXPECT_TRUE(quiet_);
  EXPECT_EQ(grace_, std::chrono::minutes(2));
}

TEST_F(OptionTest, AFileServesSeveralProgramsAndCommands) {
  const std::string config = WriteConfig(
      "gateway-listen = common\ndepth = 7\n[worker]\nunknown-here = 1\n[gateway]\nquiet = yes\n");
  EXPECT_EQ(Run({"--config", config, "serve"}), 0);
  EXPECT_EQ(listen_, "common");
  EXPECT_TRUE(quiet_);
  EXPECT_EQ(depth_, 1) << "an option of a command that does not run";
}

TEST_F(OptionTest, WrongUseExitsWithItsOwnCode) {
  constexpr int kUsage = static_cast<int>(ExitCode::kUsage);
  EXPECT_EQ(Run({}), kUsage);
  EXPECT_EQ(Run({"dance"}), kUsage);
  EXPECT_EQ(Run({"serve", "--no-such-option"}), kUsage);
  EXPECT_EQ(Run({"serve", "--cache-size", "big"}), kUsage);
  EXPECT_EQ(Run({"serve", "--grace", "30"}), kUsage);
  EXPECT_EQ(Run({"--config", "/no/such/file", "serve"}), kUsage);
  EXPECT_EQ(Run({"--config", WriteConfig("gatway-listen = typo\n"), "serve"}), kUsage);
  EXPECT_EQ(Run({"--config", WriteConfig("nonsense\n"), "serve"}), kUsage);
  ::setenv("HNX_CACHE_SIZE", "big", 1);
  EXPECT_EQ(Run({"serve"}), kUsage);
  EXPECT_FALSE(served_);
}

TEST_F(OptionTest, TheCommandsCodeBecomesTheExitStatus) {
  EXPECT_EQ(Run({"check"}), 3);
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_EQ(Run({"serve", "--help"}), 0);
}

TEST(EnvironmentNameTest, IsTheFlagInCapitals) {
  EXPECT_EQ(EnvironmentName("--gateway-listen"), "HNX_GATEWAY_LISTEN");
}

}  // namespace
}  // namespace hnx::cli
