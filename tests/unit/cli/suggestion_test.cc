#include "cli/suggestion.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace hnx::cli {
namespace {

CommandInfo Example() {
  const auto option = [](const std::string& flag, const std::string& value) {
    OptionInfo info;
    info.flag = flag;
    info.value = value;
    return info;
  };
  CommandInfo retry;
  retry.name = "retry";
  retry.options = {option("--all", "")};
  CommandInfo failures;
  failures.name = "failures";
  failures.options = {option("--json", ""), option("--release", "UINT")};
  failures.commands = {retry};
  CommandInfo status;
  status.name = "status";
  status.options = {option("--json", "")};
  CommandInfo priority;
  priority.name = "priority";
  priority.positionals = {{"release", "", true, false}, {"priority", "", true, false}};
  CommandInfo program;
  program.name = "coordinator";
  program.options = {option("--log-level", "TEXT"), option("--config", "FILE")};
  program.commands = {failures, status, priority};
  return program;
}

std::string Explained(const std::vector<std::string>& words) {
  return ExplainUnknownWord(Example(), words).value_or("");
}

TEST(Suggestion, NamesTheNearestCommand) {
  EXPECT_EQ(Explained({"statsu"}), "coordinator has no command statsu; did you mean status?");
  EXPECT_EQ(Explained({"failures", "rety"}),
            "coordinator failures has no command rety; did you mean retry?");
}

TEST(Suggestion, NamesTheNearestOptionOfTheCommandAndOfThoseAbove) {
  EXPECT_EQ(Explained({"status", "--jsno"}),
            "coordinator status has no option --jsno; did you mean --json?");
  EXPECT_EQ(Explained({"status", "--log-levle=debug"}),
            "coordinator status has no option --log-levle; did you mean --log-level?");
  EXPECT_EQ(Explained({"failures", "retry", "--relaese", "3"}),
            "coordinator failures retry has no option --relaese; did you mean --release?");
}

TEST(Suggestion, SuggestsNothingThatIsFarOff) {
  EXPECT_EQ(Explained({"frobnicate"}), "coordinator has no command frobnicate");
  EXPECT_EQ(Explained({"status", "--x"}), "coordinator status has no option --x");
}

TEST(Suggestion, ValuesAndArgumentsAreNotLookedAt) {
  EXPECT_EQ(Explained({"--config", "statsu", "status"}), "");
  EXPECT_EQ(Explained({"failures", "--release", "--nonsense"}), "");
  EXPECT_EQ(Explained({"priority", "3", "-5"}), "");
  EXPECT_EQ(Explained({"status", "--", "--nonsense"}), "");
  EXPECT_EQ(Explained({}), "");
}

TEST(Suggestion, LongWordsCostNothing) {
  EXPECT_EQ(Nearest(std::string(1'000'000, 'a'), {"status"}), std::nullopt);
}

}  // namespace
}  // namespace hnx::cli
