#include "cli/config_file.h"

#include <sstream>

#include <gtest/gtest.h>

namespace hnx::cli {
namespace {

Result<std::vector<ConfigEntry>> Parse(const std::string& text) {
  std::istringstream input(text);
  return ParseConfig(input);
}

TEST(ConfigFileTest, ReadsKeysSectionsCommentsAndQuotes) {
  const auto entries = Parse(
      "# a mirror\n\n"
      "data = /var/lib/a b   # the folder\r\n"
      "match=\"-a # b\" # quoted\n"
      "empty =\n"
      "[worker]\n"
      "  data = /w\n");
  ASSERT_TRUE(entries.has_value()) << entries.error().message;
  ASSERT_EQ(entries->size(), 4U);
  EXPECT_EQ((*entries)[0].key, "data");
  EXPECT_EQ((*entries)[0].value, "/var/lib/a b");
  EXPECT_EQ((*entries)[1].value, "-a # b");
  EXPECT_EQ((*entries)[2].value, "");
  EXPECT_EQ((*entries)[3].section, "worker");
  EXPECT_EQ((*entries)[3].line, 7);
}

TEST(ConfigFileTest, NamesTheLineThatItCannotRead) {
  for (const char* text : {"a = 1\nnonsense\n", "a = 1\n= 2\n", "a = 1\n[worker\n", "a = 1\n[]\n",
                           "a = 1\nb = \"open\n", "a = 1\nb = \"x\" y\n"}) {
    const auto entries = Parse(text);
    ASSERT_FALSE(entries.has_value()) << text;
    EXPECT_NE(entries.error().message.find("line 2"), std::string::npos) << entries.error().message;
  }
}

TEST(ConfigFileTest, StopsAtItsLimitOfLines) {
  EXPECT_FALSE(Parse(std::string(kConfigLinesMax + 1, '\n')).has_value());
}

}  // namespace
}  // namespace hnx::cli
