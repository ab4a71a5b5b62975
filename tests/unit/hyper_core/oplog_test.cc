#include "hyper/core/oplog.h"

#include <gtest/gtest.h>

#include "tests/unit/hyper_core/core_fixture.h"

namespace hnx::hyper {
namespace {

class OplogTest : public CoreTest {
 protected:
  Bytes& Oplog() { return File(CoreFile::kOplog); }
  Result<OplogContent> Read() {
    MemoryCoreStorage storage(files_);
    return ReadOplog(storage);
  }
};

TEST_F(OplogTest, IsAbsentWhereNothingIs) {
  EXPECT_EQ(CodeOf(Read()), ErrorCode::kNotFound);
}

TEST_F(OplogTest, BeginsWithAHeaderInSlotZero) {
  Create();
  const OplogContent content = Must(Read());
  EXPECT_EQ(content.current_slot, 0);
  EXPECT_EQ(content.slots[1], SlotState::kEmpty);
  EXPECT_EQ(content.header.key, core_->key());
  EXPECT_TRUE(content.entries.empty());
}

TEST_F(OplogTest, AlternatesBetweenTheSlots) {
  Create();
  for (const int slot : {1, 0, 1, 0, 1}) {
    Append("x");
    Must(core_->Flush());
    EXPECT_EQ(Must(Read()).current_slot, slot);
    EXPECT_TRUE(Must(Read()).entries.empty());
  }
}

TEST_F(OplogTest, KeepsOneEntryPerCommit) {
  Create();
  AppendMany(3);
  Clear(1, 2);
  const OplogContent content = Must(Read());
  ASSERT_EQ(content.entries.size(), 4U);
  EXPECT_EQ(content.entries[1].nodes.size(), 2U);
  EXPECT_EQ(content.entries[1].upgrade->ancestors, 1U);
  EXPECT_EQ(content.entries[1].upgrade->length, 2U);
  EXPECT_TRUE(content.entries[3].bitfield->drop);
  EXPECT_FALSE(content.entries[3].upgrade.has_value());
}

TEST_F(OplogTest, LeavesOutATornEntryWhereverItIsCut) {
  Create();
  Append("first");
  const std::size_t whole = Oplog().size();
  Append("second");
  const Bytes both = Oplog();
  for (std::size_t size = whole; size < both.size(); ++size) {
    Oplog() = both;
    Oplog().resize(size);
    const OplogContent content = Must(Read());
    ASSERT_EQ(content.entries.size(), 1U) << size;
    ASSERT_EQ(content.end, whole) << size;
  }
}

TEST_F(OplogTest, TellsADamagedEntryThatOthersFollow) {
  Create();
  Append("first");
  const std::size_t first_end = Oplog().size();
  Append("second");
  const Bytes intact = Oplog();
  // All but the length word, without which the next entry cannot be found.
  for (std::size_t at = kOplogEntriesOffset; at < first_end; ++at) {
    if (at >= kOplogEntriesOffset + 4 && at < kOplogEntriesOffset + 8) {
      continue;
    }
    Oplog() = intact;
    Oplog()[at] ^= std::byte{0x10};
    ASSERT_EQ(CodeOf(Read()), ErrorCode::kDataLoss) << at;
  }
}

TEST_F(OplogTest, FallsBackToTheOlderHeaderWhenTheNewerIsTorn) {
  Create();
  Append("first");
  const Bytes before_flush = Oplog();
  Must(core_->Flush());
  // A crash in the middle of writing slot 1: half of it is there, the entries still are.
  Bytes torn = before_flush;
  std::copy_n(Oplog().begin() + kOplogSlotBytes, 40, torn.begin() + kOplogSlotBytes);
  Oplog() = torn;
  const OplogContent content = Must(Read());
  EXPECT_EQ(content.current_slot, 0);
  EXPECT_EQ(content.slots[1], SlotState::kDamaged);
  EXPECT_EQ(content.entries.size(), 1U);
}

TEST_F(OplogTest, IgnoresEntriesOfTheOlderHeader) {
  Create();
  Append("first");
  const Bytes with_entry = Oplog();
  Must(core_->Flush());
  // A crash between the new header and the truncation.
  std::copy(with_entry.begin() + kOplogEntriesOffset, with_entry.end(),
            std::back_inserter(Oplog()));
  const OplogContent content = Must(Read());
  EXPECT_TRUE(content.stale_entries);
  EXPECT_TRUE(content.entries.empty());
  EXPECT_EQ(content.header.length, 1U);
}

TEST_F(OplogTest, DoesNotGoBackBehindADamagedHeaderThatHadEntries) {
  Create();
  Append("first");
  Must(core_->Flush());
  Append("second");
  Oplog()[kOplogSlotBytes + 30] ^= std::byte{1};
  EXPECT_EQ(CodeOf(Read()), ErrorCode::kDataLoss);
}

TEST_F(OplogTest, SaysSoWhenBothHeadersAreDamaged) {
  Create();
  Append("first");
  Oplog()[20] ^= std::byte{1};
  EXPECT_EQ(CodeOf(Read()), ErrorCode::kDataLoss);
}

TEST_F(OplogTest, PutsAHeaderThatOutgrowsItsSlotIntoAFileOfItsOwn) {
  NewCore core = SevenCore();
  core.user_data.push_back({"large", Bytes(5000, std::byte{1})});
  core_ = Must(Hypercore::Create(Storage(), std::move(core)));
  for (int i = 0; i < 5; ++i) {
    Append("x");
    Must(core_->Flush());
    Reopen();
    ASSERT_EQ(core_->user_data().size(), 1U);
    EXPECT_EQ(core_->user_data()[0].value.size(), 5000U);
    EXPECT_EQ(core_->length(), static_cast<std::uint64_t>(i + 1));
  }
  EXPECT_GT(File(CoreFile::kHeader).size(), 5000U);
}

// Two entries that count together, behind the first.
class OplogGroupTest : public OplogTest {
 protected:
  OplogGroupTest() {
    Create();
    Append("x");
    begin_ = Oplog().size();
    WriteGroup();
    end_ = Oplog().size();
  }
  void WriteGroup() {
    std::vector<OplogEntry> group(2);
    group[0].user_data = UserDataItem{"a", ToBytes("1")};
    group[1].user_data = UserDataItem{"b", ToBytes("2")};
    MemoryCoreStorage storage(files_);
    const OplogContent content = Must(Read());
    Must(OplogWriter(storage, content).Append(group));
  }
  std::size_t Entries() { return Must(Read()).entries.size(); }

  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

TEST_F(OplogGroupTest, CountsWhole) {
  EXPECT_EQ(Entries(), 3U);
  Reopen();
  EXPECT_EQ(core_->user_data().size(), 2U);
}

TEST_F(OplogGroupTest, IsLeftOutWhereverItIsCut) {
  const Bytes whole = Oplog();
  for (std::size_t size = begin_; size < end_; ++size) {
    Oplog() = Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(Entries(), 1U) << size;
  }
}

TEST_F(OplogGroupTest, IsTornWhenItsFirstEntryIs) {
  FlipBit(CoreFile::kOplog, (begin_ + kOplogFrameBytes) * 8);
  EXPECT_EQ(Entries(), 1U);
}

TEST_F(OplogGroupTest, IsDamagedWhenOthersFollow) {
  WriteGroup();
  FlipBit(CoreFile::kOplog, (begin_ + kOplogFrameBytes) * 8);
  EXPECT_EQ(CodeOf(Read()), ErrorCode::kDataLoss);
}

TEST(OplogHeaderTest, RefusesEveryTruncation) {
  OplogHeader header;
  const NewCore seven = SevenCore();
  header.manifest = seven.manifest;
  header.key_pair = StoredKeyPair{seven.key_pair.public_key, seven.key_pair.Clone().secret_key};
  header.user_data = {{"key", Bytes(3)}};
  header.reorgs = {{1, 2, 3}};
  const Bytes encoded = header.Encode();
  EXPECT_TRUE(OplogHeader::Decode(encoded).has_value());
  // Only the last field, the contiguous length, may be missing.
  for (std::size_t size = 0; size + 1 < encoded.size(); ++size) {
    EXPECT_FALSE(OplogHeader::Decode(ByteView(encoded).first(size)).has_value()) << size;
  }
}

TEST(OplogHeaderTest, RefusesASecretKeyOfAnotherPublicKey) {
  OplogHeader header;
  header.key_pair = StoredKeyPair{SevenCore().key_pair.public_key, KeyPair::Generate().secret_key};
  EXPECT_FALSE(OplogHeader::Decode(header.Encode()).has_value());
}

}  // namespace
}  // namespace hnx::hyper
