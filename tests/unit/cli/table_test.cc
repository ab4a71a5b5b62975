#include "cli/table.h"

#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "cli/terminal.h"

namespace hnx::cli {
namespace {

std::string Printed(Table& table) {
  std::ostringstream out;
  table.Print(out);
  return out.str();
}

TEST(Table, AlignsColumnsOnATerminal) {
  Table table({{"NAME"}, {"BYTES", Align::kRight}, {"STATE"}}, 80);
  table.Add({"a", "1", "open"});
  table.Add({"longer", "12345", ""});
  EXPECT_EQ(Printed(table),
            "NAME    BYTES  STATE\n"
            "a           1  open\n"
            "longer  12345  -\n");
}

TEST(Table, CutsTheWidestColumnToTheTerminal) {
  Table table({{"NAME"}, {"REASON"}}, 24);
  table.Add({"rack2", "a reason that nobody could read on so narrow a screen"});
  std::istringstream lines(Printed(table));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(DisplayWidth(line), 24U) << line;
  }
  table.Add({"rack2", "a reason that nobody could read on so narrow a screen"});
  EXPECT_EQ(Printed(table), "rack2  a reason that no\u2026\n");
}

TEST(Table, CutsBetweenCharactersAndNeverBelowWhatCanBeRead) {
  Table table({{"A"}, {"B"}, {"C"}}, 10);
  table.Add({"\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4", "0123456789", "x"});
  EXPECT_EQ(Printed(table),
            "A         B         C\n"
            "\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4\u2026  0123456\u2026  x\n");
}

TEST(Table, IsOneLineARowInAPipeWithNothingCut) {
  const std::string reason(300, 'r');
  Table table({{"NAME"}, {"REASON"}}, std::nullopt);
  table.Add({"rack2", reason}, {"paused: inspection", "away"});
  table.Add({"", "b"});
  EXPECT_EQ(Printed(table),
            "NAME\tREASON\tNOTE\n"
            "rack2\t" +
                reason +
                "\tpaused: inspection; away\n"
                "-\tb\t-\n");
}

TEST(Table, RemarksStandBelowTheirRowOnATerminal) {
  Table table({{"NAME"}}, 20);
  table.Add({"rack2"}, {"a remark that is longer than the terminal is wide"});
  EXPECT_EQ(Printed(table), "NAME\nrack2\n    a remark that is longer than the terminal is wide\n");
}

TEST(Table, NeitherControlsNorTabsComeThrough) {
  Table table({{"NAME"}}, std::nullopt);
  table.Add({"a\x1b[2Jb\tc\nd"}, {"e\tf"});
  EXPECT_EQ(Printed(table), "NAME\tNOTE\na?[2Jb c?d\te f\n");
}

TEST(Table, TitlesComeOnce) {
  Table table({{"NAME"}}, std::nullopt);
  table.Add({"a"});
  EXPECT_EQ(Printed(table), "NAME\tNOTE\na\t-\n");
  table.Add({"b"});
  EXPECT_EQ(Printed(table), "b\t-\n");
}

TEST(Table, SaysSoOnATerminalWhenThereIsNothing) {
  Table shown({{"NAME"}}, 80);
  std::ostringstream terminal;
  shown.Finish(terminal, "Nothing failed.");
  EXPECT_EQ(terminal.str(), "Nothing failed.\n");
  Table piped({{"NAME"}}, std::nullopt);
  std::ostringstream pipe;
  piped.Finish(pipe, "Nothing failed.");
  EXPECT_EQ(pipe.str(), "NAME\tNOTE\n");
}

}  // namespace
}  // namespace hnx::cli
