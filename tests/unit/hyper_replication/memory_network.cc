#include "memory_network.h"

#include <algorithm>
#include <utility>

namespace hnx::hyper {

MemoryStream::MemoryStream(MemoryNetwork& network, bool initiator, const HandshakeHash& hash,
                           const PublicKey& remote, std::string name)
    : network_(network),
      initiator_(initiator),
      hash_(hash),
      remote_(remote),
      name_(std::move(name)) {
  network_.streams_.push_back(this);
}

MemoryStream::~MemoryStream() {
  Close(Error{ErrorCode::kCancelled, "destroyed"});
  std::erase(network_.streams_, this);
}

std::span<std::byte> MemoryStream::BeginMessage(std::size_t size) {
  building_.assign(size, std::byte{0});
  return building_;
}

void MemoryStream::CommitMessage() {
  if (closed_ || other_ == nullptr) {
    building_.clear();
    return;
  }
  queued_bytes_ += building_.size();
  statistics_.bytes_out += building_.size();
  ++statistics_.messages_out;
  queue_.push_back(std::exchange(building_, {}));
  was_full_ = was_full_ || queued_bytes_ >= kHighBytes;
}

void MemoryStream::Close(const Error& /*reason*/) {
  if (std::exchange(closed_, true)) {
    return;
  }
  listener_ = nullptr;
  if (other_ != nullptr) {
    MemoryStream& other = *std::exchange(other_, nullptr);
    other.other_ = nullptr;
  }
}

MemoryNetwork::Ends MemoryNetwork::Connect(std::uint8_t initiator_name,
                                           std::uint8_t responder_name) {
  HandshakeHash hash;
  hash.bytes.fill(std::byte{++connections_});
  const auto key = [](std::uint8_t name) {
    PublicKey public_key;
    public_key.bytes.fill(std::byte{name});
    return public_key;
  };
  Ends ends;
  ends.initiator = std::make_unique<MemoryStream>(*this, true, hash, key(responder_name),
                                                  "peer " + std::to_string(responder_name));
  ends.responder = std::make_unique<MemoryStream>(*this, false, hash, key(initiator_name),
                                                  "peer " + std::to_string(initiator_name));
  ends.initiator->other_ = ends.responder.get();
  ends.responder->other_ = ends.initiator.get();
  return ends;
}

bool MemoryNetwork::alive(const MemoryStream* stream) const {
  return std::find(streams_.begin(), streams_.end(), stream) != streams_.end() && !stream->closed();
}

// Both sides learn of it, as when a cable is cut and the kernel noticed.
void MemoryNetwork::Break(MemoryStream& stream) {
  MemoryStream* const other = std::exchange(stream.other_, nullptr);
  const Error reason{ErrorCode::kUnavailable, "connection reset"};
  const auto end = [&reason](MemoryStream& side) {
    side.closed_ = true;
    if (PeerStreamListener* const listener = std::exchange(side.listener_, nullptr)) {
      listener->OnClosed(reason);  // may destroy the stream
    }
  };
  if (other != nullptr) {
    other->other_ = nullptr;
  }
  end(stream);
  if (other != nullptr && alive(other)) {
    end(*other);
  }
}

bool MemoryNetwork::DeliverOnce() {
  bool moved = false;
  const std::vector<MemoryStream*> all = streams_;
  for (MemoryStream* const stream : all) {
    if (std::find(streams_.begin(), streams_.end(), stream) == streams_.end()) {
      continue;
    }
    if (stream->other_ == nullptr) {
      if (!stream->closed_) {  // the other side closed
        moved = true;
        Break(*stream);
      }
      continue;
    }
    if (stream->held_ || stream->queue_.empty()) {
      continue;
    }
    moved = true;
    const Bytes message = std::move(stream->queue_.front());
    stream->queue_.pop_front();
    stream->queued_bytes_ -= message.size();
    if (stream->bytes_until_cut_) {
      if (message.size() > *stream->bytes_until_cut_) {
        stream->other_->statistics_.bytes_in += *stream->bytes_until_cut_;
        Break(*stream);
        continue;
      }
      *stream->bytes_until_cut_ -= message.size();
    }
    stream->other_->statistics_.bytes_in += message.size();
    if (stream->other_->listener_ != nullptr) {
      stream->other_->listener_->OnMessage(message);
    }
    if (std::find(streams_.begin(), streams_.end(), stream) != streams_.end() &&
        stream->was_full_ && stream->queued_bytes_ < MemoryStream::kHighBytes / 4) {
      stream->was_full_ = false;
      if (stream->listener_ != nullptr) {
        stream->listener_->OnWritable();
      }
    }
  }
  return moved;
}

void MemoryNetwork::Settle() {
  while (DeliverOnce()) {
  }
}

}  // namespace hnx::hyper
