#include "worker/data_directory.h"

#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace hnx::worker {
namespace {

namespace fs = std::filesystem;

class DataDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) / fmt::format("hnx-data-directory-{}", ::getpid());
    fs::remove_all(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  fs::path root_;
};

TEST_F(DataDirectoryTest, IsThereWhileNobodyTouchesIt) {
  const auto data = DataDirectory::Open(root_);
  ASSERT_TRUE(data.has_value());
  EXPECT_TRUE((*data)->CheckThere().has_value());
}

TEST_F(DataDirectoryTest, IsNotThereOnceItWasDeleted) {
  const auto data = DataDirectory::Open(root_);
  ASSERT_TRUE(data.has_value());
  fs::remove_all(root_);
  const auto there = (*data)->CheckThere();
  ASSERT_FALSE(there.has_value());
  EXPECT_EQ(there.error().code, ErrorCode::kDataLoss);
}

TEST_F(DataDirectoryTest, IsNotThereWhenOnlyItsDrivesWereDeletedOrReplaced) {
  const auto data = DataDirectory::Open(root_);
  ASSERT_TRUE(data.has_value());
  fs::rename(root_ / "drives", root_ / "aside");
  EXPECT_FALSE((*data)->CheckThere().has_value());
  fs::create_directory(root_ / "drives");
  EXPECT_FALSE((*data)->CheckThere().has_value());
}

TEST_F(DataDirectoryTest, IsNotThereWhenAnotherTookItsPlace) {
  const auto data = DataDirectory::Open(root_);
  ASSERT_TRUE(data.has_value());
  fs::rename(root_, root_.string() + ".aside");
  {
    const auto another = DataDirectory::Open(root_);
    ASSERT_TRUE(another.has_value());
    EXPECT_FALSE((*data)->CheckThere().has_value());
  }
  fs::remove_all(root_.string() + ".aside");
}

TEST_F(DataDirectoryTest, IsOneProcessesAlone) {
  const auto data = DataDirectory::Open(root_);
  ASSERT_TRUE(data.has_value());
  const auto second = DataDirectory::Open(root_);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kFailedPrecondition);
}

}  // namespace
}  // namespace hnx::worker
