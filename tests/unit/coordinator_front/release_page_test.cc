#include "coordinator/channel/release_page.h"

#include <gtest/gtest.h>

namespace hnx::coordinator {
namespace {

const std::string kHash(64, 'a');

std::string Row(const std::string& name, const std::string& size, const std::string& hash) {
  return "<tr><td><a href='/x/" + name + "'>" + name + "</a></td><td align='right'>" + size +
         "</td><td><tt>" + hash + "</tt></td></tr>";
}
std::string Page(const std::string& rows) {
  return "<html><body><h1>nixos</h1><table><thead><tr><th>File name</th><th>Size</th><th>SHA-256 "
         "hash</th></tr></thead><tbody>" +
         rows + "</tbody></table></body></html>";
}

TEST(ReleasePageTest, ReadsNameSizeAndHash) {
  const auto page = ParseReleasePage(
      Page(Row("git-revision", "40", kHash) + Row("store-paths.xz", "1,234,567", kHash)));
  ASSERT_TRUE(page.has_value()) << page.error().message;
  ASSERT_EQ(page->files.size(), 2U);
  EXPECT_EQ(page->files[1].name, "store-paths.xz");
  EXPECT_EQ(page->files[1].size_bytes, 1'234'567U);
  EXPECT_EQ(page->files[1].sha256[0], std::byte{0xaa});
}

TEST(ReleasePageTest, ReadsOtherSpellingsOfTheSameTable) {
  const auto page = ParseReleasePage(
      "<TABLE class=x>\n <TR\n>\n<TD>a&amp;b</TD></TR><TR><TD> <b>a.txt</b>\n<TD>5\n<TD>" +
      std::string(64, 'A') + "\n<TR></TABLE>");
  ASSERT_TRUE(page.has_value()) << page.error().message;
  ASSERT_EQ(page->files.size(), 1U);
  EXPECT_EQ(page->files[0].name, "a.txt");
}

TEST(ReleasePageTest, P12APageWithoutATableHasNoFiles) {
  for (const char* html : {"", "<html>moved</html>", "not html at all <", "<table></table>"}) {
    const auto page = ParseReleasePage(html);
    ASSERT_TRUE(page.has_value()) << html;
    EXPECT_TRUE(page->files.empty()) << html;
  }
}

TEST(ReleasePageTest, RefusesRowsThatLieOrCannotBeRead) {
  for (const std::string& row :
       {Row("a", "-1", kHash), Row("a", "", kHash), Row("a", "1e3", kHash),
        Row("a", "99999999999999999999999", kHash), Row("a", "1", kHash + "a"),
        Row("a", "1", std::string(64, 'g')), Row("../a", "1", kHash), Row("", "1", kHash),
        Row("a", "1", kHash) + Row("a", "2", kHash)}) {
    const auto page = ParseReleasePage(Page(row));
    ASSERT_FALSE(page.has_value()) << row;
    EXPECT_EQ(page.error().code, ErrorCode::kInvalidArgument) << row;
  }
}

TEST(ReleasePageTest, APageThatIsCutOffMayComeWholeNextTime) {
  const std::string html = Page(Row("a", "1", kHash) + Row("b", "2", kHash));
  const std::size_t table_end = html.find("</table");
  for (std::size_t length = html.find("<a href"); length < table_end; length += 7) {
    const auto page = ParseReleasePage(html.substr(0, length));
    EXPECT_FALSE(page.has_value() && !page->files.empty()) << html.substr(0, length);
  }
}

TEST(ReleasePageTest, StopsAtItsLimitOfFiles) {
  std::string rows;
  for (std::size_t i = 0; i <= kReleaseFilesMax; ++i) {
    rows += Row("f" + std::to_string(i), "1", kHash);
  }
  EXPECT_FALSE(ParseReleasePage(Page(rows)).has_value());
}

}  // namespace
}  // namespace hnx::coordinator
