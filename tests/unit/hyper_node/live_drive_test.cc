// A drive from afar that is to be whole at a version, and versions that nobody can send any more.
#include <functional>
#include <thread>

#include "node_fixture.h"

namespace hnx::hyper {
namespace {

class FetchLiveTest : public NodeFixture {
 protected:
  static Result<void> Admit(std::uint64_t /*bytes_max*/) { return {}; }
  static LiveVersion FetchLive(RemoteDrive& remote) {
    remote.SetKeep(RemoteDrive::Keep::kEntries);
    Must(remote.WaitForHead(ReadLimits::Within(kLong)));
    // The content's head may come after the entries'.
    for (;;) {
      const auto held = remote.FetchLive(ReadLimits::Within(kLong), Admit, std::nullopt);
      if (CodeOf(held) != ErrorCode::kUnavailable) {
        return Must(held);
      }
    }
  }
  LiveVersion FetchNewest(RemoteDrive& remote) {
    for (;;) {
      const LiveVersion held = FetchLive(remote);
      if (held.version == drive_->head().db_length) {
        return held;
      }
      Must(remote.WaitForVersion(held.version, ReadLimits::Within(kLong)));
    }
  }
};

TEST_F(FetchLiveTest, BringsEverythingThatTheEntriesNameAndSaysWhereItEnds) {
  Put("/a", Pattern(3 * kBlock + 5));
  Must(drive_->Symlink("/link", "a"));
  Put("/empty", "");
  Put("/b", Pattern(10, 2));
  auto origin = Origin();
  const auto reader = Node({AddressOf(*origin)});
  const auto remote = OpenRemote(*reader);
  const LiveVersion held = FetchNewest(*remote);
  EXPECT_EQ(held.content_length, 5U);
  EXPECT_TRUE(held.nothing_else);
  origin.reset();
  const auto view = View(*remote);
  EXPECT_EQ(ReadFrom(*view, "/a"), Pattern(3 * kBlock + 5));
  EXPECT_EQ(ReadFrom(*view, "/b"), Pattern(10, 2));
}

TEST_F(FetchLiveTest, WhatWasDeletedIsNotAskedForAndGivesItsRoomBack) {
  Put("/first", Pattern(40 * kBlock));
  Put("/kept", Pattern(kBlock, 2));
  const auto origin = Origin();
  const auto reader = Node({AddressOf(*origin)});
  const auto remote = OpenRemote(*reader);
  FetchNewest(*remote);
  const auto whole = Must(remote->Status());
  EXPECT_GE(whole.bytes_on_disk, 41 * kBlock);
  Must(drive_->Del("/first"));
  Put("/second", Pattern(40 * kBlock, 3));
  Must(drive_->Del("/second"));
  Put("/last", Pattern(kBlock, 4));
  const LiveVersion held = FetchNewest(*remote);
  EXPECT_EQ(held.content_length, 82U);
  const auto status = Must(remote->Status());
  EXPECT_LT(status.bytes_on_disk, 10 * kBlock);
  EXPECT_EQ(status.content->download.blocks_received, whole.content->download.blocks_received + 1);
  EXPECT_EQ(ReadFrom(*View(*remote), "/kept"), Pattern(kBlock, 2));
}

TEST_F(FetchLiveTest, WhatTheWriterClearedIsNotMissed) {
  Put("/cleared", Pattern(20 * kBlock));
  Put("/kept", Pattern(kBlock, 2));
  const BlobId blob = *Must(drive_->Entry("/cleared"))->blob;
  Must(drive_->Del("/cleared"));
  Must(drive_->Clear(blob));
  const auto origin = Origin();
  const auto reader = Node({AddressOf(*origin)});
  const auto remote = OpenRemote(*reader);
  EXPECT_EQ(FetchNewest(*remote).content_length, 21U);
}

TEST_F(FetchLiveTest, WhatIsNotLetInIsNotFetched) {
  Put("/a", Pattern(3 * kBlock));
  const auto origin = Origin();
  const auto reader = Node({AddressOf(*origin)});
  const auto remote = OpenRemote(*reader);
  remote->SetKeep(RemoteDrive::Keep::kEntries);
  const auto view = View(*remote);
  const auto full = [](std::uint64_t) -> Result<void> { return ResourceExhausted("no room"); };
  for (;;) {
    const auto refused = remote->FetchLive(ReadLimits::Within(kLong), full, std::nullopt);
    if (CodeOf(refused) != ErrorCode::kUnavailable) {
      EXPECT_EQ(CodeOf(refused), ErrorCode::kResourceExhausted);
      break;
    }
  }
  EXPECT_EQ(Must(remote->Status()).content->download.blocks_received, 0U);
}

TEST_F(FetchLiveTest, GoesOnAfterARestartWithWhatIsMissing) {
  Put("/a", Pattern(30 * kBlock));
  const auto origin = Origin();
  {
    const auto reader = Node({AddressOf(*origin)});
    const auto remote = OpenRemote(*reader);
    FetchNewest(*remote);
  }
  Put("/b", Pattern(2 * kBlock, 2));
  const auto reader = Node({AddressOf(*origin)});
  const auto remote = OpenRemote(*reader);
  EXPECT_EQ(FetchNewest(*remote).content_length, 32U);
  EXPECT_EQ(Must(remote->Status()).content->download.blocks_received, 2U);
}

// A writer told of its newest version, and died before anybody had got that one's entries.
class LostEntriesTest : public FetchLiveTest {
 protected:
  // The holder has everything of `drive_` as it is at the call. Of what `write` puts then it gets
  // the head only.
  template <class Write>
  void LoseEntriesOf(const Write& write) {
    auto origin = Origin();
    holder_ = Node({AddressOf(*origin)});
    copy_ = OpenRemote(*holder_);
    held_ = FetchNewest(*copy_);
    ASSERT_TRUE(Becomes([&] {
      const auto status = Must(copy_->Status());
      return status.db.contiguous_length == status.db.head.length;
    }));
    copy_->SetKeep(RemoteDrive::Keep::kSparse);
    Must(copy_->Status());  // behind it on the loop
    write();
    origin->RefreshServed(drive_->key());
    Must(copy_->WaitForVersion(held_.version, ReadLimits::Within(kLong)));
    origin.reset();
    ASSERT_EQ(Must(copy_->Status()).db.contiguous_length, held_.version);
  }
  static bool Becomes(const std::function<bool()>& so) {
    const auto end = Clock::Real().Steady() + kLong;
    while (!so()) {
      if (Clock::Real().Steady() > end) {
        return false;
      }
      std::this_thread::yield();
    }
    return true;
  }
  static ReadLimits Short() {
    ReadLimits limits;
    limits.stall_max = 200ms;
    return limits;
  }

  std::unique_ptr<PeerNode> holder_;
  std::shared_ptr<RemoteDrive> copy_;
  LiveVersion held_;
};

TEST_F(LostEntriesTest, AReaderFindsWhatTheVersionBeforeHad) {
  Put("/a", Pattern(3 * kBlock));
  LoseEntriesOf([&] { Put("/b", "beta"); });
  const auto reader = Node({AddressOf(*holder_)});
  RemoteDriveOptions options;
  options.folder = folder_.path() / "cache2";
  options.older_entries = true;
  auto remote = Must(reader->OpenRemote(drive_->key(), options));
  Must(remote->WaitForHead(ReadLimits::Within(kLong)));
  Must(remote->WaitForVersion(held_.version, ReadLimits::Within(kLong)));
  ASSERT_TRUE(Becomes([&] { return Must(remote->VersionInReach()) == held_.version; }));
  const auto view = View(*remote);
  EXPECT_EQ(ReadFrom(*view, "/a"), Pattern(3 * kBlock));
  EXPECT_EQ(CodeOf(Must(remote->View(Short()))->Entry("/b")), ErrorCode::kDeadlineExceeded)
      << "it is not said that it is not there";
}

TEST_F(LostEntriesTest, WhoWantsTheNewestEntriesOnlyIsNotGivenOlderOnes) {
  Put("/a", "alpha");
  LoseEntriesOf([&] { Put("/b", "beta"); });
  const auto reader = Node({AddressOf(*holder_)});
  const auto remote = OpenRemote(*reader, "cache2");
  Must(remote->WaitForHead(ReadLimits::Within(kLong)));
  Must(remote->WaitForVersion(held_.version, ReadLimits::Within(kLong)));
  EXPECT_EQ(CodeOf(Must(remote->View(Short()))->Entry("/a")), ErrorCode::kDeadlineExceeded);
}

TEST_F(LostEntriesTest, ACopyIsWholeAtTheVersionBeforeAndKeepsWhatItHas) {
  Put("/a", Pattern(3 * kBlock));
  Put("/gone", Pattern(20 * kBlock, 2));
  LoseEntriesOf([&] { Must(drive_->Del("/gone")); });
  const std::uint64_t before = Must(copy_->Status()).bytes_on_disk;
  copy_->SetKeep(RemoteDrive::Keep::kEntries);
  EXPECT_EQ(Must(copy_->VersionInReach()), held_.version);
  const LiveVersion held = Must(copy_->FetchLive(Short(), Admit, std::nullopt));
  EXPECT_EQ(held, held_);
  EXPECT_EQ(Must(copy_->Status()).bytes_on_disk, before);
}

TEST_F(LostEntriesTest, OneWhoCopiesTheCopyHasWhatItHas) {
  Put("/a", Pattern(3 * kBlock));
  LoseEntriesOf([&] { Put("/b", Pattern(kBlock, 2)); });
  const auto second = Node({AddressOf(*holder_)});
  const auto remote = OpenRemote(*second, "cache2");
  remote->SetKeep(RemoteDrive::Keep::kEntries);
  Must(remote->WaitForHead(ReadLimits::Within(kLong)));
  Must(remote->WaitForVersion(held_.version, ReadLimits::Within(kLong)));
  EXPECT_EQ(Must(remote->FetchLive(Short(), Admit, std::nullopt)), held_);
}

TEST_F(LostEntriesTest, OfBlobsThatNobodyHasThoseBeforeAreWholeWhenTheOthersDoNotCount) {
  Put("/a", Pattern(3 * kBlock));
  auto origin = Origin();
  const auto holder = Node({AddressOf(*origin)});
  const auto copy = OpenRemote(*holder);
  const LiveVersion held = FetchNewest(*copy);
  Put("/b", Pattern(2 * kBlock, 2));
  origin->RefreshServed(drive_->key());
  Must(copy->WaitForVersion(held.version, ReadLimits::Within(kLong)));
  Must(copy->WaitUntilHeld(RemoteDrive::Keep::kEntries, ReadLimits::Within(kLong)));
  origin.reset();
  EXPECT_FALSE(copy->FetchLive(Short(), Admit, std::nullopt).has_value());
  const LiveVersion counted = Must(copy->FetchLive(Short(), Admit, held.content_length));
  EXPECT_EQ(counted.version, drive_->head().db_length);
  EXPECT_EQ(counted.content_length, held.content_length);
}

TEST_F(LostEntriesTest, WhenTheWriterIsBackEverythingIsThereAndWhatWasDeletedGoes) {
  Put("/a", Pattern(kBlock));
  Put("/gone", Pattern(20 * kBlock, 2));
  LoseEntriesOf([&] { Must(drive_->Del("/gone")); });
  copy_->SetKeep(RemoteDrive::Keep::kEntries);
  const std::uint64_t before = Must(copy_->Status()).bytes_on_disk;
  Must(copy_->FetchLive(Short(), Admit, std::nullopt));
  const auto origin = Origin();
  Must(holder_->AddPeer(AddressOf(*origin)));
  EXPECT_EQ(FetchNewest(*copy_).version, drive_->head().db_length);
  EXPECT_LT(Must(copy_->Status()).bytes_on_disk, before - 10 * kBlock);
}

}  // namespace
}  // namespace hnx::hyper
