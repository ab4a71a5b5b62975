#include "cli/progress.h"

#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace hnx::cli {
namespace {

class ProgressTest : public ::testing::Test {
 protected:
  ProgressDisplay& Display(ProgressMode mode) {
    display_ = std::make_unique<ProgressDisplay>(
        mode, out_, [this] { return width_; }, clock_);
    return *display_;
  }
  // What was written since the last call.
  std::string Shown() {
    std::string text = out_.str();
    out_.str({});
    return text;
  }

  FakeClock clock_;
  std::size_t width_ = 80;
  std::ostringstream out_;
  std::unique_ptr<ProgressDisplay> display_;
};

std::vector<ProgressBar> Two(std::uint64_t done) {
  return {{"narinfos", done, 1000, ProgressUnit::kCount, {}},
          {"bytes", done << 20U, 1000U << 20U, ProgressUnit::kBytes, {}}};
}

TEST_F(ProgressTest, DrawsABarForEachCounter) {
  Display(ProgressMode::kBars).Update(Two(500));
  const std::string shown = Shown();
  EXPECT_NE(shown.find("narinfos [###"), std::string::npos) << shown;
  EXPECT_NE(shown.find("500 of 1,000 (50 %)"), std::string::npos) << shown;
  EXPECT_NE(shown.find("500.0 MiB of 1000.0 MiB (50 %)"), std::string::npos) << shown;
}

TEST_F(ProgressTest, RedrawsInPlaceAtMostTenTimesASecond) {
  ProgressDisplay& display = Display(ProgressMode::kBars);
  display.Update(Two(1));
  EXPECT_FALSE(Shown().empty());
  clock_.Advance(std::chrono::milliseconds(99));
  display.Update(Two(2));
  EXPECT_TRUE(Shown().empty());
  clock_.Advance(std::chrono::milliseconds(1));
  display.Update(Two(3));
  EXPECT_TRUE(Shown().starts_with("\x1b[1A\x1b[2K\x1b[1A\x1b[2K"));
}

TEST_F(ProgressTest, TellsRateAndTimeLeft) {
  ProgressDisplay& display = Display(ProgressMode::kBars);
  width_ = 120;
  display.Update(Two(0));
  clock_.Advance(std::chrono::seconds(10));
  Shown();
  display.Update(Two(500));
  const std::string shown = Shown();
  EXPECT_NE(shown.find("50/s, 10s left"), std::string::npos) << shown;
  EXPECT_NE(shown.find("50.0 MiB/s, 10s left"), std::string::npos) << shown;
}

TEST_F(ProgressTest, NeverWritesWiderThanTheTerminal) {
  ProgressDisplay& display = Display(ProgressMode::kBars);
  for (width_ = 0; width_ < 200; width_ += 7) {
    clock_.Advance(std::chrono::seconds(1));
    display.Update(Two(700));
    std::istringstream lines(Shown());
    for (std::string line; std::getline(lines, line);) {
      line.erase(0, line.rfind('K') == std::string::npos || line[0] != '\x1b'
                        ? 0
                        : line.rfind("\x1b[2K") + 4);
      EXPECT_LT(line.size(), std::max<std::size_t>(width_, 20)) << line;
    }
  }
}

TEST_F(ProgressTest, AMessageStaysAboveTheBars) {
  ProgressDisplay& display = Display(ProgressMode::kBars);
  display.Update(Two(1));
  Shown();
  display.Message("evil \x1b[2J upstream");
  const std::string shown = Shown();
  const std::size_t message = shown.find("evil ?[2J upstream\n");
  ASSERT_NE(message, std::string::npos) << shown;
  EXPECT_GT(shown.find("narinfos"), message);
}

TEST_F(ProgressTest, WritesALineNowAndThenIntoALog) {
  ProgressDisplay& display = Display(ProgressMode::kLines);
  display.Update(Two(1));
  EXPECT_EQ(Shown(), "narinfos 1 of 1,000 (0 %); bytes 1.0 MiB of 1000.0 MiB (0 %)\n");
  clock_.Advance(std::chrono::seconds(9));
  display.Update(Two(900));
  EXPECT_TRUE(Shown().empty());
  clock_.Advance(std::chrono::seconds(1));
  display.Update(Two(1000));
  EXPECT_FALSE(Shown().empty());
}

TEST_F(ProgressTest, FinishShowsTheLastStateOnce) {
  ProgressDisplay& display = Display(ProgressMode::kLines);
  display.Update(Two(1));
  display.Update(Two(1000));
  Shown();
  display.Finish();
  EXPECT_NE(Shown().find("1,000 of 1,000 (100 %)"), std::string::npos);
  display.Finish();
  EXPECT_TRUE(Shown().empty());
}

TEST_F(ProgressTest, SpeaksJsonToPrograms) {
  ProgressDisplay& display = Display(ProgressMode::kJson);
  display.Update({{"bad \xff label", 1, 2, ProgressUnit::kBytes, "note"}});
  display.Message("done");
  std::istringstream lines(Shown());
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  const auto progress = nlohmann::json::parse(line).at("progress").at(0);
  EXPECT_EQ(progress.at("done"), 1);
  EXPECT_EQ(progress.at("unit"), "bytes");
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(nlohmann::json::parse(line).at("message"), "done");
}

TEST(ProgressModeTest, JsonWinsAndAFileIsNoTerminal) {
  EXPECT_EQ(ChooseProgressMode(true, 2), ProgressMode::kJson);
  EXPECT_EQ(ChooseProgressMode(false, -1), ProgressMode::kLines);
}

}  // namespace
}  // namespace hnx::cli
