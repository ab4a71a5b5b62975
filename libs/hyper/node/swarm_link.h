// SwarmLink: this process's end of the swarm bridges (docs/formats/swarm-bridge.md): the socket
// that they dial, one control connection each, on which they are told which topics to announce and
// to look up, whole each time, and say what came of it. Any number of bridges; they come and go.
//
// Threads: the loop's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "hyper/core/fixed_bytes.h"
#include "hyper/transport/transport.h"
#include "hyper/transport/unix_listener.h"

namespace hnx::hyper {

inline constexpr std::size_t kSwarmTopicsMax = 1024;
inline constexpr std::size_t kSwarmBridgesMax = 16;
// A bridge says how it is every 5 s; one that is silent for so long is closed.
inline constexpr std::chrono::milliseconds kSwarmBridgeSilenceMax{30'000};

struct SwarmTopic {
  bool announce = false;
  bool lookup = false;

  friend bool operator==(const SwarmTopic&, const SwarmTopic&) = default;
};

// What the bridges say, taken together.
struct SwarmState {
  bool configured = false;  // there is a socket
  std::size_t bridges = 0;  // with a control connection now
  bool online = false;      // one of them has the DHT
  // All bridges have taken the newest list of topics, announced and looked up each, and tried every
  // peer that they found. Without a bridge: false.
  bool settled = false;
  std::size_t connections = 0;  // swarm connections now
  std::size_t peers_known = 0;  // found by lookups, over all topics
};

// A bridge's `state` message; kInvalidArgument when it is none. Members that are not known are
// ignored.
struct BridgeState {
  std::uint64_t revision = 0;
  bool settled = false;
  bool online = false;
  std::size_t connections = 0;
  std::size_t peers = 0;
};
Result<BridgeState> DecodeBridgeState(const std::string& text);
// The `desired` message. At most kSwarmTopicsMax topics.
std::string EncodeDesired(std::uint64_t revision, std::size_t connections_max,
                          const std::map<DiscoveryKey, SwarmTopic>& topics);

class SwarmLink {
 public:
  // `transport` must outlive it. `on_state`: something of state() changed.
  static Result<std::unique_ptr<SwarmLink>> Listen(Transport& transport, const std::string& path,
                                                   std::size_t connections_max, AcceptPeer accept,
                                                   std::function<void()> on_state);
  ~SwarmLink();
  SwarmLink(const SwarmLink&) = delete;
  SwarmLink& operator=(const SwarmLink&) = delete;
  SwarmLink(SwarmLink&&) = delete;
  SwarmLink& operator=(SwarmLink&&) = delete;

  // The bridges are told at the end of this turn. A topic that is neither is left. Beyond
  // kSwarmTopicsMax topics the surplus waits until there is room.
  void SetTopic(const DiscoveryKey& topic, SwarmTopic wanted);

  SwarmState state() const;

 private:
  class Bridge;

  SwarmLink(Transport& transport, std::size_t connections_max, std::function<void()> on_state);
  void OnControl(BridgeControl control);
  void OnBridgeChanged();
  void Drop(Bridge* bridge);
  void TellSoon();
  void Tell();
  void CheckSilence();

  Transport& transport_;
  const std::size_t connections_max_;
  const std::function<void()> on_state_;
  std::map<DiscoveryKey, SwarmTopic> topics_;
  std::uint64_t revision_ = 0;
  std::map<PublicKey, std::unique_ptr<Bridge>> bridges_;
  EventLoop::TimerId tell_timer_ = EventLoop::TimerId::kNone;
  EventLoop::TimerId silence_timer_ = EventLoop::TimerId::kNone;
  std::unique_ptr<UnixListener> listener_;
};

}  // namespace hnx::hyper
