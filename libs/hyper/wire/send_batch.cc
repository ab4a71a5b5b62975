#include "hyper/wire/send_batch.h"

#include <algorithm>

#include "base/check.h"
#include "hyper/codec/compact_encoding.h"
#include "hyper/wire/protomux.h"
#include "hyper/wire/protomux_format.h"

namespace hnx::hyper {

std::span<std::byte> SendBatch::Begin(std::uint64_t local_id, std::uint64_t type,
                                      std::size_t payload_size) {
  HNX_CHECK(begun_ == Open::kNone);
  if (discarded_) {
    begun_ = Open::kDiscarded;
    scratch_.resize(payload_size);
    return scratch_;
  }
  if (corked_ > 0 && payload_size <= kProtomuxSendBatchItemMax) {
    return BeginInBatch(local_id, type, payload_size);
  }
  Flush();
  Encoder prefix;
  prefix.Uint(local_id);
  prefix.Uint(type);
  const std::span<std::byte> room = sink_.BeginMessage(prefix.size() + payload_size);
  std::ranges::copy(prefix.bytes(), room.begin());
  begun_ = Open::kSink;
  return room.subspan(prefix.size());
}

std::span<std::byte> SendBatch::BeginInBatch(std::uint64_t local_id, std::uint64_t type,
                                             std::size_t payload_size) {
  if (batch_.size() >= kProtomuxSendBatchBytes) {
    Flush();
  }
  size_before_ = batch_.size();
  channel_before_ = channel_;
  Encoder type_part;
  type_part.Uint(type);
  Encoder item;
  if (batch_.empty()) {
    item.Uint(kControlChannel);
    item.Uint(kControlBatch);
    item.Uint(local_id);
  } else if (channel_ != local_id) {
    item.Uint(0);  // an item of length 0: the next ones are of another channel
    item.Uint(local_id);
  }
  item.Uint(type_part.size() + payload_size);
  item.Raw(type_part.bytes());
  channel_ = local_id;
  AppendTo(batch_, item.bytes());
  batch_.resize(batch_.size() + payload_size);
  begun_ = Open::kBatch;
  return std::span(batch_).last(payload_size);
}

void SendBatch::Commit() {
  HNX_CHECK(begun_ != Open::kNone);
  if (begun_ == Open::kSink) {
    sink_.CommitMessage();
  } else if (begun_ == Open::kDiscarded) {
    scratch_ = Bytes();
  }
  begun_ = Open::kNone;
}

void SendBatch::Abandon() {
  HNX_CHECK(begun_ != Open::kNone);
  if (begun_ == Open::kSink) {
    sink_.AbandonMessage();
  } else if (begun_ == Open::kBatch) {
    batch_.resize(size_before_);
    channel_ = channel_before_;
  } else {
    scratch_ = Bytes();
  }
  begun_ = Open::kNone;
}

void SendBatch::Uncork() {
  HNX_CHECK(corked_ > 0);
  if (--corked_ == 0) {
    Flush();
  }
}

void SendBatch::Discard() {
  discarded_ = true;
  batch_ = Bytes();
}

void SendBatch::Flush() {
  if (!batch_.empty()) {
    sink_.SendMessage(batch_);
    batch_.clear();
  }
}

}  // namespace hnx::hyper
