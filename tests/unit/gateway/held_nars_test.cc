#include "gateway/far/held_nars.h"

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

namespace hnx::gateway {
namespace {

class HeldNarsTest : public ::testing::Test {
 protected:
  HeldNarsTest() {
    std::string name = (std::filesystem::temp_directory_path() / "hnx-held-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    Open();
  }
  ~HeldNarsTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  void Open() {
    held_.reset();
    auto opened = HeldNars::Open(folder_ / "held");
    ASSERT_TRUE(opened) << opened.error().message;
    held_ = *std::move(opened);
  }
  static HeldNar Blob(std::uint64_t number) {
    std::array<std::byte, hyper::DriveKey::kBytes> key{};
    key.fill(std::byte{7});
    return {hyper::DriveKey(key), {number, 1, number * 100, 100}};
  }
  std::vector<HeldNar> Blobs(std::initializer_list<std::uint64_t> numbers) {
    std::vector<HeldNar> blobs;
    for (const auto number : numbers) {
      blobs.push_back(Blob(number));
    }
    return blobs;
  }

  std::filesystem::path folder_;
  std::unique_ptr<HeldNars> held_;
};

TEST_F(HeldNarsTest, WhatWasNotUsedForLongestGoesFirst) {
  for (const std::uint64_t number : {1U, 2U, 3U, 1U}) {
    held_->Use(Blob(number));
  }
  EXPECT_EQ(held_->bytes(), 300U);
  EXPECT_EQ(held_->Beyond(300), Blobs({}));
  EXPECT_EQ(held_->Beyond(299), Blobs({2}));
  EXPECT_EQ(held_->Beyond(100), Blobs({2, 3}));
  EXPECT_EQ(held_->Beyond(0), Blobs({2, 3, 1}));
}

TEST_F(HeldNarsTest, WhatIsPinnedStaysAsOftenAsItIsPinned) {
  held_->Use(Blob(1));
  held_->Use(Blob(2));
  held_->Pin(Blob(1));
  held_->Pin(Blob(1));
  held_->Unpin(Blob(1));
  EXPECT_EQ(held_->Beyond(0), Blobs({2}));
  held_->Unpin(Blob(1));
  held_->Unpin(Blob(1));
  EXPECT_EQ(held_->Beyond(100), Blobs({1}));
}

TEST_F(HeldNarsTest, ItIsKnownAgainAfterARestart) {
  for (const std::uint64_t number : {1U, 2U, 3U, 1U}) {
    held_->Use(Blob(number));
  }
  held_->Forget(Blob(3));
  Open();
  EXPECT_EQ(held_->bytes(), 200U);
  EXPECT_EQ(held_->Beyond(0), Blobs({2, 1}));
}

TEST_F(HeldNarsTest, LinesThatAreCutOffOrForeignAreLeftOut) {
  held_->Use(Blob(1));
  const std::string id = Blob(1).drive.id();
  std::ofstream(folder_ / "held", std::ios::app) << "+ " << id << " 1 2\n"
                                                 << "? " << id << " 5 1 500 100\n"
                                                 << "+ nokey 5 1 500 100\n"
                                                 << "+ " << id << " 5 1 500 100 9\n"
                                                 << "+ " << id << " 5 1 500 99999999999999999999\n"
                                                 << std::string(10'000, '+') << "\n"
                                                 << "+ " << id << " 2 1 200 100\n"
                                                 << "+ " << id << " 3 1 30";
  Open();
  EXPECT_EQ(held_->Beyond(0), Blobs({1, 2}));
}

TEST_F(HeldNarsTest, TheFileDoesNotGrowWithTheUses) {
  for (int i = 0; i < 30'000; ++i) {
    held_->Use(Blob(static_cast<std::uint64_t>(i % 2)));
  }
  EXPECT_LT(std::filesystem::file_size(folder_ / "held"), 2'000'000U);
  Open();
  EXPECT_EQ(held_->count(), 2U);
}

TEST_F(HeldNarsTest, FilesAreRememberedBesideBlobs) {
  const HeldNar file = HeldNar::File("hash-file.nar", 50);
  held_->Use(Blob(1));
  held_->Use(file);
  held_->Use(HeldNar::File("gone.nar", 70));
  held_->Forget(HeldNar::File("gone.nar", 70));
  Open();
  EXPECT_EQ(held_->bytes(), 150U);
  EXPECT_EQ(held_->Files(), std::vector{file});
  EXPECT_EQ(held_->Beyond(0), (std::vector{Blob(1), file}));
}

TEST_F(HeldNarsTest, NamesThatLeadElsewhereAreNotBelieved) {
  std::ofstream(folder_ / "held") << "+ file ../../etc/passwd 7\n+ file .hidden 7\n+ file good 7\n";
  Open();
  EXPECT_EQ(held_->Files(), std::vector{HeldNar::File("good", 7)});
}

}  // namespace
}  // namespace hnx::gateway
