#include "worker/scrub/scrub_state.h"

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "base/file.h"

namespace hnx::worker {
namespace {

class ScrubStateTest : public testing::Test {
 protected:
  ScrubStateTest() {
    std::string name = (std::filesystem::temp_directory_path() / "scrub-state-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~ScrubStateTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::filesystem::path file() const { return folder_ / "scrub"; }

  std::filesystem::path folder_;
};

TEST_F(ScrubStateTest, KnowsAfterARestartWhereARoundStood) {
  ScrubState state(file());
  DriveScrubState& drive = state.drives()["one"];
  drive.seen_ms = 17;
  drive.whole_ms = 18;
  drive.round = ScrubRound{.ask = 4,
                           .part = ScrubRound::Part::kNars,
                           .block = 99,
                           .file = "abc.nar.xz",
                           .counts = {1, 2, 3, 4, 5, 6}};
  state.drives()["two"].seen_ms = 20;
  ASSERT_TRUE(state.Save().has_value());

  ScrubState again(file());
  again.Load();
  ASSERT_EQ(again.drives().size(), 2U);
  EXPECT_EQ(again.drives().at("one").round, state.drives().at("one").round);
  EXPECT_EQ(again.drives().at("one").whole_ms, 18);
  EXPECT_FALSE(again.drives().at("two").round.has_value());
}

TEST_F(ScrubStateTest, BeginsAnewWithAFileThatIsMissingOrSaysNothing) {
  ScrubState state(file());
  state.Load();
  EXPECT_TRUE(state.drives().empty());
  for (const char* text : {"", "{", "[]", R"({"version":2,"drives":{}})",
                           R"({"version":1,"drives":{"one":{"seen_ms":"x"}}})"}) {
    ASSERT_TRUE(WriteFileDurably(file(), AsBytes(std::string_view(text))).has_value());
    state.drives()["left"] = {};
    state.Load();
    EXPECT_TRUE(state.drives().empty()) << text;
  }
}

}  // namespace
}  // namespace hnx::worker
