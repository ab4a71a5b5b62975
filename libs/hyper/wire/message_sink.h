// MessageSink: where whole messages go out. The space for a message lies in the write buffer
// itself, so that a block is read from disk into the place where it is encrypted and sent from: no
// copy.
//
//   const std::span<std::byte> room = sink.BeginMessage(size);
//   ... fill all of it ...
//   sink.CommitMessage();
//
// One message at a time; nothing else is called between Begin and Commit or Abandon. One thread.
#pragma once

#include <cstring>
#include <span>

#include "base/bytes.h"

namespace hnx::hyper {

// The largest message of a secret stream: a frame's length has 24 bits, 17 bytes are its cipher's.
inline constexpr std::size_t kMessageSizeMax = (std::size_t{1} << 24) - 1 - 17;

class MessageSink {
 public:
  virtual ~MessageSink() = default;

  // Room for one message of exactly `size` bytes, 1 to kMessageSizeMax. It is always given: what is
  // sent after the end of the stream goes nowhere.
  virtual std::span<std::byte> BeginMessage(std::size_t size) = 0;
  virtual void CommitMessage() = 0;
  // Nothing is sent: the bytes could not be had.
  virtual void AbandonMessage() = 0;

  void SendMessage(ByteView message) {
    const std::span<std::byte> room = BeginMessage(message.size());
    std::memcpy(room.data(), message.data(), message.size());
    CommitMessage();
  }
};

}  // namespace hnx::hyper
