// Bits that flip on a worker's disk: found, put right from wherever they can be had, and taken out
// of the shard where they cannot.
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "hyper/core/core_reader.h"
#include "hyper/core/keys.h"
#include "hyper/drive/drive_reader.h"
#include "hyper/drive/find_drive.h"
#include "hyper/storage/flat_core_storage.h"
#include "worker_fixture.h"

namespace hnx::test {
namespace {

namespace fs = std::filesystem;
using State = FakeCoordinator::State;

class ScrubTest : public WorkerTest {
 protected:
  ScrubTest() {
    options_.scrub_rate = 1'000'000'000;
    options_.scrub_interval = std::chrono::milliseconds(0);
  }
  ~ScrubTest() override { holder_.reset(); }

  // The shard that holds the file.
  std::string ShardOf(const std::string& file) {
    std::string key;
    coordinator_.With([&](State& state) { key = state.entries.at(file).front().first; });
    return key;
  }
  fs::path FolderOf(const std::string& key, const fs::path& drives) const {
    return drives / hyper::DriveKey::FromBytes(AsBytes(key))->id();
  }
  fs::path FolderOf(const std::string& key) const {
    return FolderOf(key, fs::path(options_.data) / "drives");
  }
  static fs::path CoreFolder(const fs::path& drive, bool content) {
    const auto id = Must(hyper::DriveKey::Parse(drive.filename().string()));
    const auto reader = Must(hyper::DriveReader::Open({drive, id}));
    hyper::CoreKey key;
    key.bytes = (content ? reader->content_key() : reader->key()).bytes();
    return hyper::CoreFolder(drive, hyper::DiscoveryKeyOf(key));
  }
  static void Flip(const fs::path& core, hyper::CoreFile file, std::uint64_t bit) {
    const auto storage = Must(hyper::FlatCoreStorage::OpenForMending(core));
    std::byte byte{};
    Must(hyper::ReadExactly(*storage, file, bit / 8, std::span(&byte, 1)));
    byte ^= std::byte{1} << (bit % 8);
    Must(storage->Write(file, bit / 8, ByteView(&byte, 1)));
  }
  // A bit in the middle of the NAR's bytes in this drive.
  void FlipIn(const fs::path& drive, const std::string& file) {
    std::uint64_t byte = 0;
    coordinator_.With([&](State& state) {
      const pb::BlobId& blob = state.entries.at(file).front().second.blob();
      byte = blob.byte_offset() + blob.byte_length() / 2;
    });
    Flip(CoreFolder(drive, true), hyper::CoreFile::kData, byte * 8 + 3);
  }
  static std::vector<std::string> Wrong(const fs::path& drive) {
    return Must(hyper::AuditStoreFolder(drive)).findings;
  }
  // Has the drive scrubbed and waits for the end of that round.
  static pb::DriveScrub Scrub(FakeCoordinator& coordinator, const std::string& key) {
    std::uint64_t ask = 0;
    coordinator.With([&](State& state) { ask = ++state.scrub_asks[key]; });
    pb::DriveScrub whole;
    EXPECT_TRUE(coordinator.WaitFor(
        [&](const State& state) {
          const auto found = state.scrubs.find(key);
          if (found == state.scrubs.end() || found->second.ask() < ask) {
            return false;
          }
          whole = found->second;
          return true;
        },
        std::chrono::seconds(90)));
    return whole;
  }
  pb::DriveScrub Scrub(const std::string& key) { return Scrub(coordinator_, key); }

  // A second worker that holds a copy of the shard.
  void StartHolder(const std::string& key) {
    worker::WorkerOptions options = options_;
    options.data = folder_ / "holder";
    options.coordinators = {holders_coordinator_.endpoint()};
    options.endpoints.clear();
    ASSERT_TRUE(worker::Complete(&options).has_value());
    holder_ = Must(worker::Worker::Start(options, [](worker::EndReason, const std::string&) {}));
    pb::Copy copy;
    copy.set_key(key);
    copy.add_peers(worker_->peer_address());
    holders_coordinator_.With([&](State& state) {
      state.copies = {copy};
      state.shard_peers = {worker_->peer_address()};
    });
    ASSERT_TRUE(holders_coordinator_.WaitFor([](const State& state) {
      return state.last_request.copies_size() > 0 && state.last_request.copies(0).version() > 1;
    }));
    coordinator_.With([&](State& state) { state.shard_peers = {holder_->peer_address()}; });
  }
  fs::path HoldersFolder(const std::string& key) const {
    return FolderOf(key, folder_ / "holder" / "copies");
  }
  // Stores the NAR and stops when its content has been read in part; returns the shard's key.
  std::string StopInTheMiddle(const SampleNar& nar) {
    // What may be read at once is in the middle of the content; the rest would take half a minute.
    options_.scrub_rate = 200'000;
    StartWorker();
    EXPECT_TRUE(coordinator_.RunJob({Serve(nar)}));
    const std::string key = ShardOf(nar.name);
    coordinator_.With([&](State& state) { state.scrub_asks[key] = 1; });
    EXPECT_TRUE(coordinator_.WaitFor([&](const State& state) {
      const auto found = state.scrubbing.find(key);
      return found != state.scrubbing.end() && found->second.blocks() > 10;
    }));
    StopWorker();
    std::ifstream file(fs::path(options_.data) / "scrub");
    const auto state = nlohmann::json::parse(file);
    const auto& drive = state.at("drives").at(hyper::DriveKey::FromBytes(AsBytes(key))->id());
    EXPECT_TRUE(drive.contains("round")) << state.dump();
    EXPECT_EQ(drive.at("round").at("part"), "content");
    EXPECT_GT(drive.at("round").at("block").get<int>(), 5);
    return key;
  }
  // A bit in the content's first block.
  void FlipFirst(const std::string& key) {
    Flip(CoreFolder(FolderOf(key), true), hyper::CoreFile::kData, 8 * 100);
  }
  // Starts again, at full speed, and returns how the round that was begun has ended.
  pb::DriveScrub GoOn(const std::string& key) {
    options_.scrub_rate = 1'000'000'000;
    StartWorker();
    pb::DriveScrub whole;
    EXPECT_TRUE(coordinator_.WaitFor([&](const State& now) {
      const auto found = now.scrubs.find(key);
      if (found == now.scrubs.end() || found->second.ask() != 1) {
        return false;
      }
      whole = found->second;
      return true;
    }));
    return whole;
  }
  void Unserve(const SampleNar& nar) { upstream_.Serve("/nar/" + nar.name, {Answer(404, "")}); }

  FakeCoordinator holders_coordinator_;
  std::unique_ptr<worker::Worker> holder_;
};

TEST_F(ScrubTest, FindsNothingWrongWithWhatIsRight) {
  StartWorker();
  const SampleNar first = MakeNar(70, 700'000);
  const SampleNar second = MakeNar(71, 900'000, nix::Compression::kXz);
  ASSERT_TRUE(coordinator_.RunJob({Serve(first), Serve(second)}));
  const pb::DriveScrub scrub = Scrub(ShardOf(first.name));
  EXPECT_EQ(scrub.damaged(), 0U);
  EXPECT_GE(scrub.nars(), 1U);
  EXPECT_GT(scrub.blocks(), 10U);
}

TEST_F(ScrubTest, HasADamagedBlockFromUpstreamWhenNobodyElseHasIt) {
  StartWorker();
  const SampleNar nar = MakeNar(72, 1'000'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(nar)}));
  const std::string key = ShardOf(nar.name);
  FlipIn(FolderOf(key), nar.name);
  ASSERT_EQ(Wrong(FolderOf(key)).size(), 1U);
  const pb::DriveScrub scrub = Scrub(key);
  EXPECT_EQ(scrub.damaged(), 1U);
  EXPECT_EQ(scrub.repaired(), 1U);
  EXPECT_EQ(scrub.given_up(), 0U);
  EXPECT_EQ(scrub.nars(), 1U);
  EXPECT_TRUE(Wrong(FolderOf(key)).empty());
  EXPECT_TRUE(Stored(nar.name) == nar.file);
}

TEST_F(ScrubTest, MendsNodesAndBitsFromWhatIsAroundThem) {
  StartWorker();
  const SampleNar nar = MakeNar(73, 2'000'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(nar)}));
  const std::string key = ShardOf(nar.name);
  StopWorker();
  {
    // So that the files have what the oplog had.
    const auto store = Must(hyper::Corestore::Open(FolderOf(key)));
    const auto core = Must(store->OpenNamed("db"));
    Must(core->Flush());
  }
  const fs::path db = CoreFolder(FolderOf(key), false);
  Flip(db, hyper::CoreFile::kTree, 300);
  Flip(db, hyper::CoreFile::kBitfield, 1);
  EXPECT_EQ(Wrong(FolderOf(key)).size(), 2U);
  Unserve(nar);
  StartWorker();
  const pb::DriveScrub scrub = Scrub(key);
  EXPECT_EQ(scrub.repaired(), 2U);
  EXPECT_EQ(scrub.damaged(), 2U);
  EXPECT_TRUE(Wrong(FolderOf(key)).empty());
}

TEST_F(ScrubTest, HasEntriesAndBlocksFromAWorkerThatHoldsACopy) {
  options_.peers.listen = "127.0.0.1:0";
  StartWorker();
  const SampleNar nar = MakeNar(74, 1'000'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(nar)}));
  const std::string key = ShardOf(nar.name);
  StartHolder(key);
  Unserve(nar);
  FlipIn(FolderOf(key), nar.name);
  Flip(CoreFolder(FolderOf(key), false), hyper::CoreFile::kData, 8);
  ASSERT_EQ(Wrong(FolderOf(key)).size(), 2U);
  const pb::DriveScrub scrub = Scrub(key);
  EXPECT_EQ(scrub.damaged(), 2U);
  EXPECT_EQ(scrub.repaired(), 2U);
  EXPECT_TRUE(Wrong(FolderOf(key)).empty());
  EXPECT_TRUE(Stored(nar.name) == nar.file);
}

TEST_F(ScrubTest, ACopyIsScrubbedTooAndHasItsBlocksFromTheWriter) {
  options_.peers.listen = "127.0.0.1:0";
  StartWorker();
  const SampleNar nar = MakeNar(75, 1'000'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(nar)}));
  const std::string key = ShardOf(nar.name);
  StartHolder(key);
  Unserve(nar);
  FlipIn(HoldersFolder(key), nar.name);
  ASSERT_FALSE(Wrong(HoldersFolder(key)).empty());
  const pb::DriveScrub scrub = Scrub(holders_coordinator_, key);
  EXPECT_EQ(scrub.kind(), pb::SCRUBBED_KIND_COPY);
  EXPECT_EQ(scrub.repaired(), 1U);
  EXPECT_TRUE(Wrong(HoldersFolder(key)).empty());
}

TEST_F(ScrubTest, WhatNobodyHasIsNamedAndTakenOutOfTheShard) {
  StartWorker();
  const SampleNar lost = MakeNar(76, 600'000);
  const SampleNar kept = MakeNar(77, 600'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(lost)}));
  ASSERT_TRUE(coordinator_.RunJob({Serve(kept)}));
  const std::string key = ShardOf(lost.name);
  Unserve(lost);
  FlipIn(FolderOf(key), lost.name);
  const pb::DriveScrub scrub = Scrub(key);
  EXPECT_EQ(scrub.given_up(), 1U);
  // It is told to the coordinator as an entry that was deleted, and served to nobody.
  EXPECT_TRUE(coordinator_.WaitFor(
      [&](const State& state) { return state.entries.at(lost.name).empty(); }));
  EXPECT_TRUE(Wrong(FolderOf(key)).empty());
  EXPECT_TRUE(Stored(kept.name) == kept.file);
  coordinator_.With([&](State& state) {
    ASSERT_EQ(state.scrub_losses.size(), 1U);
    EXPECT_EQ(state.scrub_losses[0].file(), lost.name);
    EXPECT_NE(state.scrub_losses[0].message().find("block"), std::string::npos)
        << state.scrub_losses[0].message();
    EXPECT_NE(state.scrub_losses[0].message().find("404"), std::string::npos)
        << state.scrub_losses[0].message();
  });
}

TEST_F(ScrubTest, GoesOnAfterARestartWhereItStood) {
  const SampleNar nar = MakeNar(78, 6'000'000);
  const std::string key = StopInTheMiddle(nar);
  // Damage where it has been already, of what no coordinator lists: this round does not see it, the
  // next one does.
  FlipFirst(key);
  std::map<std::string, pb::NarUnit> units;
  coordinator_.With([&](State& state) { units.swap(state.units); });
  const pb::DriveScrub whole = GoOn(key);
  EXPECT_EQ(whole.damaged(), 0U);
  coordinator_.With([&](State& state) { units.swap(state.units); });
  const pb::DriveScrub next = Scrub(key);
  EXPECT_EQ(next.damaged(), 1U);
  EXPECT_EQ(next.repaired(), 1U);
  EXPECT_EQ(next.blocks(), whole.blocks());
}

TEST_F(ScrubTest, ANarWhoseBlocksWereDamagedSinceTheyWereCheckedIsMendedInTheSameRound) {
  const SampleNar nar = MakeNar(81, 6'000'000);
  const std::string key = StopInTheMiddle(nar);
  FlipFirst(key);
  const pb::DriveScrub whole = GoOn(key);
  EXPECT_EQ(whole.damaged(), 1U);
  EXPECT_EQ(whole.repaired(), 1U);
  EXPECT_EQ(whole.nars(), 1U);
  EXPECT_TRUE(Wrong(FolderOf(key)).empty());
}

TEST_F(ScrubTest, WhatWasGivenUpBeforeAStopIsTakenOutOfTheShardAfterIt) {
  const SampleNar nar = MakeNar(82, 6'000'000);
  const std::string key = StopInTheMiddle(nar);
  FlipFirst(key);
  Unserve(nar);
  const pb::DriveScrub whole = GoOn(key);
  EXPECT_EQ(whole.given_up(), 1U);
  EXPECT_EQ(whole.nars(), 0U);
  EXPECT_TRUE(
      coordinator_.WaitFor([&](const State& state) { return state.entries.at(nar.name).empty(); }));
  EXPECT_TRUE(Wrong(FolderOf(key)).empty());
}

TEST_F(ScrubTest, ACoordinatorThatCountsFromTheBeginningIsAnsweredToo) {
  StartWorker();
  const SampleNar nar = MakeNar(80, 300'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(nar)}));
  const std::string key = ShardOf(nar.name);
  coordinator_.With([&](State& state) { state.scrub_asks[key] = 7; });
  EXPECT_EQ(Scrub(key).ask(), 8U);
  coordinator_.With([&](State& state) {
    state.scrub_asks.clear();
    state.scrubs.clear();
  });
  EXPECT_EQ(Scrub(key).ask(), 1U);
}

TEST_F(ScrubTest, ByItselfADriveIsGoneThroughAgainWhenItsLastRoundIsOld) {
  options_.scrub_interval = std::chrono::milliseconds(300);
  StartWorker();
  const SampleNar nar = MakeNar(79, 300'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(nar)}));
  const std::string key = ShardOf(nar.name);
  ASSERT_TRUE(coordinator_.WaitFor([&](const State& state) { return state.scrubs.contains(key); }));
  FlipIn(FolderOf(key), nar.name);
  EXPECT_TRUE(coordinator_.WaitFor([](const State& state) { return state.scrub_repairs == 1; }));
  EXPECT_TRUE(Wrong(FolderOf(key)).empty());
}

}  // namespace
}  // namespace hnx::test
