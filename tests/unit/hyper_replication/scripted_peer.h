// A peer that says exactly what the test tells it to, right or wrong, and remembers what it hears.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "hyper/replication/core_messages.h"
#include "hyper/wire/protomux.h"
#include "memory_network.h"
#include "swarm_fixture.h"

namespace hnx::hyper {

class ScriptedPeer final : public PeerStreamListener, public ChannelHandler, public PairHandler {
 public:
  ScriptedPeer(std::unique_ptr<MemoryStream> stream, const Clock& clock)
      : stream_(std::move(stream)), mux_(*stream_, clock, this) {
    stream_->SetListener(*this);
  }

  // Opens a core as one who knows its key; or as one who does not.
  void Open(const CoreKey& key, bool knows_key = true) {
    CoreHandshake handshake;
    handshake.capability =
        CapabilityOf(key, stream_->is_initiator(), stream_->handshake_hash().view());
    if (!knows_key) {
      handshake.capability.bytes[0] ^= std::byte{1};
    }
    const DiscoveryKey discovery_key = DiscoveryKeyOf(key);
    channel_ = Must(mux_.OpenChannel({std::string(kCoreProtocol), ToBytes(discovery_key.view())},
                                     Encoded(handshake), *this));
  }
  // Opens the core when the other side does.
  void Accept(const CoreKey& key) { accepts_ = key; }

  template <class Message>
  void Send(CoreMessageType type, const Message& message) {
    SendRaw(static_cast<std::uint64_t>(type), Encoded(message));
  }
  void SendRaw(std::uint64_t type, ByteView payload) {
    if (channel_ != nullptr) {
      channel_->Send(type, payload);
    }
  }
  void Sync(std::uint64_t length, bool downloading = true, std::uint64_t fork = 0) {
    SyncMessage sync;
    sync.can_upgrade = true;
    sync.uploading = true;
    sync.downloading = downloading;
    sync.has_manifest = true;
    sync.fork = fork;
    sync.length = length;
    sync.remote_length = heard_length;
    Send(CoreMessageType::kSync, sync);
  }
  void RequestBlock(std::uint64_t id, std::uint64_t block, std::uint64_t priority = 0,
                    std::uint64_t nodes = 0) {
    RequestMessage request;
    request.id = id;
    request.priority = priority;
    request.proof.block = BlockRequest{BlockIndex(block), nodes};
    Send(CoreMessageType::kRequest, request);
  }

  // What came, by type.
  template <class Message>
  std::vector<Message> Heard(CoreMessageType type, Result<Message> (*decode)(ByteView)) const {
    std::vector<Message> all;
    for (const auto& [heard_type, payload] : messages) {
      if (heard_type == static_cast<std::uint64_t>(type)) {
        all.push_back(Must(decode(payload)));
      }
    }
    return all;
  }
  bool connected() const { return !ended_; }
  bool open() const { return channel_ != nullptr; }
  MemoryStream& stream() { return *stream_; }

  std::vector<std::pair<std::uint64_t, Bytes>> messages;
  std::function<void(const RequestMessage&)> on_request;
  std::function<void()> on_open;
  std::uint64_t heard_length = 0;

  void OnMessage(ByteView message) override { Must(mux_.Receive(message)); }
  void OnWritable() override {}
  void OnClosed(const Error& /*reason*/) override {
    ended_ = true;
    mux_.End();
  }
  PairAnswer OnRemoteOpen(Protomux& /*mux*/, const ChannelName& /*name*/) override {
    if (accepts_) {
      Open(*accepts_);
    }
    return PairAnswer::kReject;
  }
  Result<void> OnOpen(Channel& channel, ByteView /*handshake*/) override {
    channel_ = &channel;
    if (on_open) {
      on_open();
    }
    return {};
  }
  Result<void> OnMessage(Channel& /*channel*/, std::uint64_t type, ByteView payload) override {
    messages.emplace_back(type, ToBytes(payload));
    if (type == static_cast<std::uint64_t>(CoreMessageType::kSync)) {
      heard_length = Must(DecodeSync(payload)).length;
    }
    if (type == static_cast<std::uint64_t>(CoreMessageType::kRequest) && on_request) {
      on_request(Must(DecodeRequest(payload)));
    }
    return {};
  }
  void OnClosed(Channel& /*channel*/, ChannelEnd /*end*/) override { channel_ = nullptr; }

 private:
  std::unique_ptr<MemoryStream> stream_;
  Protomux mux_;
  std::optional<CoreKey> accepts_;
  Channel* channel_ = nullptr;
  bool ended_ = false;
};

}  // namespace hnx::hyper
