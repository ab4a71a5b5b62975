// A network in memory: pairs of streams whose messages are delivered when the test says so, one
// after another, in one thread. A stream can be cut, held, or slow.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "hyper/transport/peer_stream.h"

namespace hnx::hyper {

class MemoryNetwork;

class MemoryStream final : public PeerStream {
 public:
  // Beyond so many queued bytes writable() is false.
  static constexpr std::size_t kHighBytes = std::size_t{1} << 20;

  MemoryStream(MemoryNetwork& network, bool initiator, const HandshakeHash& hash,
               const PublicKey& remote, std::string name);
  ~MemoryStream() override;

  std::span<std::byte> BeginMessage(std::size_t size) override;
  void CommitMessage() override;
  void AbandonMessage() override { building_.clear(); }
  void SetListener(PeerStreamListener& listener) override { listener_ = &listener; }
  const std::string& remote_name() const override { return name_; }
  bool writable() const override { return !closed_ && queued_bytes_ < kHighBytes; }
  std::size_t queued_bytes() const override { return queued_bytes_; }
  void PauseReading() override {}
  void ResumeReading() override {}
  PeerStreamStatistics statistics() const override { return statistics_; }
  void Close(const Error& reason) override;
  bool closed() const override { return closed_; }
  bool is_initiator() const override { return initiator_; }
  const HandshakeHash& handshake_hash() const override { return hash_; }
  const PublicKey& remote_public_key() const override { return remote_; }

 private:
  friend class MemoryNetwork;

  MemoryNetwork& network_;
  const bool initiator_;
  const HandshakeHash hash_;
  const PublicKey remote_;
  const std::string name_;
  MemoryStream* other_ = nullptr;  // null: gone
  PeerStreamListener* listener_ = nullptr;
  Bytes building_;
  std::deque<Bytes> queue_;  // on the way to the other side
  std::size_t queued_bytes_ = 0;
  bool was_full_ = false;
  bool closed_ = false;
  bool held_ = false;                           // nothing of the queue is delivered
  std::optional<std::size_t> bytes_until_cut_;  // then the connection breaks
  PeerStreamStatistics statistics_;
};

// What a test keeps of a connection after both ends were given away.
struct Connection {
  MemoryStream* initiator = nullptr;
  MemoryStream* responder = nullptr;
};

class MemoryNetwork {
 public:
  struct Ends {
    std::unique_ptr<MemoryStream> initiator;
    std::unique_ptr<MemoryStream> responder;
  };
  Ends Connect(std::uint8_t initiator_name, std::uint8_t responder_name);

  // Delivers until nothing moves any more.
  void Settle();
  // One message of each stream; false when there was none.
  bool DeliverOnce();
  // What the stream sends is kept back, until it is released.
  static void Hold(MemoryStream& stream) { stream.held_ = true; }
  static void Release(MemoryStream& stream) { stream.held_ = false; }
  // The connection breaks when the stream has sent so many bytes more.
  static void CutAfter(MemoryStream& stream, std::size_t bytes) { stream.bytes_until_cut_ = bytes; }
  bool alive(const MemoryStream* stream) const;

 private:
  friend class MemoryStream;
  void Break(MemoryStream& stream);

  std::vector<MemoryStream*> streams_;
  std::uint8_t connections_ = 0;
};

}  // namespace hnx::hyper
