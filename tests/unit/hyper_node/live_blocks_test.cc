// Which blocks the entries of a version reach.
#include "hyper/node/live_blocks.h"

#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace hnx::hyper {
namespace {

BlobId Blob(std::uint64_t offset, std::uint64_t length) {
  BlobId blob;
  blob.block_offset = offset;
  blob.block_length = length;
  return blob;
}

TEST(LiveBlocks, TellsRunsOfLiveBlocksAndOfOthers) {
  auto live = LiveBlocks::Make(20);
  ASSERT_TRUE(live.has_value());
  ASSERT_TRUE(live->Add(Blob(5, 3)).has_value());
  ASSERT_TRUE(live->Add(Blob(2, 3)).has_value());
  ASSERT_TRUE(live->Add(Blob(12, 1)).has_value());
  ASSERT_TRUE(live->Add(Blob(20, 0)).has_value()) << "an empty file";
  EXPECT_EQ(live->end(), 13U);
  std::vector<std::pair<std::uint64_t, bool>> ends;
  for (BlockIndex at(0); at < live->length();) {
    const LiveBlocks::Run run = live->RunAt(at, 4);
    ends.emplace_back(run.blocks.end.value(), run.live);
    at = run.blocks.end;
  }
  EXPECT_EQ(
      ends,
      (std::vector<std::pair<std::uint64_t, bool>>{
          {2, false}, {6, true}, {8, true}, {12, false}, {13, true}, {17, false}, {20, false}}));
}

TEST(LiveBlocks, ABlobBeyondTheCoreHasToBeWaitedFor) {
  auto live = LiveBlocks::Make(10);
  ASSERT_TRUE(live.has_value());
  for (const BlobId& blob : {Blob(9, 2), Blob(11, 1), Blob(1, ~std::uint64_t{0})}) {
    const auto added = live->Add(blob);
    ASSERT_FALSE(added.has_value());
    EXPECT_EQ(added.error().code, ErrorCode::kUnavailable);
  }
  EXPECT_EQ(live->end(), 0U);
}

TEST(LiveBlocks, WhatEndsBeyondTheEndThatIsAskedForDoesNotCount) {
  auto live = LiveBlocks::Make(20, 10);
  ASSERT_TRUE(live.has_value());
  for (const BlobId& blob : {Blob(8, 2), Blob(9, 2), Blob(10, 1), Blob(30, 5)}) {
    EXPECT_TRUE(live->Add(blob).has_value()) << blob.block_offset;
  }
  EXPECT_EQ(live->end(), 10U);
  EXPECT_EQ(live->length(), BlockIndex(10));
  auto behind = LiveBlocks::Make(5, 10);
  ASSERT_TRUE(behind.has_value());
  EXPECT_FALSE(behind->Add(Blob(4, 2)).has_value()) << "a longer head has to come";
  EXPECT_TRUE(behind->Add(Blob(9, 2)).has_value());
}

TEST(LiveBlocks, ACoreOfAbsurdLengthIsRefused) {
  const auto live = LiveBlocks::Make(kLiveBlocksMax + 1);
  ASSERT_FALSE(live.has_value());
  EXPECT_EQ(live.error().code, ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace hnx::hyper
