// The words in which the tests of replication are written: writers, nodes with a Replicator each,
// and a network in memory between them.
#pragma once

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "hyper/core/hypercore.h"
#include "hyper/core/replica_core.h"
#include "hyper/replication/replicator.h"
#include "hyper/storage/memory_core_storage.h"
#include "memory_network.h"

namespace hnx::hyper {

template <class T>
T Must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << result.error().ToString();
    throw std::runtime_error(result.error().ToString());
  }
  return *std::move(result);
}
inline void Must(const Result<void>& result) {
  if (!result) {
    ADD_FAILURE() << result.error().ToString();
    throw std::runtime_error(result.error().ToString());
  }
}

// A core that is written in this process.
class Writer {
 public:
  explicit Writer(std::uint8_t seed = 1);

  const CoreKey& key() const { return core_->key(); }
  Hypercore& core() { return *core_; }
  const CoreHead& head() const { return core_->head(); }
  // Blocks of that size, commited together; the content is told by number.
  void Append(std::uint64_t count, std::size_t bytes = 100);
  Bytes BlockOf(std::uint64_t index) const { return blocks_.at(index); }
  std::unique_ptr<CoreStorage> Storage() const {
    return std::make_unique<MemoryCoreStorage>(files_);
  }
  // What serves it.
  std::unique_ptr<ReaderCore> Served(HeadRule rule = HeadRule::kNewest) const {
    return Must(ReaderCore::Open(Storage(), rule));
  }
  // A second writer with the same key and nothing of the first: the owner's sin.
  static Writer Twin(std::uint8_t seed) { return Writer(seed); }

 private:
  std::shared_ptr<MemoryCoreFiles> files_ = std::make_shared<MemoryCoreFiles>();
  std::unique_ptr<Hypercore> core_;
  std::vector<Bytes> blocks_;
};

// What a node was told.
class Events final : public ReplicationListener {
 public:
  void OnStreamEnded(StreamId /*id*/, const PublicKey& /*peer*/, const Error& reason) override {
    ended.push_back(reason);
  }
  void OnHead(const CoreKey& /*core*/, const CoreHead& head) override { heads.push_back(head); }
  void OnLiar(const CoreKey& /*core*/, const PublicKey& peer,
              const ProofRefused& refused) override {
    liars.emplace_back(peer, refused);
  }
  void OnForkAhead(const CoreKey& /*core*/, const ForkAhead& fork) override {
    forks.push_back(fork);
  }
  void OnConflict(const CoreKey& /*core*/, const TreeConflict& conflict) override {
    conflicts.push_back(conflict);
  }
  void OnTrouble(const CoreKey& /*core*/, const Error& error) override {
    troubles.push_back(error);
  }

  std::vector<Error> ended;
  std::vector<CoreHead> heads;
  std::vector<std::pair<PublicKey, ProofRefused>> liars;
  std::vector<ForkAhead> forks;
  std::vector<TreeConflict> conflicts;
  std::vector<Error> troubles;
};

class Node {
 public:
  Node(const Clock& clock, std::uint8_t name_in) : name(name_in), replicator(clock, &events) {}

  // A replica in memory, following its owner.
  Downloader& Follow(const CoreKey& key);
  // Also keeps every block.
  Downloader& Mirror(const CoreKey& key);
  ReplicaCore& replica(const CoreKey& key) { return replicator.FindDownloader(key)->replica(); }
  CoreStatistics StatisticsOf(const CoreKey& key) const;

  const std::uint8_t name;
  Events events;
  Replicator replicator;
};

class SwarmTest : public ::testing::Test {
 protected:
  Node& AddNode();
  // A node that serves the writer's core.
  Node& Serve(const Writer& writer);
  Connection Connect(Node& from, Node& to);
  // Delivers what is under way; with time, so that timers run.
  void Settle() { network_.Settle(); }
  void Advance(std::chrono::milliseconds by);
  // Until nothing moves and nothing is staged.
  void Finish();

  FakeClock clock_;
  MemoryNetwork network_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace hnx::hyper
