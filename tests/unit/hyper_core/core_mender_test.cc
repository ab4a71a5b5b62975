// What an audit finds, mended in place: by itself, and beside a writer at work.
#include "hyper/core/core_mender.h"

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "base/file.h"
#include "hyper/core/page_cache.h"
#include "hyper/core/tree_store.h"
#include "hyper/storage/flat_core_storage.h"
#include "tests/unit/hyper_core/core_fixture.h"
#include "tests/unit/hyper_core/scratch_folder.h"

namespace hnx::hyper {
namespace {

using Outcome = CoreMender::Outcome;
using Kind = AuditFinding::Kind;

std::string TextOf(std::uint64_t block) {
  return std::string(40 + block % 700, static_cast<char>('a' + block % 26)) + std::to_string(block);
}

class CoreMenderTest : public ::testing::Test {
 protected:
  void Make(std::uint64_t blocks) {
    core_ = Must(
        Hypercore::Create(Must(FlatCoreStorage::OpenForWriting(scratch_.path())), SevenCore()));
    AppendUpTo(blocks);
  }
  void AppendUpTo(std::uint64_t blocks) {
    while (core_->length() < blocks) {
      const std::string text = TextOf(core_->length());
      const ByteView view = AsBytes(text);
      Must(core_->Append(std::span(&view, 1)));
    }
  }
  void Close() {
    Must(core_->Flush());
    core_.reset();
  }

  std::unique_ptr<CoreStorage> ForReading() {
    return Must(FlatCoreStorage::OpenReadOnly(scratch_.path()));
  }
  CoreMender Mender() {
    return CoreMender(Must(FlatCoreStorage::OpenForMending(scratch_.path())),
                      [this]() -> Result<std::unique_ptr<CoreStorage>> { return ForReading(); });
  }
  void Flip(CoreFile file, std::uint64_t bit) {
    const auto storage = Must(FlatCoreStorage::OpenForMending(scratch_.path()));
    std::byte byte{};
    Must(ReadExactly(*storage, file, bit / 8, std::span(&byte, 1)));
    byte ^= std::byte{1} << (bit % 8);
    Must(storage->Write(file, bit / 8, ByteView(&byte, 1)));
  }
  AuditReport Audit(const AuditOptions& options = {}) {
    return Must(AuditCore(*ForReading(), options));
  }

  // Mends all that the audit finds, with the texts that were appended.
  std::size_t MendAll() {
    CoreMender mender = Mender();
    std::size_t mended = 0;
    for (const AuditFinding& finding : Audit().findings) {
      Result<Outcome> outcome = Outcome::kSound;
      if (finding.kind == Kind::kBlock) {
        outcome = mender.MendBlock(finding, AsBytes(TextOf(finding.block.value())));
      } else if (finding.kind == Kind::kNode) {
        outcome = mender.MendNode(finding);
      } else if (finding.kind == Kind::kBit) {
        outcome = mender.MendBit(finding);
      }
      mended += Must(outcome) == Outcome::kMended ? 1 : 0;
    }
    return mended;
  }

  ScratchFolder scratch_;
  std::unique_ptr<Hypercore> core_;
};

TEST_F(CoreMenderTest, MendsAFlippedBitOfABlockInItsPlace) {
  Make(20);
  const ByteRange range = Must(core_->Locate(BlockIndex(7)));
  Flip(CoreFile::kData, range.begin.value() * 8 + 13);
  EXPECT_EQ(CodeOf(core_->Get(BlockIndex(7))), ErrorCode::kDataLoss);
  EXPECT_EQ(MendAll(), 1U);
  EXPECT_TRUE(Audit().clean());
  EXPECT_EQ(ToString(Must(core_->Get(BlockIndex(7)))), TextOf(7));
}

TEST_F(CoreMenderTest, TakesNoBytesThatWereNotSigned) {
  Make(20);
  Flip(CoreFile::kData, Must(core_->Locate(BlockIndex(7))).begin.value() * 8);
  const AuditReport report = Audit();
  ASSERT_EQ(report.findings.size(), 1U);
  CoreMender mender = Mender();
  std::string forged = TextOf(7);
  forged[3] = '!';
  EXPECT_EQ(CodeOf(mender.MendBlock(report.findings[0], AsBytes(forged))),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(mender.MendBlock(report.findings[0], AsBytes(TextOf(8)))),
            ErrorCode::kInvalidArgument);
  EXPECT_FALSE(Audit().clean());
}

TEST_F(CoreMenderTest, MendsEveryNodeOfTheTreeRootsIncludedAndTheWriterSeesIt) {
  Make(21);
  Must(core_->Flush());
  const std::uint64_t slots = Must(ForReading()->Size(CoreFile::kTree)) / kTreeSlotBytes;
  for (std::uint64_t slot = 0; slot < slots; ++slot) {
    const std::uint64_t bit = slot * kTreeSlotBytes * 8 + (slot * 37) % (kTreeSlotBytes * 8);
    Flip(CoreFile::kTree, bit);
    const AuditReport report = Audit();
    ASSERT_FALSE(report.clean()) << slot;
    EXPECT_EQ(MendAll(), 1U) << slot;
    ASSERT_TRUE(Audit().clean()) << slot << ": " << Audit().findings[0].ToString();
  }
  for (std::uint64_t block = 0; block < 21; ++block) {
    EXPECT_EQ(ToString(Must(core_->Get(BlockIndex(block)))), TextOf(block));
  }
}

TEST_F(CoreMenderTest, SaysWhichNodesAreProvenByNothingThatIsHere) {
  Make(16);
  Must(core_->Flush());
  // A leaf together with its block: neither tells what the other was.
  Flip(CoreFile::kTree, 8 * kTreeSlotBytes * 8 + 100);
  Flip(CoreFile::kData, Must(core_->Locate(BlockIndex(4))).begin.value() * 8);
  const AuditReport report = Audit();
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].kind, Kind::kChildren) << report.findings[0].ToString();
  EXPECT_EQ(report.findings[0].right.index, TreeIndex(9));
  EXPECT_EQ(report.findings[0].block, BlockIndex(4));
}

TEST_F(CoreMenderTest, WhatAReaderKeepsOfADamagedTreeIsForgottenWhenItIsMended) {
  Make(20);
  Must(core_->Flush());
  Flip(CoreFile::kTree, 14 * kTreeSlotBytes * 8 + 100);  // the leaf of block 7
  const auto reader = Must(CoreReader::Open(ForReading()));
  EXPECT_EQ(CodeOf(reader->Get(BlockIndex(6))), ErrorCode::kDataLoss);
  EXPECT_EQ(MendAll(), 1U);
  EXPECT_EQ(ToString(Must(reader->Get(BlockIndex(6)))), TextOf(6));
}

TEST_F(CoreMenderTest, WhatAReaderBelievesToBeAbsentIsSoonThereWhenAnotherProcessHasMendedTheBit) {
  Make(20);
  Must(core_->Flush());
  Flip(CoreFile::kBitfield, 6);
  const auto reader = Must(CoreReader::Open(ForReading()));
  EXPECT_EQ(CodeOf(reader->Get(BlockIndex(6))), ErrorCode::kNotFound);
  Flip(CoreFile::kBitfield, 6);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  Result<Bytes> block = reader->Get(BlockIndex(6));
  while (!block && std::chrono::steady_clock::now() < deadline) {
    block = reader->Get(BlockIndex(6));
  }
  EXPECT_EQ(ToString(Must(std::move(block))), TextOf(6));
}

TEST_F(CoreMenderTest, MendsBitsOfTheBitfieldEitherWay) {
  Make(30);
  Must(core_->Clear({BlockIndex(10), BlockIndex(14)}));
  Must(core_->Flush());
  for (const std::uint64_t block : {3U, 12U, 40U}) {
    Flip(CoreFile::kBitfield, block);
  }
  const AuditReport report = Audit();
  ASSERT_EQ(report.findings_total, 3U);
  CoreMender mender = Mender();
  for (const AuditFinding& finding : report.findings) {
    EXPECT_EQ(Must(finding.zeros ? mender.MarkAbsent(finding) : mender.MendBit(finding)),
              Outcome::kMended)
        << finding.ToString();
  }
  EXPECT_TRUE(Audit().clean()) << Audit().findings[0].ToString();
  EXPECT_EQ(ToString(Must(core_->Get(BlockIndex(3)))), TextOf(3));
  EXPECT_EQ(CodeOf(core_->Get(BlockIndex(12))), ErrorCode::kNotFound);
}

TEST_F(CoreMenderTest, LeavesAloneWhatWasClearedOrMendedSinceTheAudit) {
  Make(20);
  Must(core_->Flush());
  const ByteRange range = Must(core_->Locate(BlockIndex(7)));
  Flip(CoreFile::kData, range.begin.value() * 8);
  Flip(CoreFile::kTree, 4 * kTreeSlotBytes * 8 + 100);
  const AuditReport report = Audit();
  ASSERT_EQ(report.findings.size(), 2U);
  Must(core_->Clear({BlockIndex(7), BlockIndex(8)}));
  EXPECT_EQ(MendAll(), 1U);  // the node
  CoreMender mender = Mender();
  for (const AuditFinding& finding : report.findings) {
    EXPECT_EQ(Must(finding.kind == Kind::kNode ? mender.MendNode(finding)
                                               : mender.MendBlock(finding, AsBytes(TextOf(7)))),
              Outcome::kSound);
  }
  Bytes zeros(range.length());
  Must(core_->ReadBytes(range.begin, zeros));
  EXPECT_EQ(zeros, Bytes(range.length()));
}

TEST_F(CoreMenderTest, MendsWhileTheWriterAppendsFlushesAndClears) {
  constexpr std::uint64_t kBlocks = 200;
  Make(kBlocks);
  Must(core_->Flush());
  std::atomic<bool> stop{false};
  // The writer clears blocks above the ones that are damaged, and appends.
  std::thread writer([&] {
    for (std::uint64_t at = 100; !stop; at = at + 1 < kBlocks ? at + 1 : 100) {
      AppendUpTo(core_->length() + 1);
      Must(core_->Clear({BlockIndex(at), BlockIndex(at + 1)}, LockWait::kWait));
      if (at % 5 == 0) {
        Must(core_->Flush());
      }
    }
  });
  std::mt19937_64 random(5);
  for (int round = 0; round < 30; ++round) {
    const std::uint64_t block = random() % 100;
    const auto reader = Must(CoreReader::Open(ForReading()));
    const ByteRange range = Must(reader->Locate(BlockIndex(block)));
    const CoreFile file = round % 2 == 0 ? CoreFile::kData : CoreFile::kTree;
    Flip(file, file == CoreFile::kData ? range.begin.value() * 8 + random() % 8
                                       : (2 * block * kTreeSlotBytes + 20) * 8 + random() % 8);
    EXPECT_EQ(MendAll(), 1U) << round;
    const AuditReport report = Audit();
    EXPECT_TRUE(report.clean()) << report.findings[0].ToString();
  }
  stop = true;
  writer.join();
  Close();
  EXPECT_TRUE(Audit().clean());
}

TEST_F(CoreMenderTest, AnAuditGoesOnFromABlockAndEndsWhenItIsTold) {
  Make(64);
  std::vector<std::uint64_t> seen;
  AuditOptions options;
  options.on_block = [&](BlockIndex block, const ByteRange& /*bytes*/) -> Result<void> {
    seen.push_back(block.value());
    return block.value() == 20 ? Result<void>(Aborted("enough")) : Result<void>();
  };
  EXPECT_EQ(CodeOf(AuditCore(*ForReading(), options)), ErrorCode::kAborted);
  ASSERT_EQ(seen.size(), 21U);
  seen.clear();
  options.first_block = BlockIndex(21);
  EXPECT_EQ(Audit(options).blocks_checked, 43U);
  EXPECT_EQ(seen.front(), 21U);
}

}  // namespace
}  // namespace hnx::hyper
