// store-paths lists: P1 to P7 of the catalogue of bad inputs.
#include "nix/store_paths_list.h"

#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "inputs.h"
#include "nix/decompressor.h"

namespace hnx::nix {
namespace {

using testing::Describe;
using testing::PathOf;
using testing::ReasonWord;

struct Outcome {
  Result<StorePathsSummary> summary = InvalidArgument("not run");
  std::vector<std::string> paths;
};

Outcome Read(std::string_view text, std::size_t chunk = 0, const StorePathsLimits& limits = {}) {
  Outcome outcome;
  StorePathsList list(
      [&](const StorePath& path) {
        outcome.paths.push_back(path.ToString());
        return Result<void>{};
      },
      limits);
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view piece = text.substr(at, chunk == 0 ? text.size() : chunk);
    auto fed = list.Feed(AsBytes(piece));
    if (!fed.has_value()) {
      outcome.summary = fed.error();
      return outcome;
    }
    at += piece.size();
  }
  outcome.summary = list.Finish();
  return outcome;
}

void ExpectRefused(const std::string& text, std::string_view reason = "store-paths-invalid") {
  for (const std::size_t chunk : {std::size_t{0}, std::size_t{1}}) {
    const auto outcome = Read(text, chunk);
    EXPECT_EQ(ReasonWord(outcome.summary), reason) << text.substr(0, 80);
    if (!outcome.summary.has_value()) {
      EXPECT_EQ(outcome.summary.error().code, ErrorCode::kInvalidArgument);
    }
  }
}

std::string Line(char digit, std::string_view name) {
  return PathOf(digit, name).ToString() + "\n";
}

TEST(StorePathsListTest, ReadsASortedListInAnyChunks) {
  const std::string text = Line('1', "a") + Line('2', "b.drv") + Line('3', ".gitignore");
  for (const std::size_t chunk : std::initializer_list<std::size_t>{0, 1, 10}) {
    const auto outcome = Read(text, chunk);
    ASSERT_TRUE(outcome.summary.has_value()) << Describe(outcome.summary);
    EXPECT_EQ(outcome.paths.size(), 3U);
    EXPECT_EQ(outcome.summary->paths, 3U);
    EXPECT_TRUE(outcome.summary->sorted);
    EXPECT_TRUE(outcome.summary->final_newline);
    EXPECT_TRUE(outcome.summary->hashes_checked);
  }
}

TEST(StorePathsListTest, PassesTheReceiversErrorOn) {
  StorePathsList list([](const StorePath&) -> Result<void> { return Aborted("enough"); });
  const std::string text = Line('1', "a");
  const auto result = list.Feed(AsBytes(text));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kAborted);
}

TEST(StorePathsListTest, BadInputP01_LinesThatAreNotPlain) {
  const std::string good = Line('1', "a");
  const std::string path = PathOf('2', "b").ToString();
  ExpectRefused(good + path + "\r\n");
  ExpectRefused("\xef\xbb\xbf" + good);
  ExpectRefused(good + "\n" + Line('2', "b"));
  ExpectRefused("\n" + good);
  ExpectRefused(good + "\n");
  ExpectRefused(path + " \n");
  ExpectRefused(" " + path + "\n");
  ExpectRefused(path + std::string(1, '\0') + "\n");
  ExpectRefused(path + "\xc3\xa9\n");
}

TEST(StorePathsListTest, BadInputP02_NoFinalNewline) {
  const auto outcome = Read(Line('1', "a") + PathOf('2', "b").ToString());
  ASSERT_TRUE(outcome.summary.has_value()) << Describe(outcome.summary);
  EXPECT_EQ(outcome.paths.size(), 2U);
  EXPECT_FALSE(outcome.summary->final_newline);
}

TEST(StorePathsListTest, BadInputP03_DuplicatesAndDisorderAreASet) {
  const auto outcome = Read(Line('2', "b") + Line('2', "b") + Line('1', "a") + Line('2', "b"));
  ASSERT_TRUE(outcome.summary.has_value()) << Describe(outcome.summary);
  EXPECT_FALSE(outcome.summary->sorted);
  EXPECT_EQ(outcome.summary->duplicates, 2U);
  EXPECT_TRUE(outcome.summary->hashes_checked);
}

TEST(StorePathsListTest, BadInputP04_OneHashWithTwoNames) {
  ExpectRefused(Line('1', "a") + Line('1', "b"));
  ExpectRefused(Line('1', "a") + Line('2', "a") + Line('1', "b"));
}

TEST(StorePathsListTest, BadInputP04_ALongUnsortedListSaysThatItWasNotChecked) {
  StorePathsLimits limits;
  limits.remembered_lines_max = 2;
  const auto unsorted = Read(Line('3', "a") + Line('2', "a") + Line('1', "a"), 0, limits);
  ASSERT_TRUE(unsorted.summary.has_value());
  EXPECT_FALSE(unsorted.summary->hashes_checked);
  const auto sorted = Read(Line('1', "a") + Line('2', "a") + Line('3', "a"), 0, limits);
  ASSERT_TRUE(sorted.summary.has_value());
  EXPECT_TRUE(sorted.summary->hashes_checked);
}

TEST(StorePathsListTest, BadInputP05_LinesThatAreNoStorePath) {
  const std::string hash(32, '1');
  for (const std::string& line :
       {hash + "-a", std::string("../../etc/passwd"), "/nix/store/" + hash + "-a/bin",
        "/gnu/store/" + hash + "-a", "/nix/store/e" + hash.substr(1) + "-a",
        "/nix/store/A" + hash.substr(1) + "-a", "/nix/store/" + hash.substr(1) + "-a",
        "/nix/store/" + hash, "/nix/store/" + hash + "-", "/nix/store/" + hash + "a",
        "/nix/store/" + hash + "-" + std::string(212, 'n'), "/nix/store/" + hash + "-.",
        "/nix/store/" + hash + "-..-x", std::string("<html>")}) {
    ExpectRefused(Line('0', "ok") + line + "\n");
  }
  EXPECT_TRUE(Read("/nix/store/" + hash + "-" + std::string(211, 'n') + "\n").summary.has_value());
}

TEST(StorePathsListTest, BadInputP05_NamesTheLine) {
  const auto outcome = Read(Line('1', "a") + "junk\n");
  EXPECT_NE(outcome.summary.error().message.find("line 2"), std::string::npos);
}

TEST(StorePathsListTest, BadInputP06_EmptyList) {
  ExpectRefused("", "store-paths-empty");
  ExpectRefused("\n");
}

TEST(StorePathsListTest, BadInputP07_NotWhatItSays) {
  ExpectRefused("<html><body>404</body></html>\n");
  // 16 MiB without a newline: refused in the first chunk, never buffered.
  StorePathsList list([](const StorePath&) { return Result<void>{}; });
  const std::string piece(4096, 'a');
  EXPECT_EQ(ReasonWord(list.Feed(AsBytes(piece))), "store-paths-invalid");
  StorePathsLimits limits;
  limits.lines_max = 2;
  EXPECT_EQ(ReasonWord(Read(Line('1', "a") + Line('2', "a") + Line('3', "a"), 0, limits).summary),
            "store-paths-invalid");
}

TEST(StorePathsListTest, BadInputP07_DamagedXz) {
  const std::string xz = testing::Xz(Line('1', "a") + Line('2', "b"));
  const auto read = [](std::string_view body) -> Result<StorePathsSummary> {
    StorePathsList list([](const StorePath&) { return Result<void>{}; });
    HNX_ASSIGN_OR_RETURN(const auto decompressor, Decompressor::Create(Compression::kXz));
    const Sink sink = [&](ByteView bytes) { return list.Feed(bytes); };
    HNX_TRY(decompressor->Feed(AsBytes(body), sink));
    HNX_TRY(decompressor->Finish(sink));
    return list.Finish();
  };
  EXPECT_TRUE(read(xz).has_value());
  EXPECT_EQ(ReasonWord(read(xz.substr(0, xz.size() - 5))), "stream-truncated");
  EXPECT_EQ(ReasonWord(read(Line('1', "a"))), "stream-corrupt");
  EXPECT_EQ(ReasonWord(read("<html></html>")), "compression-mismatch");
  EXPECT_EQ(ReasonWord(read(testing::XzOfZeros(std::uint64_t{16} << 20U))), "store-paths-invalid");
}

}  // namespace
}  // namespace hnx::nix
