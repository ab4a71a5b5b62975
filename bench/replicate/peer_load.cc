#include "bench/replicate/peer_load.h"

#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "bench/replicate/bench_drive.h"
#include "hyper/node/peer_node.h"

namespace hnx::bench {
namespace {

constexpr std::chrono::minutes kPatience{5};

// Peers wait here for one another. One that fails comes here too.
class Meeting {
 public:
  explicit Meeting(std::size_t expected) : missing_(expected) {}
  Clock::SteadyTime Wait() {
    const MutexLock lock(mutex_);
    if (--missing_ == 0) {
      met_ = Clock::Real().Steady();
      changed_.NotifyAll();
    }
    while (missing_ > 0) {
      changed_.Wait(mutex_);
    }
    return met_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::size_t missing_ HNX_GUARDED_BY(mutex_);
  Clock::SteadyTime met_ HNX_GUARDED_BY(mutex_);
};

struct Peer {
  std::unique_ptr<hyper::PeerNode> node;
  std::shared_ptr<hyper::RemoteDrive> drive;
  std::optional<Error> failure;
  std::uint64_t bytes = 0;
};

Result<void> Connect(Peer& peer, const hyper::DriveKey& key, const std::filesystem::path& folder,
                     const std::string& address) {
  hyper::PeerNodeOptions options;
  options.peers = {address};
  HNX_ASSIGN_OR_RETURN(peer.node, hyper::PeerNode::Start(std::move(options)));
  hyper::RemoteDriveOptions drive;
  drive.folder = folder;
  HNX_ASSIGN_OR_RETURN(peer.drive, peer.node->OpenRemote(key, std::move(drive)));
  return peer.drive->WaitForHead(hyper::ReadLimits::Within(kPatience));
}

Result<void> ReadFile(Peer& peer, std::size_t number) {
  HNX_ASSIGN_OR_RETURN(const auto view, peer.drive->View(hyper::ReadLimits::Within(kPatience)));
  HNX_ASSIGN_OR_RETURN(const auto entry, view->Entry(BenchFilePath(number)));
  if (!entry || !entry->blob) {
    return NotFound("the drive has no " + BenchFilePath(number));
  }
  return view->ReadBlob(*entry->blob, 0, entry->blob->byte_length,
                        [&peer](ByteView piece) -> Result<void> {
                          peer.bytes += piece.size();
                          return {};
                        });
}

}  // namespace

Result<PeerLoadResult> RunPeerLoad(const hyper::DriveKey& key, const std::filesystem::path& folder,
                                   const std::string& address, std::size_t peers,
                                   std::size_t files) {
  std::vector<Peer> all(peers);
  Meeting connected(peers);
  Meeting done(peers);
  Clock::SteadyTime began;
  Clock::SteadyTime ended;
  {
    std::vector<std::jthread> threads;
    threads.reserve(peers);
    for (std::size_t number = 0; number < peers; ++number) {
      threads.emplace_back([&, number] {
        Peer& peer = all[number];
        Result<void> outcome = Connect(peer, key, folder / std::to_string(number), address);
        const Clock::SteadyTime met = connected.Wait();
        if (outcome) {
          outcome = ReadFile(peer, number % files);
        }
        if (!outcome) {
          peer.failure = outcome.error();
        }
        const Clock::SteadyTime left = done.Wait();
        if (number == 0) {
          began = met;
          ended = left;
        }
        peer.drive.reset();
        peer.node.reset();
      });
    }
  }
  PeerLoadResult result;
  result.seconds = std::chrono::duration<double>(ended - began).count();
  for (std::size_t number = 0; number < peers; ++number) {
    if (all[number].failure) {
      return all[number].failure->Annotate("peer " + std::to_string(number));
    }
    result.bytes += all[number].bytes;
  }
  return result;
}

}  // namespace hnx::bench
