#include "corestore7/core_export.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/hex.h"
#include "core_fixture.h"
#include "corestore7/store_keys.h"
#include "corestore7/store_records.h"
#include "hyper/codec/flat_tree.h"
#include "scratch_folder.h"

namespace hnx::corestore7 {
namespace {

using hyper::BlockIndex;
using hyper::CodeOf;
using hyper::CoreFile;
using hyper::Must;
using hyper::TreeIndex;

class CoreExportTest : public hyper::CoreTest {
 protected:
  CoreExportTest() { Create(); }

  RocksStore& Store() {
    if (store_ == nullptr) {
      const hyper::DriveKey owner(core_->key().bytes);
      store_ = Must(RocksStore::OpenOrCreate(scratch_.path() / "store", owner));
    }
    return *store_;
  }
  // As after the end of a process that was done.
  void ReopenStore() {
    Must(Store().Flush());
    store_.reset();
  }
  CoreExportReport Export(const ExportProgress& progress = {}) {
    const auto reader = Reader();
    return Must(ExportCore(*reader, Store(), progress));
  }

  // -- What a reader of the store sees. The core is the first of the store, so its pointers are 0.
  std::string Value(const Bytes& key) {
    const auto value = Must(Store().Get(key));
    return value ? EncodeHex(*value) : "none";
  }
  bool HasBit(std::uint64_t block) {
    const auto page = Must(Store().Get(PageKey(0, block / kPageBlocks)));
    const std::uint64_t bit = block % kPageBlocks;
    return page && ((*page)[bit / 8] & std::byte(1U << (bit % 8))) != std::byte{0};
  }
  // Everything that a peer is given to prove the block is there: the block, and at each level the
  // node and its sibling, up to a root that is there.
  void ExpectProvable(std::uint64_t block) {
    EXPECT_TRUE(HasBit(block)) << block;
    EXPECT_EQ(Value(BlockKey(0, BlockIndex(block))),
              EncodeHex(Must(core_->Get(BlockIndex(block)))));
    TreeIndex at = hyper::flat_tree::LeafOf(BlockIndex(block));
    const auto roots = hyper::flat_tree::FullRoots(core_->length());
    while (std::find(roots.begin(), roots.end(), at) == roots.end()) {
      EXPECT_NE(Value(NodeKey(0, at)), "none") << "node " << at.value() << " of block " << block;
      const TreeIndex sibling = hyper::flat_tree::Sibling(at);
      EXPECT_NE(Value(NodeKey(0, sibling)), "none") << sibling.value() << " for block " << block;
      at = hyper::flat_tree::Parent(at);
    }
    EXPECT_NE(Value(NodeKey(0, at)), "none") << "root " << at.value();
  }
  void ExpectAbsent(std::uint64_t block) {
    EXPECT_FALSE(HasBit(block)) << block;
    EXPECT_EQ(Value(BlockKey(0, BlockIndex(block))), "none") << block;
  }
  std::uint64_t Contiguous() {
    return Must(HintsRecord::Decode(*Must(Store().Get(HintsKey(0))))).contiguous_length;
  }

  hyper::ScratchFolder scratch_;
  std::unique_ptr<RocksStore> store_;
};

// The blobs of the store in tests/unit/corestore7/store_records_test.cc, with the db's key.
TEST_F(CoreExportTest, AWholeCoreIsInTheStoreAsJavaScriptHasIt) {
  for (const char* block : {"hello", "world!", "", "abc"}) {
    Append(block);
  }
  const CoreExportReport report = Export();
  EXPECT_EQ(report.length, 4U);
  EXPECT_EQ(report.blocks_written, 4U);
  EXPECT_EQ(report.bytes_written, 14U);
  EXPECT_EQ(report.blocks_not_here, 0U);
  EXPECT_EQ(report.findings_total, 0U);
  ReopenStore();
  EXPECT_EQ(Value(CoreRecordKey(core_->discovery_key())), "02000000");
  EXPECT_EQ(Value(HintsKey(0)), "0104");
  EXPECT_EQ(Value(BlockKey(0, BlockIndex(0))), "68656c6c6f");
  EXPECT_EQ(Value(BlockKey(0, BlockIndex(2))), "");
  // Nodes know nothing of keys: these are JavaScript's.
  EXPECT_EQ(Value(NodeKey(0, TreeIndex(0))),
            "0005f2391083cfaa8043205fed76cdff843902146ca92aebcd7a196814ec45d8c8f8");
  EXPECT_EQ(Value(NodeKey(0, TreeIndex(1))),
            "010b39b5bdb783bd95d59af7446800d3a5bd1a83169d94e1527de039049a9a704967");
  EXPECT_EQ(Value(NodeKey(0, TreeIndex(3))),
            "030ec50f2f7c3d87552843f00f2bc157aacbbaddd1341697c8657369677900c93e18");
  EXPECT_EQ(Value(NodeKey(0, TreeIndex(5))),
            "05034833e3dbf92e950dbc1669f82bc1e6b2a2464da1db0308d9f6d59fea64420104");
  EXPECT_EQ(Value(PageKey(0, 0)), "0f" + std::string(2 * (kPageBytes - 1), '0'));
  EXPECT_EQ(Value(HeadKey(0)), EncodeHex(HeadRecord::Of(core_->head()).Encode()));
  const StoreHead head = Must(StoreHead::Decode(*Must(Store().Get(StoreHeadKey()))));
  EXPECT_EQ(head.cores, 1U);
  EXPECT_EQ(head.default_core, core_->discovery_key());
  ASSERT_TRUE(head.seed);
  EXPECT_NE(EncodeHex(*head.seed), EncodeHex(hyper::SevenKey())) << "the store's own primary key";
  for (std::uint64_t block = 0; block < 4; ++block) {
    ExpectProvable(block);
  }
}

TEST_F(CoreExportTest, AnEmptyCoreIsThereWithoutAHead) {
  EXPECT_EQ(Export().length, 0U);
  EXPECT_EQ(Value(CoreRecordKey(core_->discovery_key())), "02000000");
  EXPECT_EQ(Value(HeadKey(0)), "none");
  AppendMany(3);
  EXPECT_EQ(Export().blocks_written, 3U);
  ExpectProvable(2);
}

TEST_F(CoreExportTest, ASecondExportAddsWhatIsNew) {
  AppendMany(5);
  EXPECT_EQ(Export().blocks_written, 5U);
  ReopenStore();
  EXPECT_EQ(Export().blocks_written, 0U);
  AppendMany(14);
  EXPECT_EQ(Export().blocks_written, 14U);
  ReopenStore();
  EXPECT_EQ(Contiguous(), 19U);
  for (std::uint64_t block = 0; block < 19; ++block) {
    ExpectProvable(block);
  }
}

TEST_F(CoreExportTest, EveryLengthGrowsIntoEveryOther) {
  for (int i = 1; i <= 20; ++i) {
    AppendMany(1);
    EXPECT_EQ(Export().blocks_written, 1U);
    for (std::uint64_t block = 0; block < core_->length(); ++block) {
      ExpectProvable(block);
    }
  }
}

TEST_F(CoreExportTest, WhatIsNotHereIsNotInTheStore) {
  AppendMany(40);
  Clear(3, 9);
  Clear(20, 21);
  const CoreExportReport report = Export();
  EXPECT_EQ(report.blocks_written, 33U);
  EXPECT_EQ(report.blocks_not_here, 7U);
  EXPECT_EQ(report.findings_total, 0U);
  EXPECT_EQ(Contiguous(), 3U);
  for (std::uint64_t block = 3; block < 9; ++block) {
    ExpectAbsent(block);
  }
  ExpectProvable(2);
  ExpectProvable(9);
  ExpectProvable(39);
}

TEST_F(CoreExportTest, WhatIsClearedLaterStaysInTheStore) {
  AppendMany(8);
  Export();
  Clear(2, 6);
  AppendMany(8);
  const CoreExportReport report = Export();
  EXPECT_EQ(report.blocks_written, 8U);
  EXPECT_EQ(report.blocks_not_here, 0U);
  EXPECT_TRUE(HasBit(3));
  EXPECT_EQ(Contiguous(), 16U);
}

TEST_F(CoreExportTest, ASparseCoreThatGrowsKeepsItsOldBlocksProvable) {
  AppendMany(5);
  Export();
  AppendMany(4);
  Clear(5, 9);
  EXPECT_EQ(Export().blocks_written, 0U);
  for (std::uint64_t block = 0; block < 5; ++block) {
    ExpectProvable(block);
  }
  ExpectAbsent(5);
}

TEST_F(CoreExportTest, ADamagedBlockIsNamedAndLeftOut) {
  AppendMany(20);
  Must(core_->Flush());
  const hyper::ByteRange place = Must(core_->Locate(BlockIndex(7)));
  FlipBit(CoreFile::kData, 8 * place.begin.value() + 3);
  const CoreExportReport report = Export();
  ASSERT_EQ(report.findings_total, 1U);
  EXPECT_EQ(report.findings[0].blocks, (hyper::BlockRange{BlockIndex(7), BlockIndex(8)}));
  EXPECT_EQ(report.findings[0].message, "data at byte " + std::to_string(place.begin.value()) +
                                            ": block 7 is not what was signed");
  EXPECT_EQ(report.blocks_written, 19U);
  EXPECT_EQ(report.blocks_not_here, 0U);
  ExpectAbsent(7);
  ExpectProvable(6);
  ExpectProvable(8);
  // Repaired, it is added.
  FlipBit(CoreFile::kData, 8 * place.begin.value() + 3);
  EXPECT_EQ(Export().blocks_written, 1U);
  ExpectProvable(7);
  EXPECT_EQ(Contiguous(), 20U);
}

TEST_F(CoreExportTest, ADamagedNodeIsNamedWithTheBlocksThatNothingProves) {
  AppendMany(16);
  Must(core_->Flush());
  FlipBit(CoreFile::kTree, std::uint64_t{8} * 40 * 9 + 100);  // node 9 = blocks 4 and 5
  const CoreExportReport report = Export();
  ASSERT_EQ(report.findings_total, 1U);
  EXPECT_EQ(report.findings[0].message,
            "tree: nodes 9 and 13 do not hash to node 11, so nothing proves blocks 4 to 7");
  EXPECT_EQ(report.blocks_written, 12U);
  ExpectAbsent(4);
  ExpectProvable(3);
  ExpectProvable(8);
}

TEST_F(CoreExportTest, DataThatEndsEarlyIsDamage) {
  AppendMany(6);
  Must(core_->Flush());
  const auto reader = Reader();
  Bytes& data = File(CoreFile::kData);
  data.resize(data.size() - 1);
  const CoreExportReport report = Must(ExportCore(*reader, Store()));
  ASSERT_EQ(report.findings_total, 1U);
  EXPECT_EQ(report.findings[0].blocks.begin, BlockIndex(5));
  EXPECT_EQ(report.blocks_written, 5U);
}

TEST_F(CoreExportTest, AnotherHistoryOfTheCoreIsRefused) {
  AppendMany(6);
  Export();
  files_ = std::make_shared<hyper::MemoryCoreFiles>();
  Create();
  AppendMany(5, 51);
  AppendMany(5);
  const auto reader = Reader();
  EXPECT_EQ(CodeOf(CheckExportable(*reader, Store())), ErrorCode::kFailedPrecondition);
  const std::string head = Value(HeadKey(0));
  EXPECT_EQ(CodeOf(ExportCore(*reader, Store())), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(Value(HeadKey(0)), head);
  ExpectAbsent(6);
}

TEST_F(CoreExportTest, AnOlderCopyOfTheCoreIsRefused) {
  AppendMany(6);
  const auto old = std::make_shared<hyper::MemoryCoreFiles>(*files_);
  AppendMany(3);
  Export();
  const auto reader =
      Must(hyper::CoreReader::Open(std::make_unique<hyper::MemoryCoreStorage>(old)));
  const auto refused = CheckExportable(*reader, Store());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(refused.error().message.find("9 blocks"), std::string::npos) << refused.error().message;
}

TEST_F(CoreExportTest, AStoppedExportGoesOnWhereItStopped) {
  AppendMany(50, 5000);
  std::uint64_t blocks = 0;
  const auto reader = Reader();
  const auto stopped =
      ExportCore(*reader, Store(), [&](std::uint64_t /*bytes*/) { return ++blocks < 20; });
  EXPECT_EQ(CodeOf(stopped), ErrorCode::kCancelled);
  ReopenStore();
  const CoreExportReport report = Export();
  EXPECT_GT(report.blocks_written, 0U);
  for (std::uint64_t block = 0; block < 50; ++block) {
    ExpectProvable(block);
  }
  EXPECT_EQ(Contiguous(), 50U);
}

TEST_F(CoreExportTest, BlocksBeyondAPageOfTheBitfieldAreThere) {
  constexpr std::uint64_t kBlocks = kPageBlocks + 70;
  const std::vector<std::array<std::byte, 3>> bytes(kBlocks, {std::byte{1}, std::byte{2}});
  const std::vector<ByteView> views(bytes.begin(), bytes.end());
  Must(core_->Append(views));
  EXPECT_EQ(Export().blocks_written, kBlocks);
  EXPECT_EQ(Contiguous(), kBlocks);
  for (const std::uint64_t block : {std::uint64_t{0}, kPageBlocks - 1, kPageBlocks, kBlocks - 1}) {
    ExpectProvable(block);
  }
  EXPECT_FALSE(HasBit(kBlocks));
  EXPECT_EQ(Export().blocks_written, 0U);
}

TEST_F(CoreExportTest, TwoCoresHaveTheirOwnNumbers) {
  AppendMany(3);
  Export();
  hyper::KeyPair pair = hyper::DeriveKeyPair(hyper::SevenKey(), hyper::kRootStoreNamespace, "b");
  hyper::Manifest manifest = hyper::Manifest::SingleSigner(pair.public_key);
  const auto files = std::make_shared<hyper::MemoryCoreFiles>();
  const auto other =
      Must(hyper::Hypercore::Create(std::make_unique<hyper::MemoryCoreStorage>(files),
                                    {std::move(manifest), std::move(pair), {}}));
  const ByteView block = AsBytes("other");
  Must(other->Append(std::span(&block, 1)));
  const auto reader =
      Must(hyper::CoreReader::Open(std::make_unique<hyper::MemoryCoreStorage>(files)));
  Must(ExportCore(*reader, Store()));
  EXPECT_EQ(Value(CoreRecordKey(other->discovery_key())), "02010100");
  EXPECT_EQ(Value(BlockKey(1, BlockIndex(0))), EncodeHex(AsBytes("other")));
  const StoreHead head = Must(StoreHead::Decode(*Must(Store().Get(StoreHeadKey()))));
  EXPECT_EQ(head.cores, 2U);
  EXPECT_EQ(head.default_core, core_->discovery_key());
  ExpectProvable(1);
}

TEST_F(CoreExportTest, OneProcessAtATimeHasTheStore) {
  Store();
  const hyper::DriveKey owner(core_->key().bytes);
  EXPECT_EQ(CodeOf(RocksStore::OpenOrCreate(scratch_.path() / "store", owner)),
            ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace hnx::corestore7
