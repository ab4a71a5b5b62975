// What was lost with a shard: asked for at peers first, and upstream when they cannot help.
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>

#include <gtest/gtest.h>

#include "hyper/node/peer_node.h"
#include "worker_fixture.h"

namespace hnx::test {
namespace {

using hyper::ReadLimits;
using State = FakeCoordinator::State;

// worker_ wrote a shard, a peer read some of it, and the shard is gone; another worker has its NARs
// to bring back.
class LostNarsTest : public WorkerTest {
 protected:
  LostNarsTest() { options_.peers.listen = "127.0.0.1:0"; }
  ~LostNarsTest() override { finder_.reset(); }

  // worker_ stores it.
  void Store(const SampleNar& nar) { ASSERT_TRUE(coordinator_.RunJob({Serve(nar)})); }
  hyper::DriveKey ShardOf(const SampleNar& nar) {
    std::string key;
    coordinator_.With([&](State& state) { key = state.entries.at(nar.name).back().first; });
    return *hyper::DriveKey::FromBytes(AsBytes(key));
  }
  // A peer as a gateway's cache is: it keeps what it was asked for, and serves it.
  void StartPeer(std::uint64_t send_bytes_per_second = 0) {
    hyper::PeerNodeOptions options;
    options.listen = {"127.0.0.1:0"};
    options.peers = {worker_->peer_address()};
    options.transport.send_bytes_per_second = send_bytes_per_second;
    peer_ = Must(hyper::PeerNode::Start(std::move(options)));
  }
  void LetPeerRead(const SampleNar& nar) {
    const hyper::DriveKey shard = ShardOf(nar);
    auto& drive = peers_drives_[shard];
    if (drive == nullptr) {
      drive = Must(peer_->OpenRemote(shard, {.folder = folder_ / "peer" / shard.id()}));
      Must(drive->WaitForHead(ReadLimits::Within(kLong)));
    }
    for (;;) {
      const auto view = Must(drive->View(ReadLimits::Within(kLong)));
      if (Must(view->Entry("/nar/" + nar.name)).has_value()) {
        EXPECT_TRUE(ToString(Must(view->ReadFile("/nar/" + nar.name, std::uint64_t{1} << 30))) ==
                    nar.file);
        return;
      }
      // The head of before.
      ASSERT_TRUE(drive->WaitForVersion(view->version(), ReadLimits::Within(kLong)).has_value());
    }
  }
  pb::NarUnit Lost(const SampleNar& nar) {
    pb::NarUnit unit = nar.Unit(next_nar_++, upstream_.Url("/nar/" + nar.name));
    coordinator_.With([&](State& state) {
      const auto& [key, entry] = state.entries.at(nar.name).back();
      unit.mutable_lost()->set_shard_key(key);
      *unit.mutable_lost()->mutable_blob() = entry.blob();
    });
    return unit;
  }
  void StartFinder() {
    worker::WorkerOptions options = options_;
    options.data = folder_ / "finder";
    options.coordinators = {finders_coordinator_.endpoint()};
    options.endpoints.clear();
    options.peers.others = {peer_ == nullptr ? "127.0.0.1:1" : peer_->addresses().front()};
    ASSERT_TRUE(worker::Complete(&options).has_value());
    finder_ = Must(worker::Worker::Start(options, [](worker::EndReason, const std::string&) {}));
  }
  void ExpectStored(const SampleNar& nar) {
    EXPECT_EQ(finders_coordinator_.Copies(nar.name), 1U);
    finders_coordinator_.With([&](State& state) {
      const auto& entry = state.entries[nar.name].back().second;
      EXPECT_EQ(entry.blob().byte_length(), nar.file.size());
    });
  }
  int Requests(const SampleNar& nar) const { return upstream_.Count("/nar/" + nar.name); }

  FakeCoordinator finders_coordinator_;
  std::unique_ptr<hyper::PeerNode> peer_;
  std::map<hyper::DriveKey, std::shared_ptr<hyper::RemoteDrive>> peers_drives_;
  std::unique_ptr<worker::Worker> finder_;
};

TEST_F(LostNarsTest, WhatAPeerHoldsIsBroughtBackWithoutAskingUpstream) {
  StartWorker();
  const SampleNar small = MakeNar(70, 3'000);
  const SampleNar large = MakeNar(71, 12'000'000);
  Store(small);
  Store(large);
  StartPeer();
  LetPeerRead(small);
  LetPeerRead(large);
  StopWorker();
  StartFinder();
  ASSERT_TRUE(finders_coordinator_.RunJob({Lost(small), Lost(large)}));
  ExpectStored(small);
  ExpectStored(large);
  EXPECT_EQ(Requests(small), 1);  // of the first worker
  EXPECT_EQ(Requests(large), 1);
}

TEST_F(LostNarsTest, WhatUpstreamHasDeletedComesBackFromAPeer) {
  StartWorker();
  const SampleNar nar = MakeNar(72, 400'000);
  Store(nar);
  StartPeer();
  LetPeerRead(nar);
  StopWorker();
  upstream_.Serve("/nar/" + nar.name, {Answer(404, "")});
  StartFinder();
  ASSERT_TRUE(finders_coordinator_.RunJob({Lost(nar)}));
  ExpectStored(nar);
}

TEST_F(LostNarsTest, WhatPeersLackComesFromUpstream) {
  StartWorker();
  const SampleNar held = MakeNar(73, 200'000);
  const SampleNar lacking = MakeNar(74, 300'000);
  Store(held);
  Store(lacking);
  StartPeer();
  LetPeerRead(held);
  StopWorker();
  StartFinder();
  ASSERT_TRUE(finders_coordinator_.RunJob({Lost(held), Lost(lacking)}));
  ExpectStored(held);
  ExpectStored(lacking);
  EXPECT_EQ(Requests(held), 1);
  EXPECT_EQ(Requests(lacking), 2);
}

TEST_F(LostNarsTest, WithNobodyThereUpstreamIsAsked) {
  StartWorker();
  const SampleNar nar = MakeNar(75, 200'000);
  Store(nar);
  StopWorker();
  StartFinder();
  ASSERT_TRUE(finders_coordinator_.RunJob({Lost(nar)}));
  ExpectStored(nar);
  EXPECT_EQ(Requests(nar), 2);
}

TEST_F(LostNarsTest, APeerThatLeavesInTheMiddleIsReplacedByUpstream) {
  StartWorker();
  const SampleNar nar = MakeNar(76, 8'000'000);
  Store(nar);
  StartPeer(1'000'000);
  LetPeerRead(nar);
  StopWorker();
  StartFinder();
  finders_coordinator_.AddJob({Lost(nar)});
  ASSERT_TRUE(finders_coordinator_.WaitFor([](const State& state) {
    return state.last_request.jobs_size() == 1 && state.last_request.jobs(0).bytes_done() > 0;
  }));
  peer_->Stop();
  ASSERT_TRUE(finders_coordinator_.WaitFor(
      [&](const State& state) { return state.entries.contains(nar.name); }, 2 * kLong));
  ExpectStored(nar);
  EXPECT_EQ(Requests(nar), 2);
}

TEST_F(LostNarsTest, AWrongPlaceIsRefusedAndUpstreamIsAsked) {
  StartWorker();
  const SampleNar nar = MakeNar(77, 200'000);
  const SampleNar other = MakeNar(78, 200'000);
  Store(nar);
  Store(other);
  StartPeer();
  LetPeerRead(nar);
  LetPeerRead(other);
  StopWorker();
  StartFinder();
  pb::NarUnit unit = Lost(nar);
  *unit.mutable_lost() = Lost(other).lost();
  ASSERT_TRUE(finders_coordinator_.RunJob({unit}));
  ExpectStored(nar);
  EXPECT_EQ(Requests(nar), 2);
}

TEST_F(LostNarsTest, ALeaseThatEndsWhilePeersAreLookedForEndsAtOnce) {
  StartWorker();
  const SampleNar nar = MakeNar(79, 8'000'000);
  Store(nar);
  StartPeer(200'000);
  LetPeerRead(nar);
  StopWorker();
  StartFinder();
  finders_coordinator_.AddJob({Lost(nar)});
  ASSERT_TRUE(finders_coordinator_.WaitFor([](const State& state) {
    return state.last_request.jobs_size() == 1 && state.last_request.jobs(0).bytes_done() > 0;
  }));
  finders_coordinator_.With([](State& state) { state.jobs.clear(); });
  ASSERT_TRUE(finders_coordinator_.WaitFor(
      [](const State& state) { return state.last_request.jobs_size() == 0; }));
  finder_.reset();  // returns
  EXPECT_EQ(finders_coordinator_.Copies(nar.name), 0U);
  EXPECT_EQ(Requests(nar), 1);
}

}  // namespace
}  // namespace hnx::test
