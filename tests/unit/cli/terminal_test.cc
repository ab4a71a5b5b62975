#include "cli/terminal.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/json_text.h"

namespace hnx::cli {
namespace {

TEST(TerminalTest, CutsAtCharactersAndNeverInside) {
  EXPECT_EQ(CutToWidth("päth", 2), "pä");
  EXPECT_EQ(CutToWidth("päth", 9), "päth");
  EXPECT_EQ(CutToWidth("päth", 0), "");
  EXPECT_EQ(DisplayWidth("päth"), 4U);
}

TEST(TerminalTest, DisarmsEscapeSequences) {
  EXPECT_EQ(Printable("a\x1b[2Jb\r\n\x7f"), "a?[2Jb???");
}

TEST(JsonLineTest, SurvivesBytesThatAreNoText) {
  EXPECT_EQ(JsonLine({{"name", "a\xff\n"}}), "{\"name\":\"a\xef\xbf\xbd\\n\"}");
}

}  // namespace
}  // namespace hnx::cli
