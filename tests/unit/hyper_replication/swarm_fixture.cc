#include "swarm_fixture.h"

#include <utility>

namespace hnx::hyper {

Writer::Writer(std::uint8_t seed) {
  Bytes bytes(32, std::byte{seed});
  KeyPair pair = KeyPair::FromSeed(bytes);
  Manifest manifest = Manifest::SingleSigner(pair.public_key);
  core_ = Must(Hypercore::Create(Storage(), {std::move(manifest), std::move(pair), {}}));
}

void Writer::Append(std::uint64_t count, std::size_t bytes) {
  std::vector<Bytes> blocks;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string block = "block " + std::to_string(blocks_.size() + i) + " ";
    block.resize(std::max(bytes, block.size()), static_cast<char>('a' + (blocks_.size() + i) % 26));
    blocks.push_back(ToBytes(block));
  }
  const std::vector<ByteView> views(blocks.begin(), blocks.end());
  Must(core_->Append(views));
  blocks_.insert(blocks_.end(), blocks.begin(), blocks.end());
}

Downloader& Node::Follow(const CoreKey& key) {
  auto replica = Must(ReplicaCore::Create(std::make_unique<MemoryCoreStorage>(), key));
  Downloader& downloader = *Must(replicator.AddReplica(std::move(replica)));
  downloader.SetFollow(true);
  return downloader;
}

Downloader& Node::Mirror(const CoreKey& key) {
  Downloader& downloader = Follow(key);
  Selection everything;
  everything.to_head = true;
  Must(downloader.Select(std::move(everything)));
  return downloader;
}

CoreStatistics Node::StatisticsOf(const CoreKey& key) const {
  for (const CoreStatistics& core : replicator.Statistics()) {
    if (core.key == key) {
      return core;
    }
  }
  return {};
}

Node& SwarmTest::AddNode() {
  nodes_.push_back(std::make_unique<Node>(clock_, static_cast<std::uint8_t>(nodes_.size() + 1)));
  return *nodes_.back();
}

Node& SwarmTest::Serve(const Writer& writer) {
  Node& node = AddNode();
  Must(node.replicator.AddReader(writer.Served()));
  return node;
}

Connection SwarmTest::Connect(Node& from, Node& to) {
  MemoryNetwork::Ends ends = network_.Connect(from.name, to.name);
  const Connection connection{ends.initiator.get(), ends.responder.get()};
  Must(to.replicator.AddStream(std::move(ends.responder)));
  Must(from.replicator.AddStream(std::move(ends.initiator)));
  return connection;
}

void SwarmTest::Advance(std::chrono::milliseconds by) {
  constexpr std::chrono::milliseconds kStep{100};
  for (auto passed = std::chrono::milliseconds(0); passed < by; passed += kStep) {
    clock_.Advance(std::min(kStep, by - passed));
    for (const auto& node : nodes_) {
      node->replicator.RunTimers();
    }
    Settle();
  }
}

void SwarmTest::Finish() {
  Settle();
  Advance(std::chrono::milliseconds(1000));
}

}  // namespace hnx::hyper
