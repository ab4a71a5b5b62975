#include "hyper/core/hypercore.h"

#include <gtest/gtest.h>

#include "hyper/core/oplog.h"
#include "tests/unit/hyper_core/core_fixture.h"
#include "tests/unit/hyper_core/failing_storage.h"

namespace hnx::hyper {
namespace {

class HypercoreTest : public CoreTest {};

TEST_F(HypercoreTest, IsNotFoundWhereNoneWasMade) {
  EXPECT_EQ(CodeOf(TryOpen()), ErrorCode::kNotFound);
}

TEST_F(HypercoreTest, IsNotMadeTwice) {
  Create();
  EXPECT_EQ(CodeOf(Hypercore::Create(Storage(), SevenCore())), ErrorCode::kAlreadyExists);
}

TEST_F(HypercoreTest, IsNotMadeWithAKeyThatMayNotSign) {
  NewCore core = SevenCore();
  core.key_pair = KeyPair::Generate();
  EXPECT_EQ(CodeOf(Hypercore::Create(Storage(), std::move(core))), ErrorCode::kInvalidArgument);
}

TEST_F(HypercoreTest, ReadsBackItsBlocksAfterReopening) {
  Create();
  AppendMany(20);
  const CoreHead head = core_->head();
  Reopen();
  EXPECT_EQ(core_->head(), head);
  EXPECT_EQ(Get(3).substr(0, 3), "ddd");
  Must(core_->Flush());
  Reopen();
  EXPECT_EQ(core_->head(), head);
  EXPECT_EQ(Get(19).substr(0, 3), "ttt");
}

TEST_F(HypercoreTest, SignsTheSameHeadHoweverItWasReached) {
  Create();
  AppendMany(9);
  const CoreHead one_by_one = core_->head();
  *files_ = MemoryCoreFiles();
  Create();
  std::vector<std::string> blocks;
  for (int i = 0; i < 9; ++i) {
    blocks.push_back(std::string(50, static_cast<char>('a' + i)) + std::to_string(i));
  }
  std::vector<ByteView> views;
  for (const std::string& block : blocks) {
    views.push_back(AsBytes(block));
  }
  EXPECT_EQ(Must(core_->Append(views)), one_by_one);
}

TEST_F(HypercoreTest, RefusesToReadBeyondItsLength) {
  Create();
  Append("only");
  EXPECT_EQ(CodeOf(core_->Get(BlockIndex(1))), ErrorCode::kOutOfRange);
  std::array<std::byte, 5> out;
  EXPECT_EQ(CodeOf(core_->ReadBytes(ByteOffset(0), out)), ErrorCode::kOutOfRange);
}

TEST_F(HypercoreTest, DoesNotHandOutABlockWhoseBytesChanged) {
  Create();
  Append("honest");
  File(CoreFile::kData)[2] ^= std::byte{1};
  EXPECT_EQ(CodeOf(core_->Get(BlockIndex(0))), ErrorCode::kDataLoss);
}

TEST_F(HypercoreTest, DoesNotOpenWithAForeignTree) {
  Create();
  Append("one");
  Must(core_->Flush());
  File(CoreFile::kTree)[20] ^= std::byte{1};
  EXPECT_EQ(CodeOf(TryOpen()), ErrorCode::kDataLoss);
}

TEST_F(HypercoreTest, DoesNotOpenWhenItsNewestHeaderIsLost) {
  Create();
  Append("one");
  Must(core_->Flush());
  Append("two");
  Must(core_->Flush());
  File(CoreFile::kOplog)[30] ^= std::byte{1};  // slot 0, the newer one; nothing follows it
  EXPECT_EQ(CodeOf(TryOpen()), ErrorCode::kDataLoss);
}

TEST_F(HypercoreTest, DoesNotOpenWhenDataIsTooShort) {
  Create();
  Append("a block");
  File(CoreFile::kData).resize(3);
  const MemoryCoreFiles before = *files_;
  EXPECT_EQ(CodeOf(TryOpen()), ErrorCode::kDataLoss);
  EXPECT_EQ(files_->content, before.content) << "a damaged core must be left as it is";
}

TEST_F(HypercoreTest, CutsUncommittedBytesWhenItOpens) {
  Create();
  Append("committed");
  AppendTo(File(CoreFile::kData), AsBytes("torn"));
  Reopen();
  EXPECT_EQ(File(CoreFile::kData).size(), 9U);
  EXPECT_EQ(core_->open_report().data_bytes_cut, 4U);
}

TEST_F(HypercoreTest, FlushesByItselfWhenTheOplogGrows) {
  Create();
  std::uint64_t largest = 0;
  for (int i = 0; i < 1500; ++i) {
    Append("x");
    largest = std::max<std::uint64_t>(largest, File(CoreFile::kOplog).size());
  }
  EXPECT_LT(largest, kOplogEntriesOffset + kOplogEntriesBytesMax + 4096);
  EXPECT_GT(File(CoreFile::kTree).size(), 0U);
  Reopen();
  EXPECT_EQ(core_->length(), 1500U);
  EXPECT_TRUE(Must(core_->Audit()).clean());
}

TEST_F(HypercoreTest, ForgetsClearedBlocksAndKeepsTheOthers) {
  Create();
  AppendMany(10);
  Clear(3, 7);
  for (const bool reopened : {false, true}) {
    if (reopened) {
      Must(core_->Flush());
      Reopen();
    }
    EXPECT_EQ(CodeOf(core_->Get(BlockIndex(3))), ErrorCode::kNotFound);
    EXPECT_EQ(CodeOf(core_->Get(BlockIndex(6))), ErrorCode::kNotFound);
    EXPECT_TRUE(core_->Get(BlockIndex(2)).has_value());
    EXPECT_TRUE(core_->Get(BlockIndex(7)).has_value());
  }
  const ByteRange range = Must(core_->Locate(BlockIndex(4)));
  Bytes bytes(range.length());
  Must(core_->ReadBytes(range.begin, bytes));
  EXPECT_EQ(bytes, Bytes(range.length()));
}

TEST_F(HypercoreTest, RefusesToClearBeyondItsLength) {
  Create();
  AppendMany(2);
  EXPECT_EQ(CodeOf(core_->Clear({BlockIndex(1), BlockIndex(3)})), ErrorCode::kOutOfRange);
}

TEST_F(HypercoreTest, AppendsAnotherTailAfterCuttingOne) {
  Create();
  Append("kept");
  const CoreHead kept = core_->head();
  Append("lost");
  Append("lost too");
  Must(core_->Flush());
  EXPECT_EQ(Must(core_->CutUnannouncedTail(1)), kept);
  Reopen();
  EXPECT_EQ(core_->head(), kept);
  Append("instead");
  Must(core_->Flush());
  Reopen();
  EXPECT_EQ(Get(1), "instead");
  EXPECT_EQ(core_->length(), 2U);
  EXPECT_TRUE(Must(core_->Audit()).clean());
}

TEST_F(HypercoreTest, CutsToEveryLengthAndStaysClean) {
  for (std::uint64_t cut = 0; cut <= 17; ++cut) {
    for (const bool flush_between : {false, true}) {
      *files_ = MemoryCoreFiles();
      Create();
      AppendMany(17);
      if (flush_between) {
        Must(core_->Flush());
      }
      Must(core_->CutUnannouncedTail(cut));
      Reopen();
      EXPECT_EQ(core_->length(), cut);
      const AuditReport report = Must(core_->Audit());
      EXPECT_TRUE(report.clean()) << cut << ": " << report.findings[0].ToString();
      AppendMany(5);
      Must(core_->Flush());
      Reopen();
      EXPECT_TRUE(Must(core_->Audit()).clean()) << cut;
    }
  }
}

TEST_F(HypercoreTest, RefusesToCutWhileBlocksAreStaged) {
  Create();
  AppendMany(2);
  const ByteView block = AsBytes("staged");
  Must(core_->StageBlocks(std::span(&block, 1)));
  EXPECT_EQ(CodeOf(core_->CutUnannouncedTail(1)), ErrorCode::kFailedPrecondition);
}

TEST_F(HypercoreTest, KeepsUserData) {
  Create();
  Must(core_->SetUserData("a", AsBytes("1")));
  Must(core_->SetUserData("b", AsBytes("2")));
  Must(core_->SetUserData("a", AsBytes("3")));
  Must(core_->SetUserData("b", {}));
  Reopen();
  EXPECT_EQ(core_->user_data(), (std::vector<UserDataItem>{{"a", ToBytes("3")}}));
}

TEST_F(HypercoreTest, GivesItsKeyPairToASecondCore) {
  Create();
  EXPECT_EQ(Must(core_->CloneKeyPair()).public_key, SevenCore().key_pair.public_key);
}

// Whatever write the full disk refuses: what was acknowledged is there, and the core goes on when
// there is room again.
TEST_F(HypercoreTest, SurvivesAFullDiskAtEveryWrite) {
  const auto failure = std::make_shared<Failure>();
  for (int room = 0; room < 60; ++room) {
    *files_ = MemoryCoreFiles();
    Create();
    core_.reset();
    core_ = Must(Hypercore::Open(std::make_unique<FailingStorage>(Storage(), failure)));
    failure->writes_left = room;
    std::uint64_t acknowledged = 0;
    for (int i = 0; i < 12; ++i) {
      const std::string text = "block " + std::to_string(i);
      const ByteView block = AsBytes(text);
      const Result<CoreHead> head = core_->Append(std::span(&block, 1));
      if (head) {
        acknowledged = head->length;
      } else {
        EXPECT_EQ(head.error().code, ErrorCode::kResourceExhausted);
        EXPECT_TRUE(core_->DropStaged().has_value());
      }
      if (i % 4 == 3) {
        (void)core_->Flush();
      }
    }
    failure->writes_left = 1000;
    const ByteView block = AsBytes("room again");
    ASSERT_EQ(Must(core_->Append(std::span(&block, 1))).length, acknowledged + 1) << room;
    Reopen();
    EXPECT_EQ(core_->length(), acknowledged + 1) << room;
    EXPECT_TRUE(Must(core_->Audit()).clean()) << room;
  }
}

}  // namespace
}  // namespace hnx::hyper
