#include "hyper/core/audit.h"

#include <gtest/gtest.h>

#include "hyper/core/oplog.h"
#include "hyper/core/tree_store.h"
#include "tests/unit/hyper_core/core_fixture.h"

namespace hnx::hyper {
namespace {

class AuditTest : public CoreTest {
 protected:
  // Thirteen blocks, of which some are cleared, with both header slots in use and two entries in
  // the oplog.
  void MakeCore() {
    Create();
    AppendMany(11);
    Clear(4, 6);
    Must(core_->Flush());
    Append("twelfth");
    Append("thirteenth");
    core_.reset();
  }

  // Flips the bit, expects exactly one finding in that file, flips it back.
  void ExpectFound(CoreFile file, std::uint64_t bit) {
    FlipBit(file, bit);
    const AuditReport report = Audit();
    EXPECT_FALSE(report.clean()) << CoreFileName(file) << " bit " << bit << " of byte " << bit / 8;
    if (!report.clean()) {
      EXPECT_EQ(report.findings[0].file, file)
          << CoreFileName(file) << " byte " << bit / 8 << ": " << report.findings[0].ToString();
    }
    FlipBit(file, bit);
  }
};

TEST_F(AuditTest, FindsNothingWrongWithAHealthyCore) {
  MakeCore();
  const AuditReport report = Audit();
  EXPECT_TRUE(report.clean()) << report.findings[0].ToString();
  EXPECT_EQ(report.blocks_checked, 11U);
  EXPECT_EQ(report.blocks_absent, 2U);
}

TEST_F(AuditTest, SaysThatThereIsNoCore) {
  MemoryCoreStorage storage(files_);
  EXPECT_EQ(CodeOf(AuditCore(storage)), ErrorCode::kNotFound);
}

TEST_F(AuditTest, FindsEveryFlippedBitOfPresentBlocks) {
  MakeCore();
  const std::size_t bytes = File(CoreFile::kData).size();
  core_ = Must(Hypercore::Open(Storage()));
  const std::uint64_t hole_begin = Must(core_->Locate(BlockIndex(4))).begin.value();
  const std::uint64_t hole_end = Must(core_->Locate(BlockIndex(6))).begin.value();
  for (std::uint64_t byte = 0; byte < bytes; ++byte) {
    if (byte < hole_begin || byte >= hole_end) {
      ExpectFound(CoreFile::kData, byte * 8 + byte % 8);
    }
  }
}

TEST_F(AuditTest, NamesTheBlockOfADamagedByte) {
  MakeCore();
  FlipBit(CoreFile::kData, 8 * 60);
  const AuditReport report = Audit();
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_NE(report.findings[0].message.find("block 1 "), std::string::npos)
      << report.findings[0].ToString();
  EXPECT_EQ(report.findings[0].offset, 51U);
}

TEST_F(AuditTest, FindsEveryFlippedBitOfTheTree) {
  MakeCore();
  const std::size_t bytes = File(CoreFile::kTree).size();
  ASSERT_GT(bytes, 20 * kTreeSlotBytes);
  // Nodes that the entries in the oplog repeat are not read from the file.
  const std::vector<std::uint64_t> repeated = {21, 22, 23, 24, 19};
  for (std::uint64_t byte = 0; byte < bytes; ++byte) {
    if (std::count(repeated.begin(), repeated.end(), byte / kTreeSlotBytes) == 0) {
      ExpectFound(CoreFile::kTree, byte * 8 + (byte * 5) % 8);
    }
  }
}

TEST_F(AuditTest, NamesTheDamagedNode) {
  MakeCore();
  for (const std::uint64_t node : {0U, 1U, 2U, 3U, 5U, 6U, 7U, 9U, 12U}) {
    FlipBit(CoreFile::kTree, (node * kTreeSlotBytes + 12) * 8);
    const AuditReport report = Audit();
    ASSERT_EQ(report.findings.size(), 1U) << node;
    EXPECT_EQ(report.findings[0].offset, node * kTreeSlotBytes) << report.findings[0].ToString();
    FlipBit(CoreFile::kTree, (node * kTreeSlotBytes + 12) * 8);
  }
}

TEST_F(AuditTest, FindsEveryFlippedBitOfTheBitfield) {
  MakeCore();
  ASSERT_EQ(File(CoreFile::kBitfield).size(), 4096U);
  for (std::uint64_t bit = 0; bit < 4096 * 8; bit += bit < 64 ? 1 : 97) {
    if (bit != 11 && bit != 12) {  // set by entries in the oplog
      ExpectFound(CoreFile::kBitfield, bit);
    }
  }
}

TEST_F(AuditTest, FindsEveryFlippedBitOfHeadersAndEntries) {
  MakeCore();
  const std::size_t bytes = File(CoreFile::kOplog).size();
  const auto frame_end = [&](std::uint64_t at) {
    return at + kOplogFrameBytes +
           (LoadLe32(ByteView(File(CoreFile::kOplog)).subspan(at + 4)) >> 2);
  };
  const auto expect_all_found = [&](std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t byte = begin; byte < end; ++byte) {
      ExpectFound(CoreFile::kOplog, byte * 8 + (byte * 3) % 8);
    }
  };
  expect_all_found(0, frame_end(0));
  expect_all_found(kOplogSlotBytes, frame_end(kOplogSlotBytes));
  expect_all_found(kOplogEntriesOffset, bytes);
}

TEST_F(AuditTest, FindsABlockThatIsCutOff) {
  MakeCore();
  File(CoreFile::kData).resize(File(CoreFile::kData).size() - 3);
  const AuditReport report = Audit();
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].file, CoreFile::kData);
}

TEST_F(AuditTest, AllowsUncommittedBytesAndStaleEntries) {
  Create();
  Append("one");
  const Bytes before_flush = File(CoreFile::kOplog);
  Must(core_->Flush());
  AppendTo(File(CoreFile::kData), AsBytes("staged, never committed"));
  AppendTo(File(CoreFile::kOplog), ByteView(before_flush).subspan(kOplogEntriesOffset));
  EXPECT_TRUE(Audit().clean());
}

TEST_F(AuditTest, CountsMoreFindingsThanItKeeps) {
  Create();
  AppendMany(300, 5);
  Must(core_->Flush());
  for (std::byte& byte : File(CoreFile::kData)) {
    byte ^= std::byte{0xff};
  }
  const AuditReport report = Audit();
  EXPECT_EQ(report.findings.size(), kAuditFindingsMax);
  EXPECT_EQ(report.findings_total, 300U);
}

TEST_F(AuditTest, ReportsItsProgress) {
  MakeCore();
  std::uint64_t bytes = 0;
  MemoryCoreStorage storage(files_);
  Must(AuditCore(storage, [&](std::uint64_t more) { bytes += more; }));
  EXPECT_GE(bytes, 500U);
}

}  // namespace
}  // namespace hnx::hyper
