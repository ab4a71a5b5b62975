// A worker serves its drives to peers: heads that the coordinator accepted, and no others.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include <fmt/core.h>

#include "hyper/node/peer_node.h"
#include "worker/index_key.h"
#include "worker_fixture.h"

namespace hnx::test {
namespace {

using hyper::ReadLimits;
using namespace std::chrono_literals;
using State = FakeCoordinator::State;

class PeersTest : public WorkerTest {
 protected:
  PeersTest() {
    options_.peers.listen = "127.0.0.1:0";
    options_.roles = {"mirror,index"};
    options_.index_key_file = folder_ / "index.key";
    EXPECT_TRUE(worker::CreateIndexKeyFile(options_.index_key_file).has_value());
  }

  void StartReader() {
    hyper::PeerNodeOptions options;
    options.peers = {worker_->peer_address()};
    reader_ = Must(hyper::PeerNode::Start(std::move(options)));
  }
  std::shared_ptr<hyper::RemoteDrive> Open(const hyper::DriveKey& key) {
    hyper::RemoteDriveOptions options;
    options.folder = folder_ / "cache" / key.id();
    std::filesystem::create_directories(options.folder.parent_path());
    return Must(reader_->OpenRemote(key, options));
  }
  hyper::DriveKey MirrorKey() const {
    return *worker::MirrorKeyOf(*worker::ReadIndexKeyFile(options_.index_key_file));
  }
  // The shard that the coordinator has heard of, accepted or not.
  hyper::DriveKey ShardKey() {
    std::string key;
    EXPECT_TRUE(coordinator_.WaitFor([&](const State& state) {
      for (const auto& drive : state.last_request.drives()) {
        if (drive.kind() == pb::DriveState::KIND_SHARD) {
          key = drive.key();
        }
      }
      return !key.empty();
    }));
    return *hyper::DriveKey::FromBytes(AsBytes(key));
  }
  // Versions reach peers one after the other, as the coordinator's answers reach the worker: waits
  // for the one that has the file, or has it no more.
  static void WaitUntilListed(hyper::RemoteDrive& drive, const std::string& path, bool listed) {
    for (;;) {
      const std::uint64_t version = drive.version();
      const auto view = Must(drive.View(ReadLimits::Within(kLong)));
      if (Must(view->Entry(path)).has_value() == listed) {
        return;
      }
      Must(drive.WaitForVersion(version, ReadLimits::Within(kLong)));
    }
  }
  static std::string Read(hyper::RemoteDrive& drive, const std::string& path) {
    const auto view = Must(drive.View(ReadLimits::Within(kLong)));
    return ToString(Must(view->ReadFile(path, std::uint64_t{1} << 30)));
  }

  std::unique_ptr<hyper::PeerNode> reader_;
};

TEST_F(PeersTest, APeerReadsANarOfARunningWorkerAndSeesItGrow) {
  StartWorker();
  const SampleNar first = MakeNar(1, 300'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(first)}));
  StartReader();
  const auto shard = Open(ShardKey());
  Must(shard->WaitForHead(ReadLimits::Within(kLong)));
  WaitUntilListed(*shard, "/nar/" + first.name, true);
  EXPECT_TRUE(Read(*shard, "/nar/" + first.name) == first.file);
  const SampleNar second = MakeNar(2, 300'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(second)}));
  WaitUntilListed(*shard, "/nar/" + second.name, true);
  EXPECT_TRUE(Read(*shard, "/nar/" + second.name) == second.file);
}

TEST_F(PeersTest, NobodyIsToldOfAHeadThatTheCoordinatorHasNotAccepted) {
  StartWorker();
  coordinator_.With([](State& state) { state.accept = false; });
  const SampleNar nar = MakeNar(1, 100'000);
  coordinator_.AddJob({Serve(nar)});
  // The NAR is durable in the shard, and reported.
  ASSERT_TRUE(coordinator_.WaitFor([](const State& state) {
    for (const auto& drive : state.last_request.drives()) {
      if (drive.kind() == pb::DriveState::KIND_SHARD && drive.head().db_length() > 1) {
        return true;
      }
    }
    return false;
  }));
  StartReader();
  const auto shard = Open(ShardKey());
  const auto deadline = std::chrono::steady_clock::now() + kLong;
  while (Must(shard->Status()).db.peers.empty() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  const auto told = shard->WaitForHead(ReadLimits::Within(500ms));
  ASSERT_FALSE(told.has_value());
  EXPECT_EQ(told.error().code, ErrorCode::kDeadlineExceeded);
  const auto status = Must(shard->Status());
  ASSERT_EQ(status.db.peers.size(), 1U) << "connected, and told of an empty drive";
  EXPECT_EQ(status.db.peers.front().length, 0U);
  coordinator_.With([](State& state) { state.accept = true; });
  Must(shard->WaitForHead(ReadLimits::Within(kLong)));
  EXPECT_TRUE(Read(*shard, "/nar/" + nar.name) == nar.file);
}

TEST_F(PeersTest, WhatWasAcceptedBeforeARestartIsServedAfterIt) {
  StartWorker();
  const SampleNar nar = MakeNar(1, 100'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(nar)}));
  const hyper::DriveKey key = ShardKey();
  StopWorker();
  StartWorker();
  StartReader();
  const auto shard = Open(key);
  Must(shard->WaitForHead(ReadLimits::Within(kLong)));
  EXPECT_TRUE(Read(*shard, "/nar/" + nar.name) == nar.file);
}

TEST_F(PeersTest, WhatWasAcceptedIsServedAfterARestartWithoutTheCoordinatorsWord) {
  StartWorker();
  const SampleNar nar = MakeNar(1, 100'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(nar)}));
  const hyper::DriveKey key = ShardKey();
  StartReader();
  // Peers have been told, so it was written down.
  Must(Open(key)->WaitForHead(ReadLimits::Within(kLong)));
  reader_.reset();
  StopWorker();
  options_.coordinators = {"127.0.0.1:1"};
  StartWorker();
  StartReader();
  const auto shard = Open(key);
  Must(shard->WaitForHead(ReadLimits::Within(kLong)));
  EXPECT_TRUE(Read(*shard, "/nar/" + nar.name) == nar.file);
}

TEST_F(PeersTest, ADroppedNarIsGoneForPeersAndTheOthersStay) {
  StartWorker();
  const SampleNar goes = MakeNar(1, 200'000);
  const SampleNar stays = MakeNar(2, 200'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(goes), Serve(stays)}));
  StartReader();
  const hyper::DriveKey key = ShardKey();
  const auto shard = Open(key);
  Must(shard->WaitForHead(ReadLimits::Within(kLong)));
  WaitUntilListed(*shard, "/nar/" + goes.name, true);
  coordinator_.With(
      [&](State& state) { state.drives.at(ToString(key.bytes())).drop_files = {goes.name}; });
  WaitUntilListed(*shard, "/nar/" + goes.name, false);
  EXPECT_TRUE(Read(*shard, "/nar/" + stays.name) == stays.file);
}

// The judge: today's JavaScript, in a process of its own, with nothing but keys and a port.
TEST_F(PeersTest, StockJavaScriptDownloadsShardAndSeesItGrow) {
  StartWorker();
  const SampleNar first = MakeNar(1, 300'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(first)}));
  const char* source = std::getenv("HNX_SOURCE_DIR");
  ASSERT_NE(source, nullptr);
  const std::string address = worker_->peer_address();
  const std::string command =
      fmt::format("cd {} && node tests/interop/js/worker_peer.mjs {} {} {} 2>&1", source, address,
                  ShardKey().hex(), (folder_ / "js").string());
  FILE* const process = ::popen(command.c_str(), "r");
  ASSERT_NE(process, nullptr);
  std::array<char, 4096> line{};
  const auto next = [&]() -> std::string {
    return std::fgets(line.data(), line.size(), process) == nullptr ? "(end)\n" : line.data();
  };
  // One line for each version: its files with their sizes.
  EXPECT_EQ(next(), fmt::format("version /nar/{} {}\n", first.name, first.file.size()));
  const SampleNar second = MakeNar(2, 200'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(second)}));
  std::map<std::string, std::size_t> sizes{{first.name, first.file.size()},
                                           {second.name, second.file.size()}};
  std::string grown = "version";
  for (const auto& [name, size] : sizes) {
    grown += fmt::format(" /nar/{} {}", name, size);
  }
  EXPECT_EQ(next(), grown + "\n");
  EXPECT_EQ(next(), "done\n");
  EXPECT_EQ(::pclose(process), 0);
  std::ifstream file(folder_ / "js" / "files" / "nar" / second.name, std::ios::binary);
  const std::string mirrored((std::istreambuf_iterator<char>(file)), {});
  EXPECT_TRUE(mirrored == second.file);
}

}  // namespace
}  // namespace hnx::test
