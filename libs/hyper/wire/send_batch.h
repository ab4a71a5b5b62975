// SendBatch: protomux messages on their way out, gathered into batches while it is corked. Internal
// to Protomux.
//
// Small messages wait in the batch; a long one goes straight into the sink, after the batch that
// was gathered before it, so that the order holds. One thread.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "hyper/wire/message_sink.h"

namespace hnx::hyper {

class SendBatch {
 public:
  explicit SendBatch(MessageSink& sink) : sink_(sink) {}

  // Room for the payload of one message of channel `local_id`; then Commit or Abandon.
  std::span<std::byte> Begin(std::uint64_t local_id, std::uint64_t type, std::size_t payload_size);
  void Commit();
  void Abandon();

  void Cork() { ++corked_; }
  void Uncork();
  // The stream is over: nothing is sent any more.
  void Discard();

 private:
  std::span<std::byte> BeginInBatch(std::uint64_t local_id, std::uint64_t type,
                                    std::size_t payload_size);
  void Flush();

  enum class Open { kNone, kSink, kBatch, kDiscarded };

  MessageSink& sink_;
  int corked_ = 0;
  bool discarded_ = false;
  Open begun_ = Open::kNone;
  Bytes batch_;                // a whole batch message; empty: none
  std::uint64_t channel_ = 0;  // of the last item
  // Before the item that was begun, for Abandon.
  std::size_t size_before_ = 0;
  std::uint64_t channel_before_ = 0;
  Bytes scratch_;  // what is discarded is written here
};

}  // namespace hnx::hyper
