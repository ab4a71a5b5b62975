// The accepted head that outlives a restart.
#include "worker/peers/accepted_file.h"

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

namespace hnx::worker {
namespace {

hyper::CoreHead Head(std::uint64_t length, std::uint8_t mark = 1) {
  hyper::CoreHead head;
  head.length = length;
  head.byte_length = length * 100;
  head.tree_hash.bytes.fill(std::byte{mark});
  if (length > 0) {
    head.signature.assign(64, std::byte{mark});
  }
  return head;
}

class AcceptedFileTest : public ::testing::Test {
 protected:
  AcceptedFileTest() {
    std::string name = (std::filesystem::temp_directory_path() / "hnx-accepted-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~AcceptedFileTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::filesystem::path folder_;
};

TEST_F(AcceptedFileTest, IsReadAsItWasWritten) {
  EXPECT_EQ(ReadAcceptedFile(folder_), std::nullopt);
  for (const auto& head :
       {hyper::SignedDriveHead{Head(1), Head(0)}, hyper::SignedDriveHead{Head(7), Head(900, 3)}}) {
    ASSERT_TRUE(WriteAcceptedFile(folder_, head));
    EXPECT_EQ(ReadAcceptedFile(folder_), head);
  }
}

TEST_F(AcceptedFileTest, WhatIsNotWholeIsNothing) {
  ASSERT_TRUE(WriteAcceptedFile(folder_, {Head(7), Head(9)}));
  std::string text;
  std::getline(std::ifstream(folder_ / "accepted-head"), text, '\0');
  for (std::size_t size = 0; size + 1 < text.size(); ++size) {
    std::ofstream(folder_ / "accepted-head") << text.substr(0, size);
    EXPECT_EQ(ReadAcceptedFile(folder_), std::nullopt) << size;
  }
}

TEST_F(AcceptedFileTest, OnlyThePastOfThisDriveCounts) {
  const hyper::SignedDriveHead now{Head(7), Head(9)};
  EXPECT_TRUE(IsPastOf(now, now));
  EXPECT_TRUE(IsPastOf({Head(6), Head(9)}, now));
  EXPECT_FALSE(IsPastOf({Head(8), Head(9)}, now)) << "the drive was restored from a copy";
  EXPECT_FALSE(IsPastOf({Head(7), Head(10)}, now));
  EXPECT_FALSE(IsPastOf({Head(7, 2), Head(9)}, now)) << "another drive";
  EXPECT_FALSE(IsPastOf({Head(0), Head(0)}, now));
}

}  // namespace
}  // namespace hnx::worker
