#include "base/file.h"

#include <filesystem>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace hnx {
namespace {

using ::testing::HasSubstr;

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string pattern = ::testing::TempDir() + "/file_test.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~FileTest() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path Path(const std::string& name) const { return folder_ / name; }

  std::filesystem::path folder_;
};

TEST_F(FileTest, AMissingFileIsNotFoundAndNamesThePath) {
  const auto opened = OpenFile(Path("absent"), O_RDONLY);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(opened.error().message, HasSubstr("absent"));
}

TEST_F(FileTest, ReadingPastTheEndSaysHowFarTheFileReaches) {
  ASSERT_TRUE(WriteFileDurably(Path("short"), AsBytes("abc")).has_value());
  auto fd = OpenFile(Path("short"), O_RDONLY);
  ASSERT_TRUE(fd.has_value());
  Bytes out(4);
  const auto read = ReadAt(fd->get(), 0, out);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code, ErrorCode::kOutOfRange);
  EXPECT_THAT(read.error().message, HasSubstr("ends after 3"));
}

TEST_F(FileTest, AFileOverTheLimitIsNotRead) {
  ASSERT_TRUE(WriteFileDurably(Path("big"), AsBytes("0123456789")).has_value());
  const auto content = ReadWholeFile(Path("big"), 9);
  ASSERT_FALSE(content.has_value());
  EXPECT_EQ(content.error().code, ErrorCode::kResourceExhausted);
}

TEST_F(FileTest, WritingDurablyReplacesTheContentAndLeavesNoTemporaryFile) {
  ASSERT_TRUE(WriteFileDurably(Path("state"), AsBytes("old and longer")).has_value());
  ASSERT_TRUE(WriteFileDurably(Path("state"), AsBytes("new")).has_value());
  EXPECT_EQ(ReadWholeFile(Path("state"), 100).value(), "new");
  EXPECT_FALSE(std::filesystem::exists(Path("state.new")));
}

TEST_F(FileTest, AMovedDescriptorHasOneOwner) {
  UniqueFd first = std::move(OpenFile(Path("x"), O_RDWR | O_CREAT)).value();
  const int number = first.get();
  UniqueFd second = std::move(first);
  EXPECT_EQ(second.get(), number);
  EXPECT_FALSE(first.valid());  // NOLINT(bugprone-use-after-move): the moved-from state is the
                                // contract under test
}

}  // namespace
}  // namespace hnx
