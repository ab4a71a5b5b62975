#include <gtest/gtest.h>

#include "hyper/core/hypercore.h"
#include "tests/unit/hyper_core/core_fixture.h"
#include "tests/unit/hyper_core/failing_storage.h"

namespace hnx::hyper {
namespace {

class StagedAppendTest : public CoreTest {
 protected:
  static std::string Content(std::size_t bytes) {
    std::string content(bytes, ' ');
    for (std::size_t i = 0; i < bytes; ++i) {
      content[i] = static_cast<char>('a' + i * 7 % 23);
    }
    return content;
  }
  StagedRange Stage(std::string_view content, std::size_t portion = 1000) {
    StagedAppend staged = Must(core_->Stage());
    for (std::size_t at = 0; at < content.size(); at += portion) {
      Must(staged.Write(AsBytes(content.substr(at, portion))));
    }
    return Must(staged.Finish());
  }
};

TEST_F(StagedAppendTest, CutsTheStreamIntoBlocksOf64KiB) {
  Create();
  const std::string content = Content(2 * kStagedBlockBytes + 5);
  for (const std::size_t portion : {std::size_t{999}, kStagedBlockBytes, content.size()}) {
    const StagedRange range = Stage(content, portion);
    EXPECT_EQ(range.blocks.length(), 3U);
    EXPECT_EQ(range.bytes.length(), content.size());
    Must(core_->Commit());
    EXPECT_EQ(Must(core_->Get(range.blocks.end - 1)).size(), 5U);
    Bytes read(content.size());
    Must(core_->ReadBytes(range.bytes.begin, read));
    EXPECT_EQ(AsText(read), content) << portion;
  }
  // However it was portioned, the leaves are the same.
  EXPECT_EQ(Must(core_->Get(BlockIndex(0))), Must(core_->Get(BlockIndex(3))));
}

TEST_F(StagedAppendTest, IsNotThereBeforeTheCommit) {
  Create();
  Append("committed");
  Stage("staged");
  EXPECT_EQ(core_->length(), 1U);
  EXPECT_EQ(core_->staged_length(), 2U);
  EXPECT_EQ(CodeOf(core_->Get(BlockIndex(1))), ErrorCode::kOutOfRange);
  Reopen();
  EXPECT_EQ(core_->staged_length(), 1U);
  EXPECT_EQ(core_->open_report().data_bytes_cut, 6U);
}

TEST_F(StagedAppendTest, CommitsAnyNumberWithOneEntry) {
  Create();
  for (int i = 0; i < 5; ++i) {
    Stage("nar " + std::to_string(i));
  }
  EXPECT_EQ(Must(core_->Commit()).length, 5U);
  EXPECT_EQ(Get(4), "nar 4");
}

TEST_F(StagedAppendTest, LeavesNothingBehindWhenAborted) {
  Create();
  Stage("before");
  {
    StagedAppend refused = Must(core_->Stage());
    Must(refused.Write(AsBytes(Content(3 * kStagedBlockBytes + 1))));
    EXPECT_EQ(refused.first_block(), BlockIndex(1));
    EXPECT_EQ(refused.first_byte(), ByteOffset(6));
    Must(refused.Abort());
  }
  EXPECT_EQ(File(CoreFile::kData).size(), 6U);
  Stage("after");
  Must(core_->Commit());
  EXPECT_EQ(Get(1), "after");
  EXPECT_TRUE(Must(core_->Audit()).clean());
}

TEST_F(StagedAppendTest, AbortsByItselfWhenForgotten) {
  Create();
  {
    StagedAppend forgotten = Must(core_->Stage());
    Must(forgotten.Write(AsBytes(Content(kStagedBlockBytes))));
  }
  EXPECT_EQ(core_->staged_length(), 0U);
  EXPECT_TRUE(core_->Stage().has_value());
}

TEST_F(StagedAppendTest, AllowsOneAtATime) {
  Create();
  const StagedAppend open = Must(core_->Stage());
  EXPECT_EQ(CodeOf(core_->Stage()), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(CodeOf(core_->Commit()), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(CodeOf(core_->DropStaged()), ErrorCode::kFailedPrecondition);
  const ByteView block = AsBytes("x");
  EXPECT_EQ(CodeOf(core_->StageBlocks(std::span(&block, 1))), ErrorCode::kFailedPrecondition);
}

TEST_F(StagedAppendTest, CommitsOnlyWhatWasPrepared) {
  Create();
  Stage("first");
  EXPECT_EQ(CodeOf(core_->CommitPrepared()), ErrorCode::kFailedPrecondition);
  Must(core_->PrepareCommit());
  Stage("second");
  EXPECT_EQ(CodeOf(core_->CommitPrepared()), ErrorCode::kFailedPrecondition);
  Must(core_->PrepareCommit());
  EXPECT_EQ(Must(core_->CommitPrepared()).length, 2U);
}

TEST_F(StagedAppendTest, DropsEverythingStaged) {
  Create();
  Append("committed");
  Stage("one");
  Stage("two");
  Must(core_->DropStaged());
  EXPECT_EQ(File(CoreFile::kData).size(), 9U);
  EXPECT_EQ(Must(core_->Commit()).length, 1U);
}

TEST_F(StagedAppendTest, CommittingNothingReturnsTheHead) {
  Create();
  const CoreHead head = Append("x");
  const std::size_t oplog_size = File(CoreFile::kOplog).size();
  EXPECT_EQ(Must(core_->Commit()), head);
  EXPECT_EQ(File(CoreFile::kOplog).size(), oplog_size);
}

TEST_F(StagedAppendTest, OfNoBytesIsNoBlock) {
  Create();
  EXPECT_TRUE(Stage("").blocks.empty());
}

TEST_F(StagedAppendTest, CanBeAbortedAfterAFailedWrite) {
  Create();
  core_.reset();
  const auto failure = std::make_shared<Failure>();
  core_ = Must(Hypercore::Open(std::make_unique<FailingStorage>(Storage(), failure)));
  Stage("kept");
  {
    StagedAppend staged = Must(core_->Stage());
    failure->writes_left = 1;
    Must(staged.Write(AsBytes(Content(kStagedBlockBytes))));
    EXPECT_EQ(CodeOf(staged.Write(AsBytes(Content(kStagedBlockBytes)))),
              ErrorCode::kResourceExhausted);
    EXPECT_EQ(CodeOf(staged.Write(AsBytes("more"))), ErrorCode::kFailedPrecondition);
    EXPECT_EQ(CodeOf(staged.Finish()), ErrorCode::kFailedPrecondition);
    Must(staged.Abort());
  }
  failure->writes_left = 1000;
  EXPECT_EQ(Must(core_->Commit()).length, 1U);
  EXPECT_EQ(Get(0), "kept");
}

TEST_F(StagedAppendTest, DoesNotHinderClearing) {
  Create();
  AppendMany(3);
  Stage("staged");
  Clear(0, 3);
  Must(core_->Commit());
  EXPECT_EQ(Get(3), "staged");
  EXPECT_TRUE(Must(core_->Audit()).clean());
}

}  // namespace
}  // namespace hnx::hyper
