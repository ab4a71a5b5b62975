#include "hyper/drive/hyperdrive.h"

#include <fmt/core.h>

#include "drive_fixture.h"
#include "hyper/drive/drive_path.h"

namespace hnx::hyper {
namespace {

using HyperdriveTest = DriveFixture;

TEST_F(HyperdriveTest, HasTheKeysThatJavaScriptDerives) {
  EXPECT_EQ(drive_->key().hex().substr(0, 8), "9d56810a");
  EXPECT_EQ(Must(DriveKey::Parse(drive_->key().id())), drive_->key());
}

TEST_F(HyperdriveTest, GivesBackWhatWasPut) {
  const std::string small = "hello";
  const std::string large = Pattern(200'000);
  Put("/small", small);
  Put("folder//./large", large);
  Put("/empty", "");
  Reopen();
  EXPECT_EQ(Get("/small"), small);
  EXPECT_EQ(Get("/folder/large"), large);
  EXPECT_EQ(Get("/empty"), "");
  EXPECT_EQ(Paths(Must(drive_->List("/"))),
            (std::vector<std::string>{"/empty", "/folder/large", "/small"}));
}

TEST_F(HyperdriveTest, WritesEntriesAsJavaScriptDoes) {
  auto batch = Must(drive_->BeginBatch());
  Must(batch->Put("/a", AsBytes("xyz"), {true, R"({ "b" : [1, "é"] })"}));
  Must(batch->Symlink("/l", "../a"));
  Must(batch->Commit());
  const auto file = Must(drive_->Entry("/a"));
  ASSERT_TRUE(file);
  EXPECT_EQ(Must(EncodeDriveEntryJson(*file)),
            R"({"executable":true,"linkname":null,"blob":{"blockOffset":0,"byteOffset":0,)"
            R"("blockLength":1,"byteLength":3},"metadata":{"b":[1,"é"]}})");
  const auto link = Must(drive_->Entry("/l"));
  ASSERT_TRUE(link);
  EXPECT_EQ(Must(EncodeDriveEntryJson(*link)),
            R"({"executable":false,"linkname":"../a","blob":null,"metadata":null})");
}

TEST_F(HyperdriveTest, ABatchBecomesVisibleAtOnceAndOnlyByCommit) {
  Put("/old", "1");
  const DriveHead before = drive_->head();
  auto batch = Must(drive_->BeginBatch());
  Must(batch->Put("/new", AsBytes("2")));
  Must(batch->Del("/old"));
  EXPECT_EQ(drive_->head(), before);
  EXPECT_FALSE(Must(drive_->Entry("/new")));
  const DriveHead after = Must(batch->Commit());
  EXPECT_EQ(after, drive_->head());
  EXPECT_EQ(after.db_length, before.db_length + 2);
  EXPECT_TRUE(Must(drive_->Entry("/new")));
  EXPECT_FALSE(Must(drive_->Entry("/old")));
}

TEST_F(HyperdriveTest, AnAbortedBatchLeavesNothing) {
  Put("/a", "1");
  const DriveHead before = drive_->head();
  {
    auto batch = Must(drive_->BeginBatch());
    Must(batch->Put("/b", AsBytes(Pattern(100'000))));
  }
  EXPECT_EQ(drive_->head(), before);
  EXPECT_EQ(Put("/b", "2").content_byte_length, before.content_byte_length + 1);
}

TEST_F(HyperdriveTest, StreamsAFileAndCutsARefusedOneOff) {
  const std::string content = Pattern(300'001);
  auto batch = Must(drive_->BeginBatch());
  {
    DriveWriteStream refused = Must(batch->OpenWrite("/refused"));
    Must(refused.Write(AsBytes(Pattern(150'000, 9))));
    Must(refused.Abort());
  }
  DriveWriteStream stream = Must(batch->OpenWrite("/kept"));
  EXPECT_EQ(CodeOf(batch->Put("/other", {})), ErrorCode::kFailedPrecondition);
  for (std::size_t at = 0; at < content.size(); at += 7'777) {
    Must(stream.Write(
        AsBytes(content).subspan(at, std::min<std::size_t>(7'777, content.size() - at))));
  }
  const BlobId blob = Must(stream.Finish());
  EXPECT_EQ(blob, (BlobId{0, 5, 0, 300'001}));
  EXPECT_EQ(Must(batch->Commit()).content_byte_length, content.size());
  EXPECT_EQ(Get("/kept"), content);
  EXPECT_FALSE(Must(drive_->Entry("/refused")));
}

TEST_F(HyperdriveTest, AnEmptyStreamIsAnEmptyFile) {
  auto batch = Must(drive_->BeginBatch());
  DriveWriteStream stream = Must(batch->OpenWrite("/empty"));
  EXPECT_EQ(Must(stream.Finish()), BlobId{});
  Must(batch->Commit());
  EXPECT_EQ(Get("/empty"), "");
}

TEST_F(HyperdriveTest, TheSameOperationsGiveTheSameHead) {
  std::vector<DriveHead> heads;
  for (int run = 0; run < 2; ++run) {
    ScratchFolder other;
    auto store = Must(Corestore::Create(other.path(), Key(3)));
    auto drive = Must(Hyperdrive::OpenOrCreate(*store));
    for (int i = 0; i < 5; ++i) {
      auto batch = Must(drive->BeginBatch());
      for (int j = 0; j < 40; ++j) {
        Must(batch->Put(fmt::format("/{}", (i * 17 + j * 5) % 90), AsBytes(Pattern(1000, 5))));
      }
      Must(batch->Del(fmt::format("/{}", i)));
      Must(batch->Commit());
    }
    heads.push_back(drive->head());
  }
  EXPECT_EQ(heads[0], heads[1]);
}

TEST_F(HyperdriveTest, RefusesPathsThatNameNoFile) {
  auto batch = Must(drive_->BeginBatch());
  for (const char* path : {"", "/", "..", "/a/../..", "//."}) {
    EXPECT_EQ(CodeOf(batch->Put(path, {})), ErrorCode::kInvalidArgument) << path;
  }
  EXPECT_EQ(CodeOf(batch->Put(std::string("/a\0b", 4), {})), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(batch->Put("/" + std::string(kDrivePathBytesMax, 'a'), {})),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(batch->Put("/a", {}, {false, "{not json"})), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(batch->Symlink("/a", "\xff")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(batch->operations(), 0U);
  EXPECT_EQ(batch->staged_content_bytes(), 0U);
}

TEST_F(HyperdriveTest, ABatchHasLimits) {
  auto batch = Must(drive_->BeginBatch());
  for (std::size_t i = 0; i < kDriveBatchOperationsMax; ++i) {
    Must(batch->Symlink(fmt::format("/{}", i), "x"));
  }
  EXPECT_EQ(CodeOf(batch->Symlink("/more", "x")), ErrorCode::kResourceExhausted);
  Must(batch->Commit());
  EXPECT_EQ(Paths(Must(drive_->List("/"))).size(), kDriveBatchOperationsMax);
}

TEST_F(HyperdriveTest, AllowsOneBatchAtATime) {
  auto batch = Must(drive_->BeginBatch());
  EXPECT_EQ(CodeOf(drive_->BeginBatch()), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(CodeOf(drive_->CutUnannouncedTail(0, 0)), ErrorCode::kFailedPrecondition);
  Must(batch->Abort());
  EXPECT_EQ(CodeOf(batch->Put("/late", {})), ErrorCode::kFailedPrecondition);
  Must(drive_->BeginBatch());
}

TEST_F(HyperdriveTest, CutsAnUnannouncedTailAndGoesOn) {
  Put("/a", "1");
  const DriveHead announced = Put("/b", "2");
  Put("/lost", "3");
  EXPECT_EQ(Must(drive_->CutUnannouncedTail(announced.db_length, announced.content_length)),
            announced);
  EXPECT_FALSE(Must(drive_->Entry("/lost")));
  Put("/c", "4");
  Reopen();
  EXPECT_EQ(Paths(Must(drive_->List("/"))), (std::vector<std::string>{"/a", "/b", "/c"}));
  EXPECT_EQ(CodeOf(drive_->CutUnannouncedTail(1'000, 0)), ErrorCode::kFailedPrecondition);
}

TEST_F(HyperdriveTest, ClearGivesTheRoomBackAndTellsSo) {
  const DriveHead head = Put("/a", Pattern(1 << 20));
  Put("/b", "kept");
  const auto entry = Must(drive_->Entry("/a"));
  Must(drive_->Clear(*entry->blob));
  EXPECT_EQ(CodeOf(drive_->Get("/a", 1 << 21)), ErrorCode::kNotFound);
  EXPECT_EQ(Get("/b"), "kept");
  EXPECT_EQ(CodeOf(drive_->Clear({0, head.content_length + 9, 0, 1})), ErrorCode::kDataLoss);
  EXPECT_TRUE(Must(OpenReader()->Audit()).clean());
}

TEST_F(HyperdriveTest, OneProcessHoldsTheStore) {
  EXPECT_EQ(CodeOf(Corestore::Open(folder())), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(CodeOf(Corestore::Create(folder())), ErrorCode::kFailedPrecondition);
  drive_.reset();
  store_.reset();
  EXPECT_EQ(CodeOf(Corestore::Create(folder())), ErrorCode::kAlreadyExists);
  EXPECT_EQ(CodeOf(Corestore::Open(folder_.path() / "elsewhere")), ErrorCode::kNotFound);
}

TEST_F(HyperdriveTest, AStoreWithoutADriveIsNotFound) {
  auto store = Must(Corestore::Create(folder_.path() / "bare"));
  EXPECT_EQ(CodeOf(Hyperdrive::Open(*store)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(DriveReader::Open({folder_.path() / "bare", std::nullopt})),
            ErrorCode::kNotFound);
}

}  // namespace
}  // namespace hnx::hyper
