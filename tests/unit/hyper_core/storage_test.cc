// One suite over every storage of a core's files, and what only the flat one does.
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "hyper/storage/flat_core_storage.h"
#include "hyper/storage/memory_core_storage.h"
#include "hyper/storage/recording_core_storage.h"
#include "tests/unit/hyper_core/core_fixture.h"
#include "tests/unit/hyper_core/scratch_folder.h"

namespace hnx::hyper {
namespace {

enum class Kind { kMemory, kFlat, kRecording };

class CoreStorageTest : public ::testing::TestWithParam<Kind> {
 protected:
  CoreStorageTest() {
    switch (GetParam()) {
      case Kind::kMemory:
        storage_ = std::make_unique<MemoryCoreStorage>();
        break;
      case Kind::kFlat:
        storage_ = Must(FlatCoreStorage::OpenForWriting(scratch_.path() / "a" / "core"));
        break;
      case Kind::kRecording:
        storage_ = std::make_unique<RecordingCoreStorage>(std::make_unique<MemoryCoreStorage>(),
                                                          std::make_shared<ChangeJournal>());
        break;
    }
  }
  std::string Read(std::uint64_t offset, std::size_t count) {
    std::string out(count, '?');
    out.resize(Must(storage_->Read(CoreFile::kData, offset,
                                   std::as_writable_bytes(std::span(out.data(), count)))));
    return out;
  }
  void Write(std::uint64_t offset, std::string_view text) {
    Must(storage_->Write(CoreFile::kData, offset, AsBytes(text)));
  }

  ScratchFolder scratch_;
  std::unique_ptr<CoreStorage> storage_;
};

TEST_P(CoreStorageTest, ReadsWhatWasWritten) {
  Write(0, "hello");
  Write(3, "p me");
  EXPECT_EQ(Read(0, 100), "help me");
  EXPECT_EQ(Read(5, 100), "me");
  EXPECT_EQ(Read(50, 100), "");
}

TEST_P(CoreStorageTest, FillsGapsWithZeros) {
  Write(3, "x");
  EXPECT_EQ(Read(0, 4), std::string("\0\0\0x", 4));
}

TEST_P(CoreStorageTest, TruncatesBothWays) {
  Write(0, "hello");
  Must(storage_->Truncate(CoreFile::kData, 2));
  EXPECT_EQ(Read(0, 10), "he");
  Must(storage_->Truncate(CoreFile::kData, 4));
  EXPECT_EQ(Read(0, 10), std::string("he\0\0", 4));
}

TEST_P(CoreStorageTest, PunchesHolesThatReadAsZeros) {
  Write(0, "hello world");
  Must(storage_->PunchHole(CoreFile::kData, 2, 4));
  EXPECT_EQ(Read(0, 20), std::string("he\0\0\0\0world", 11));
  EXPECT_EQ(Must(storage_->Size(CoreFile::kData)), 11U);
}

TEST_P(CoreStorageTest, TakesAFileThatWasNeverWrittenForEmpty) {
  EXPECT_EQ(Must(storage_->Size(CoreFile::kHeader)), 0U);
  std::array<std::byte, 4> out;
  EXPECT_EQ(Must(storage_->Read(CoreFile::kHeader, 0, out)), 0U);
  storage_->Sync(CoreFile::kHeader);
}

TEST_P(CoreStorageTest, HoldsACore) {
  auto core = Must(Hypercore::Create(std::move(storage_), SevenCore()));
  const ByteView block = AsBytes("block");
  Must(core->Append(std::span(&block, 1)));
  EXPECT_TRUE(Must(core->Audit()).clean());
}

INSTANTIATE_TEST_SUITE_P(All, CoreStorageTest,
                         ::testing::Values(Kind::kMemory, Kind::kFlat, Kind::kRecording));

class FlatCoreStorageTest : public ::testing::Test {
 protected:
  std::filesystem::path Folder() const { return scratch_.path() / "core"; }
  std::unique_ptr<FlatCoreStorage> Writing() {
    return Must(FlatCoreStorage::OpenForWriting(Folder()));
  }

  ScratchFolder scratch_;
};

TEST_F(FlatCoreStorageTest, LaysCoresOutAsCorestoreDoes) {
  const DiscoveryKey key = DiscoveryKeyOf(CoreKeyOf(SevenCore().manifest));
  EXPECT_EQ(CoreFolder("/store", key).string(),
            "/store/cores/2c/ad/2cad275d1165e91ee87db9943190d3d130d0d9f821c7b70d552cac2a2358f451");
}

TEST_F(FlatCoreStorageTest, HasOneWriter) {
  const auto first = Writing();
  EXPECT_EQ(CodeOf(FlatCoreStorage::OpenForWriting(Folder())), ErrorCode::kUnavailable);
  EXPECT_TRUE(FlatCoreStorage::OpenReadOnly(Folder()).has_value());
}

TEST_F(FlatCoreStorageTest, RefusesToWriteWhenOpenedReadOnly) {
  Writing();
  const auto reading = Must(FlatCoreStorage::OpenReadOnly(Folder()));
  EXPECT_EQ(CodeOf(reading->Write(CoreFile::kData, 0, AsBytes("x"))), ErrorCode::kPermissionDenied);
  EXPECT_EQ(CodeOf(reading->Truncate(CoreFile::kData, 0)), ErrorCode::kPermissionDenied);
  EXPECT_EQ(CodeOf(reading->PunchHole(CoreFile::kData, 0, 1)), ErrorCode::kPermissionDenied);
}

TEST_F(FlatCoreStorageTest, MakesNothingWhenOpenedReadOnly) {
  EXPECT_EQ(CodeOf(FlatCoreStorage::OpenReadOnly(Folder())), ErrorCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(Folder()));
}

TEST_F(FlatCoreStorageTest, LetsReadersShareARangeAndKeepsTheWriterOut) {
  const auto writing = Writing();
  const auto reading = Must(FlatCoreStorage::OpenReadOnly(Folder()));
  const ByteRange range{ByteOffset(100), ByteOffset(200)};
  const ByteRange beside{ByteOffset(200), ByteOffset(300)};
  {
    const DataLock one = Must(reading->LockData(LockKind::kShared, range, LockWait::kFail));
    { const DataLock two = Must(reading->LockData(LockKind::kShared, range, LockWait::kFail)); }
    // The end of the second did not end the first.
    EXPECT_EQ(CodeOf(writing->LockData(LockKind::kExclusive, range, LockWait::kFail)),
              ErrorCode::kUnavailable);
    EXPECT_TRUE(writing->LockData(LockKind::kExclusive, beside, LockWait::kFail).has_value());
  }
  EXPECT_TRUE(writing->LockData(LockKind::kExclusive, range, LockWait::kFail).has_value());
}

TEST_F(FlatCoreStorageTest, ClearingWaitsForReadersOrSaysThatTheyAreThere) {
  auto core = Must(Hypercore::Create(Writing(), SevenCore()));
  const std::string text(100000, 'x');
  const ByteView block = AsBytes(text);
  Must(core->Append(std::span(&block, 1)));
  auto reader = Must(CoreReader::Open(Must(FlatCoreStorage::OpenReadOnly(Folder()))));
  const BlockRange all{BlockIndex(0), BlockIndex(1)};
  {
    const CoreReader::LockedBlocks locked = Must(reader->LockRange(all));
    EXPECT_EQ(CodeOf(core->Clear(all)), ErrorCode::kUnavailable);
    EXPECT_TRUE(Must(core->Has(BlockIndex(0))));
    EXPECT_EQ(CodeOf(core->CutUnannouncedTail(0)), ErrorCode::kUnavailable);
    EXPECT_EQ(core->length(), 1U);
  }
  Must(core->Clear(all));
  EXPECT_EQ(CodeOf(reader->LockRange(all)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(reader->Get(BlockIndex(0))), ErrorCode::kNotFound);
}

TEST_F(FlatCoreStorageTest, GivesTheSpaceOfClearedBlocksBack) {
  auto core = Must(Hypercore::Create(Writing(), SevenCore()));
  const Bytes block(100000, std::byte{1});
  for (int i = 0; i < 10; ++i) {
    const ByteView view(block);
    Must(core->Append(std::span(&view, 1)));
  }
  const auto blocks_on_disk = [&] {
    struct stat info {};
    EXPECT_EQ(::stat((Folder() / "data").c_str(), &info), 0);
    return info.st_blocks * 512;
  };
  const auto before = blocks_on_disk();
  // One by one: the pages that two neighbours share go with the second.
  for (std::uint64_t i = 0; i < 10; ++i) {
    Must(core->Clear({BlockIndex(i), BlockIndex(i + 1)}));
  }
  EXPECT_GE(before, 1000000);
  // What is left is the file system's own: the shared last page, and a block that maps the holes.
  EXPECT_LE(blocks_on_disk(), 16384);
}

}  // namespace
}  // namespace hnx::hyper
