// Read-only copies of other workers' shards: fetched whole, kept up, served on.
#include <algorithm>
#include <filesystem>
#include <functional>

#include <gtest/gtest.h>

#include "hyper/node/peer_node.h"
#include "worker_fixture.h"

namespace hnx::test {
namespace {

using hyper::ReadLimits;
using State = FakeCoordinator::State;

// worker_ writes; a second worker with a coordinator of its own holds a copy.
class CopiesTest : public WorkerTest {
 protected:
  CopiesTest() { options_.peers.listen = "127.0.0.1:0"; }
  ~CopiesTest() override { holder_.reset(); }

  void StartHolder() {
    worker::WorkerOptions options = options_;
    options.data = folder_ / "holder";
    options.coordinators = {holders_coordinator_.endpoint()};
    options.endpoints.clear();
    ASSERT_TRUE(worker::Complete(&options).has_value());
    holder_ = Must(worker::Worker::Start(options, [](worker::EndReason, const std::string&) {}));
  }
  // The shard that the coordinator has recorded most of.
  std::string ShardKey() {
    std::string key;
    coordinator_.With([&](State& state) {
      key = std::max_element(state.drives.begin(), state.drives.end(),
                             [](const auto& a, const auto& b) {
                               return a.second.recorded.db_length() < b.second.recorded.db_length();
                             })
                ->first;
    });
    return key;
  }
  void GiveCopy() {
    pb::Copy copy;
    copy.set_key(ShardKey());
    copy.add_peers(worker_->peer_address());
    holders_coordinator_.With([&](State& state) { state.copies = {copy}; });
  }
  // What the holder says of its copy once this is so.
  pb::CopyState WaitForCopy(const std::function<bool(const pb::CopyState&)>& so) {
    pb::CopyState found;
    EXPECT_TRUE(holders_coordinator_.WaitFor([&](const State& state) {
      for (const auto& copy : state.last_request.copies()) {
        if (so(copy)) {
          found = copy;
          return true;
        }
      }
      return false;
    }));
    return found;
  }
  // The version at which the copy is whole.
  std::uint64_t WaitForVersionAbove(std::uint64_t version) {
    return WaitForCopy([&](const pb::CopyState& copy) { return copy.version() > version; })
        .version();
  }
  // The coordinator has the NAR's entry deleted from the writer's shard, and its blocks cleared.
  void Retire(const SampleNar& nar) {
    const std::string key = ShardKey();
    pb::BlobId blob;
    coordinator_.With([&](State& state) {
      blob = state.entries.at(nar.name).back().second.blob();
      state.drives.at(key).delete_files = {nar.name};
    });
    ASSERT_TRUE(coordinator_.WaitFor(
        [&](const State& state) { return state.drives.at(key).delete_files.empty(); }));
    coordinator_.With([&](State& state) { state.drives.at(key).clear_blobs = {blob}; });
    ASSERT_TRUE(coordinator_.WaitFor(
        [&](const State& state) { return state.drives.at(key).clear_blobs.empty(); }));
  }
  std::string ReadFrom(const std::string& address, const std::string& path) {
    hyper::PeerNodeOptions options;
    options.peers = {address};
    const auto reader = Must(hyper::PeerNode::Start(std::move(options)));
    hyper::RemoteDriveOptions drive_options;
    drive_options.folder = folder_ / "cache";
    const auto drive =
        Must(reader->OpenRemote(*hyper::DriveKey::FromBytes(AsBytes(ShardKey())), drive_options));
    EXPECT_TRUE(drive->WaitForHead(ReadLimits::Within(kLong)).has_value());
    const auto view = Must(drive->View(ReadLimits::Within(kLong)));
    return ToString(Must(view->ReadFile(path, std::uint64_t{1} << 30)));
  }

  FakeCoordinator holders_coordinator_;
  std::unique_ptr<worker::Worker> holder_;
};

TEST_F(CopiesTest, AShardIsFetchedWholeKeptUpAndServedWhenItsWriterIsGone) {
  StartWorker();
  const SampleNar first = MakeNar(50, 2'000'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(first)}));
  StartHolder();
  GiveCopy();
  const std::uint64_t version = WaitForVersionAbove(0);
  const SampleNar second = MakeNar(51, 300'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(second)}));
  WaitForVersionAbove(version);
  StopWorker();
  EXPECT_TRUE(ReadFrom(holder_->peer_address(), "/nar/" + first.name) == first.file);
  EXPECT_TRUE(ReadFrom(holder_->peer_address(), "/nar/" + second.name) == second.file);
}

TEST_F(CopiesTest, ItSaysWhereTheLastBlobOfItsVersionEnds) {
  StartWorker();
  const SampleNar nar = MakeNar(58, 500'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(nar)}));
  StartHolder();
  GiveCopy();
  const pb::CopyState copy =
      WaitForCopy([](const pb::CopyState& state) { return state.version() > 0; });
  coordinator_.With([&](State& state) {
    const pb::BlobId& blob = state.entries.at(nar.name).back().second.blob();
    EXPECT_EQ(copy.content_length(), blob.block_offset() + blob.block_length());
    EXPECT_EQ(copy.version(), state.drives.at(copy.key()).recorded.db_length());
    EXPECT_GE(copy.bytes(), blob.byte_length());
  });
}

TEST_F(CopiesTest, ACopyIsThereAfterARestartWithoutItsWriterAndItsCoordinatorsWord) {
  StartWorker();
  const SampleNar nar = MakeNar(52, 1'000'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(nar)}));
  StartHolder();
  GiveCopy();
  const std::uint64_t version = WaitForVersionAbove(0);
  holder_.reset();
  StopWorker();
  holders_coordinator_.With([](State& state) {
    state.copies.clear();
    state.last_request.Clear();
  });
  StartHolder();
  EXPECT_EQ(WaitForVersionAbove(0), version);
  EXPECT_TRUE(ReadFrom(holder_->peer_address(), "/nar/" + nar.name) == nar.file);
}

TEST_F(CopiesTest, AWriterThatIsAwayIsWaitedForAndNothingIsCalledWhole) {
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({Serve(MakeNar(53, 500'000))}));
  StartHolder();
  pb::Copy copy;
  copy.set_key(ShardKey());
  copy.add_peers("127.0.0.1:1");  // nobody is there
  holders_coordinator_.With([&](State& state) { state.copies = {copy}; });
  EXPECT_EQ(WaitForCopy([](const pb::CopyState&) { return true; }).version(), 0U);
  GiveCopy();
  WaitForVersionAbove(0);
}

TEST_F(CopiesTest, WhatIsDeletedFromTheShardGoesFromTheCopyToo) {
  StartWorker();
  const SampleNar old = MakeNar(54, 2'000'000);
  const SampleNar kept = MakeNar(55, 200'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(old)}));
  ASSERT_TRUE(coordinator_.RunJob({Serve(kept)}));
  StartHolder();
  GiveCopy();
  const auto whole = WaitForCopy([](const pb::CopyState& copy) { return copy.version() > 0; });
  Retire(old);
  WaitForCopy([&](const pb::CopyState& copy) {
    return copy.version() > whole.version() && copy.bytes() + old.file.size() / 2 < whole.bytes();
  });
  StopWorker();
  EXPECT_TRUE(ReadFrom(holder_->peer_address(), "/nar/" + kept.name) == kept.file);
}

TEST_F(CopiesTest, WhatWasClearedBeforeIsNeverAskedFor) {
  StartWorker();
  const SampleNar old = MakeNar(56, 1'000'000);
  const SampleNar kept = MakeNar(57, 200'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(old)}));
  ASSERT_TRUE(coordinator_.RunJob({Serve(kept)}));
  Retire(old);
  StartHolder();
  GiveCopy();
  const auto whole = WaitForCopy([](const pb::CopyState& copy) { return copy.version() > 0; });
  EXPECT_LT(whole.bytes(), old.file.size());
}

TEST_F(CopiesTest, WithoutRoomACopyIsNotFetched) {
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({Serve(MakeNar(59, 500'000))}));
  options_.disk_reserve = std::uint64_t{1} << 60;
  StartHolder();
  GiveCopy();
  ASSERT_TRUE(holders_coordinator_.WaitFor([](const State& state) {
    return state.last_request.disk_full() && state.last_request.copies_size() == 1;
  }));
  const std::uint64_t calls = [&] {
    std::uint64_t count = 0;
    holders_coordinator_.With([&](State& state) { count = state.calls; });
    return count;
  }();
  ASSERT_TRUE(
      holders_coordinator_.WaitFor([&](const State& state) { return state.calls > calls + 20; }));
  EXPECT_EQ(WaitForCopy([](const pb::CopyState&) { return true; }).version(), 0U);
}

}  // namespace
}  // namespace hnx::test
