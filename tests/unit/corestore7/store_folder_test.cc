#include "corestore7/store_folder.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "core_fixture.h"
#include "scratch_folder.h"

namespace hnx::corestore7 {
namespace {

namespace fs = std::filesystem;

hyper::DriveKey Key(unsigned char fill) {
  std::array<std::byte, hyper::DriveKey::kBytes> bytes{};
  bytes.fill(std::byte{fill});
  return hyper::DriveKey(bytes);
}

class StoreFolderTest : public ::testing::Test {
 protected:
  fs::path folder() const { return scratch_.path() / "store"; }
  void Write(const fs::path& name, const std::string& content = "x") const {
    fs::create_directories((folder() / name).parent_path());
    std::ofstream(folder() / name) << content;
  }
  std::set<std::string> Names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(scratch_.path())) {
      names.insert(fs::relative(entry.path(), scratch_.path()).string());
    }
    return names;
  }
  ErrorCode Claim(unsigned char key = 7) const {
    const auto claimed = ClaimStoreFolder(folder(), Key(key));
    return claimed ? ErrorCode{} : claimed.error().code;
  }

  hyper::ScratchFolder scratch_;
};

TEST_F(StoreFolderTest, AMissingOrEmptyFolderBecomesOurs) {
  EXPECT_EQ(Claim(), ErrorCode{});
  EXPECT_EQ(Claim(), ErrorCode{});
  fs::remove_all(folder());
  fs::create_directories(folder());
  EXPECT_EQ(Claim(), ErrorCode{});
}

TEST_F(StoreFolderTest, WhatJavaScriptAddsChangesNothing) {
  ASSERT_EQ(Claim(), ErrorCode{});
  Write("CORESTORE");
  Write("db/000008.sst");
  EXPECT_EQ(Claim(), ErrorCode{});
}

TEST_F(StoreFolderTest, AClaimThatWasKilledIsMadeAgain) {
  fs::create_directories(folder() / "db");
  EXPECT_EQ(Claim(), ErrorCode{});
  fs::remove_all(folder());
  Write("db/exported-by-hyp.new", "hyper");
  EXPECT_EQ(Claim(), ErrorCode{});
}

TEST_F(StoreFolderTest, AnExportOfAnotherDriveIsRefused) {
  ASSERT_EQ(Claim(7), ErrorCode{});
  const auto names = Names();
  EXPECT_EQ(Claim(8), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(Names(), names);
}

TEST_F(StoreFolderTest, WhateverElseIsThereIsRefusedAndLeftAsItIs) {
  for (const char* other : {"notes.txt", "primary-key", "cores/aa/bb/x/oplog", "db/CURRENT",
                            "db/000004.log", ".hidden"}) {
    fs::remove_all(folder());
    Write(other);
    const auto names = Names();
    EXPECT_EQ(Claim(), ErrorCode::kFailedPrecondition) << other;
    EXPECT_EQ(Names(), names) << other;
  }
}

TEST_F(StoreFolderTest, AFileInItsPlaceIsRefused) {
  std::ofstream(folder()) << "x";
  EXPECT_EQ(Claim(), ErrorCode::kFailedPrecondition);
}

}  // namespace
}  // namespace hnx::corestore7
