#include "hyper/node/swarm_link.h"

#include <algorithm>
#include <functional>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/log.h"

namespace hnx::hyper {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kSilenceCheckInterval{5'000};

std::uint64_t NumberOf(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

bool FlagOf(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

Result<BridgeState> DecodeBridgeState(const std::string& text) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) {
    return InvalidArgument("message of a swarm bridge: no JSON object");
  }
  const auto type = object.find("type");
  if (type == object.end() || !type->is_string() || type->get<std::string>() != "state") {
    return InvalidArgument("message of a swarm bridge: not a state");
  }
  BridgeState state;
  state.revision = NumberOf(object, "revision");
  state.settled = FlagOf(object, "settled");
  state.online = FlagOf(object, "online");
  state.connections = NumberOf(object, "connections");
  const auto topics = object.find("topics");
  if (topics != object.end() && topics->is_array()) {
    for (const json& topic : *topics) {
      state.peers += topic.is_object() ? NumberOf(topic, "peers") : 0;
    }
  }
  return state;
}

std::string EncodeDesired(std::uint64_t revision, std::size_t connections_max,
                          const std::map<DiscoveryKey, SwarmTopic>& topics) {
  json list = json::array();
  for (const auto& [topic, wanted] : topics) {
    if (list.size() >= kSwarmTopicsMax) {
      break;
    }
    list.push_back(
        {{"topic", topic.ToHex()}, {"announce", wanted.announce}, {"lookup", wanted.lookup}});
  }
  return json{{"type", "desired"},
              {"revision", revision},
              {"connections_max", connections_max},
              {"topics", std::move(list)}}
      .dump();
}

// One control connection. Its end is told by a task of the loop, so that it is not destroyed in its
// own callback.
class SwarmLink::Bridge final : public PeerStreamListener {
 public:
  Bridge(SwarmLink& link, BridgeControl control)
      : link_(link), key_(control.bridge_key), stream_(std::move(control.stream)) {
    stream_->SetListener(*this);
    heard_ = link_.transport_.loop().clock().Steady();
  }

  const PublicKey& key() const { return key_; }
  const BridgeState& state() const { return state_; }
  Clock::SteadyTime heard() const { return heard_; }
  const std::string& name() const { return stream_->remote_name(); }
  void Send(const std::string& text) { stream_->SendMessage(AsBytes(text)); }

  void OnMessage(ByteView message) override {
    heard_ = link_.transport_.loop().clock().Steady();
    const std::string text(AsText(message));
    const Result<BridgeState> state = DecodeBridgeState(text);
    if (state) {
      state_ = *state;
      link_.OnBridgeChanged();
      return;
    }
    const json object = json::parse(text, nullptr, false);
    if (object.is_object() && object.value("type", json()) == "error") {
      constexpr std::size_t kShown = 200;
      const json words = object.value("message", json());
      Log("peers")->warn("swarm bridge: {}",
                         words.is_string() ? words.get<std::string>().substr(0, kShown) : "error");
    }
  }
  void OnWritable() override {}
  void OnClosed(const Error& reason) override {
    Log("peers")->info("swarm bridge {} left: {}", key_.ToHex().substr(0, 8), reason.message);
    link_.Drop(this);
  }

 private:
  SwarmLink& link_;
  const PublicKey key_;
  const std::unique_ptr<MessageStream> stream_;
  BridgeState state_;
  Clock::SteadyTime heard_;
};

SwarmLink::SwarmLink(Transport& transport, std::size_t connections_max,
                     std::function<void()> on_state)
    : transport_(transport), connections_max_(connections_max), on_state_(std::move(on_state)) {}

Result<std::unique_ptr<SwarmLink>> SwarmLink::Listen(Transport& transport, const std::string& path,
                                                     std::size_t connections_max, AcceptPeer accept,
                                                     std::function<void()> on_state) {
  auto link =
      std::unique_ptr<SwarmLink>(new SwarmLink(transport, connections_max, std::move(on_state)));
  HNX_ASSIGN_OR_RETURN(
      link->listener_,
      UnixListener::Listen(
          transport, path, UnixListener::Protocol::kBridge, std::move(accept),
          [target = link.get()](BridgeControl control) { target->OnControl(std::move(control)); }));
  return link;
}

SwarmLink::~SwarmLink() {
  transport_.loop().Cancel(tell_timer_);
  transport_.loop().Cancel(silence_timer_);
}

void SwarmLink::OnControl(BridgeControl control) {
  const PublicKey key = control.bridge_key;
  if (!bridges_.contains(key) && bridges_.size() >= kSwarmBridgesMax) {
    Log("peers")->warn("swarm bridge {} refused: more than {} bridges", key.ToHex().substr(0, 8),
                       kSwarmBridgesMax);
    return;
  }
  Log("peers")->info("swarm bridge {} came", key.ToHex().substr(0, 8));
  // A second control connection of the same bridge replaces the first.
  auto bridge = std::make_unique<Bridge>(*this, std::move(control));
  bridge->Send(EncodeDesired(revision_, connections_max_, topics_));
  bridges_[key] = std::move(bridge);
  if (silence_timer_ == EventLoop::TimerId::kNone) {
    silence_timer_ = transport_.loop().After(kSilenceCheckInterval, [this] { CheckSilence(); });
  }
  OnBridgeChanged();
}

void SwarmLink::OnBridgeChanged() {
  if (on_state_) {
    on_state_();
  }
}

// Called from the bridge's last callback, which allows its destruction.
void SwarmLink::Drop(Bridge* bridge) {
  const auto found = bridges_.find(bridge->key());
  if (found != bridges_.end() && found->second.get() == bridge) {
    const std::unique_ptr<Bridge> gone = std::move(found->second);
    bridges_.erase(found);
    OnBridgeChanged();
  }
}

void SwarmLink::CheckSilence() {
  silence_timer_ = transport_.loop().After(kSilenceCheckInterval, [this] { CheckSilence(); });
  const Clock::SteadyTime now = transport_.loop().clock().Steady();
  const auto silent = std::erase_if(bridges_, [now](const auto& bridge) {
    return now - bridge.second->heard() >= kSwarmBridgeSilenceMax;
  });
  if (silent > 0) {
    Log("peers")->warn("{} swarm bridges said nothing for {} s and were closed", silent,
                       kSwarmBridgeSilenceMax.count() / 1000);
    OnBridgeChanged();
  }
}

void SwarmLink::SetTopic(const DiscoveryKey& topic, SwarmTopic wanted) {
  const auto found = topics_.find(topic);
  const SwarmTopic before = found == topics_.end() ? SwarmTopic{} : found->second;
  if (before == wanted) {
    return;
  }
  if (!wanted.announce && !wanted.lookup) {
    topics_.erase(topic);
  } else {
    topics_[topic] = wanted;
    if (topics_.size() == kSwarmTopicsMax + 1) {
      Log("peers")->warn(
          "more than {} drives to announce or look up in the swarm: the surplus waits",
          kSwarmTopicsMax);
    }
  }
  ++revision_;
  TellSoon();
}

void SwarmLink::TellSoon() {
  if (tell_timer_ == EventLoop::TimerId::kNone) {
    tell_timer_ = transport_.loop().After(milliseconds(0), [this] { Tell(); });
  }
}

void SwarmLink::Tell() {
  tell_timer_ = EventLoop::TimerId::kNone;
  if (bridges_.empty()) {
    return;
  }
  const std::string text = EncodeDesired(revision_, connections_max_, topics_);
  for (const auto& [key, bridge] : bridges_) {
    bridge->Send(text);
  }
}

SwarmState SwarmLink::state() const {
  SwarmState state;
  state.configured = true;
  state.bridges = bridges_.size();
  state.settled = !bridges_.empty();
  for (const auto& [key, bridge] : bridges_) {
    const BridgeState& one = bridge->state();
    state.online = state.online || one.online;
    state.settled = state.settled && one.settled && one.revision == revision_;
    state.connections += one.connections;
    state.peers_known += one.peers;
  }
  return state;
}

}  // namespace hnx::hyper
