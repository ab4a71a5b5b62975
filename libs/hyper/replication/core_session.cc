#include "hyper/replication/core_session.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace hnx::hyper {
namespace {

constexpr const char* kLogName = "replication";

std::uint64_t TypeOf(CoreMessageType type) {
  return static_cast<std::uint64_t>(type);
}

}  // namespace

CoreSession::CoreSession(const Links& links)
    : core_(links.core),
      mux_(links.mux),
      events_(links.events),
      stream_(links.stream),
      stream_id_(links.stream_id) {}

CoreSession::~CoreSession() {
  if (channel_ != nullptr) {
    channel_->Close();
  }
}

Result<void> CoreSession::Open() {
  CoreHandshake handshake;
  handshake.capability =
      CapabilityOf(core_.key(), stream_.is_initiator(), stream_.handshake_hash().view());
  const DiscoveryKey discovery_key = DiscoveryKeyOf(core_.key());
  const Result<Channel*> opened = mux_.OpenChannel(
      {std::string(kCoreProtocol), ToBytes(discovery_key.view())}, Encoded(handshake), *this);
  if (!opened) {
    channel_ = nullptr;
    if (!std::exchange(gone_, true)) {
      events_.OnGone(*this);
    }
    return opened.error();
  }
  // It may have been opened, used and closed again from within OpenChannel.
  if (!gone_) {
    channel_ = *opened;
  }
  return {};
}

Result<void> CoreSession::OnOpen(Channel& channel, ByteView remote_handshake) {
  channel_ = &channel;
  HNX_ASSIGN_OR_RETURN(const CoreHandshake handshake, DecodeCoreHandshake(remote_handshake));
  if (handshake.capability !=
      CapabilityOf(core_.key(), !stream_.is_initiator(), stream_.handshake_hash().view())) {
    return Unauthenticated("core " + CoreKeyId(core_.key()) +
                           ": the remote does not know its key (wrong capability)");
  }
  opened_ = true;
  remote_.seeks = handshake.seeks;
  mux_.Cork();
  SendSync();
  told_contiguous_ = core_.contiguous_length();
  if (told_contiguous_ > 0) {
    SendRange(0, told_contiguous_, false);
  }
  mux_.Uncork();
  events_.OnOpened(*this);
  return {};
}

void CoreSession::OnClosed(Channel& /*channel*/, ChannelEnd /*end*/) {
  channel_ = nullptr;
  gone_ = true;
  events_.OnGone(*this);
}

void CoreSession::Close() {
  if (channel_ != nullptr) {
    std::exchange(channel_, nullptr)->Close();
    gone_ = true;
    events_.OnGone(*this);
  }
}

Result<void> CoreSession::OnMessage(Channel& /*channel*/, std::uint64_t type, ByteView payload) {
  if (gone_) {
    return {};
  }
  switch (static_cast<CoreMessageType>(type)) {
    case CoreMessageType::kSync:
      return OnSync(payload);
    case CoreMessageType::kRequest:
      return OnRequest(payload);
    case CoreMessageType::kCancel:
      return OnCancel(payload);
    case CoreMessageType::kData: {
      HNX_ASSIGN_OR_RETURN(const DataMessage data, DecodeData(payload));
      if (data.proof.block) {
        ++statistics_.blocks_down;
        statistics_.bytes_down += data.proof.block->value.view().size();
      }
      return events_.OnData(*this, data);
    }
    case CoreMessageType::kNoData: {
      HNX_ASSIGN_OR_RETURN(const NoDataMessage no_data, DecodeNoData(payload));
      return events_.OnNoData(*this, no_data);
    }
    case CoreMessageType::kWant:
      return OnWant(payload);
    case CoreMessageType::kUnwant:
      return OnUnwant(payload);
    case CoreMessageType::kBitfield:
      return OnBitfield(payload);
    case CoreMessageType::kRange:
      return OnRange(payload);
    case CoreMessageType::kExtension:
      return {};  // hints; ignoring all is right
  }
  return {};
}

// -- Telling

template <class Message>
void CoreSession::Send(CoreMessageType type, const Message& message) {
  if (channel_ == nullptr) {
    return;
  }
  EncodeTo(message, channel_->BeginSend(TypeOf(type), EncodedSize(message)));
  channel_->CommitSend();
}

bool CoreSession::length_acknowledged() const {
  return remote_.synced && told_ && remote_.sync.remote_length == told_->length &&
         remote_.sync.fork == told_->fork;
}

// Whether our tree can be proven to the remote from the length that it has. A whole core always
// can; a sparse one needs the roots of that length.
void CoreSession::UpdateCanUpgrade() {
  const CoreHead& head = core_.head();
  const SyncMessage& theirs = remote_.sync;
  if (!remote_.synced || theirs.length == 0) {
    can_upgrade_ = true;
    return;
  }
  if (theirs.fork != head.fork || theirs.length >= head.length) {
    can_upgrade_ = false;
    return;
  }
  const std::pair<std::uint64_t, std::uint64_t> lengths{theirs.length, head.length};
  if (can_upgrade_for_ == lengths) {
    return;
  }
  ProofRequest probe;
  probe.fork = head.fork;
  probe.upgrade = UpgradeRequest{theirs.length, head.length - theirs.length};
  can_upgrade_ = core_.Prove(probe).has_value();
  can_upgrade_for_ = lengths;
}

void CoreSession::SendSync() {
  UpdateCanUpgrade();
  const CoreHead& head = core_.head();
  SyncMessage sync;
  sync.fork = head.fork;
  sync.length = head.length;
  sync.remote_length = remote_.sync.fork == head.fork ? remote_.sync.length : 0;
  sync.can_upgrade = can_upgrade_;
  sync.uploading = true;
  sync.downloading = events_.downloading();
  sync.has_manifest = core_.has_manifest();
  if (told_ != sync) {
    told_ = sync;
    Send(CoreMessageType::kSync, sync);
  }
}

void CoreSession::SendRange(std::uint64_t start, std::uint64_t length, bool drop) {
  RangeMessage range;
  range.drop = drop;
  range.start = start;
  range.length = length;
  Send(CoreMessageType::kRange, range);
}

void CoreSession::Announce() {
  if (!opened_ || gone_) {
    return;
  }
  SendSync();
  if (remote_.synced && !remote_.sync.downloading && !events_.downloading()) {
    Close();
  }
}

bool CoreSession::RemoteWants(BlockRange blocks) const {
  return remote_wants_all_ ||
         std::any_of(remote_wants_.begin(), remote_wants_.end(), [&](const Want& want) {
           return want.start < blocks.end.value() &&
                  blocks.begin.value() < want.start + want.length;
         });
}

void CoreSession::AnnounceBlocks(BlockRange blocks, bool drop) {
  if (!opened_ || gone_ || blocks.empty()) {
    return;
  }
  const std::uint64_t length = core_.head().length;
  const std::uint64_t contiguous = core_.contiguous_length();
  if (drop) {
    told_contiguous_ = std::min(told_contiguous_, blocks.begin.value());
    SendRange(blocks.begin.value(), blocks.length(), true);
    return;
  }
  if (contiguous == length) {
    if (told_contiguous_ < length) {
      told_contiguous_ = length;
      SendRange(0, length, false);
    }
    return;
  }
  if (blocks.end.value() + kAlwaysAnnouncedBlocks < length && !RemoteWants(blocks)) {
    return;
  }
  // The remote told us that it has them all.
  if (remote_blocks_.contiguous_length() >= blocks.end.value()) {
    return;
  }
  SendRange(blocks.begin.value(), blocks.length(), false);
}

Result<void> CoreSession::OnSync(ByteView payload) {
  HNX_ASSIGN_OR_RETURN(const SyncMessage sync, DecodeSync(payload));
  remote_.synced = true;
  remote_.sync = sync;
  if (!sync.downloading && !events_.downloading()) {
    Close();  // the remote opens again when it needs us
    return {};
  }
  // The acknowledgement, without which a client that has an older length never asks for more.
  SendSync();
  events_.OnRemoteChanged(*this);
  return {};
}

// -- Asking

void CoreSession::SendRequest(const RequestMessage& request) {
  Send(CoreMessageType::kRequest, request);
}

void CoreSession::SendCancel(std::uint64_t request) {
  Send(CoreMessageType::kCancel, CancelMessage{request});
}

void CoreSession::WantAround(BlockIndex block) {
  const std::uint64_t batch = block.value() / kWireWantBitsMax;
  if (own_wants_.size() >= kOwnWantsMax ||
      std::find(own_wants_.begin(), own_wants_.end(), batch) != own_wants_.end()) {
    return;
  }
  own_wants_.push_back(batch);
  WantMessage want;
  want.start = batch * kWireWantBitsMax;
  want.length = kWireWantBitsMax;
  Send(CoreMessageType::kWant, want);
}

Result<void> CoreSession::OnBitfield(ByteView payload) {
  HNX_ASSIGN_OR_RETURN(const BitfieldMessage bitfield, DecodeBitfield(payload));
  remote_blocks_.SetWords(BlockIndex(bitfield.start), bitfield.words);
  events_.OnRemoteChanged(*this);
  return {};
}

Result<void> CoreSession::OnRange(ByteView payload) {
  HNX_ASSIGN_OR_RETURN(const RangeMessage range, DecodeRange(payload));
  remote_blocks_.Set({BlockIndex(range.start), BlockIndex(range.start + range.length)},
                     !range.drop);
  events_.OnRemoteChanged(*this);
  return {};
}

// -- Answering

void CoreSession::Forget(std::uint64_t request) {
  const auto is_it = [request](const RequestMessage& pending) { return pending.id == request; };
  std::erase_if(urgent_, is_it);
  std::erase_if(normal_, is_it);
}

Result<void> CoreSession::OnRequest(ByteView payload) {
  HNX_ASSIGN_OR_RETURN(const RequestMessage request, DecodeRequest(payload));
  ++statistics_.requests_in;
  if (request.id != 0) {
    Forget(request.id);  // asked anew under the same number
  }
  if (pending_requests() >= kPendingRequestsMax) {
    return ResourceExhausted("core " + CoreKeyId(core_.key()) + ": more than " +
                             std::to_string(kPendingRequestsMax) + " requests at once");
  }
  (request.priority > 0 ? urgent_ : normal_).push_back(request);
  return {};
}

Result<void> CoreSession::OnCancel(ByteView payload) {
  HNX_ASSIGN_OR_RETURN(const CancelMessage cancel, DecodeCancel(payload));
  Forget(cancel.request);
  return {};
}

Result<void> CoreSession::OnWant(ByteView payload) {
  HNX_ASSIGN_OR_RETURN(const WantMessage want, DecodeWant(payload));
  if (want.length > kWireWantBitsMax && !want.any) {
    return {};
  }
  if (wants_pending_.size() >= kPendingWantsMax) {
    return ResourceExhausted("core " + CoreKeyId(core_.key()) + ": more than " +
                             std::to_string(kPendingWantsMax) + " wants at once");
  }
  wants_pending_.push_back(want);
  const Want kept{want.start, std::min(want.length, kWireWantBitsMax)};
  if (std::find(remote_wants_.begin(), remote_wants_.end(), kept) != remote_wants_.end()) {
    return {};
  }
  if (remote_wants_.size() < kRemoteWantsMax) {
    remote_wants_.push_back(kept);
  } else {
    remote_wants_all_ = true;
  }
  return {};
}

Result<void> CoreSession::OnUnwant(ByteView payload) {
  HNX_ASSIGN_OR_RETURN(const WantMessage want, DecodeWant(payload));
  std::erase(remote_wants_, Want{want.start, std::min(want.length, kWireWantBitsMax)});
  return {};
}

Result<void> CoreSession::AnswerOne() {
  if (gone_) {
    return {};
  }
  if (!wants_pending_.empty()) {
    const WantMessage want = wants_pending_.front();
    wants_pending_.pop_front();
    return AnswerWant(want);
  }
  std::deque<RequestMessage>& queue = urgent_.empty() ? normal_ : urgent_;
  if (queue.empty()) {
    return {};
  }
  const RequestMessage request = std::move(queue.front());
  queue.pop_front();
  return Answer(request);
}

void CoreSession::SendNoData(std::uint64_t request, NoDataReason reason) {
  ++statistics_.refused;
  Send(CoreMessageType::kNoData, NoDataMessage{request, reason});
}

Result<void> CoreSession::Answer(const RequestMessage& request) {
  Result<Proof> proof = core_.Prove(request.proof);
  if (!proof || proof->empty()) {
    const bool invalid = !proof && proof.error().code == ErrorCode::kInvalidArgument;
    SendNoData(request.id, invalid ? NoDataReason::kInvalidRequest : NoDataReason::kNotAvailable);
    if (invalid && ++invalid_requests_ >= kInvalidRequestsMax) {
      return InvalidArgument("core " + CoreKeyId(core_.key()) + ": " +
                             std::to_string(kInvalidRequestsMax) +
                             " invalid requests, the last: " + proof.error().message);
    }
    if (!proof && !invalid && proof.error().code != ErrorCode::kNotFound) {
      Log(kLogName)->warn("core {}: cannot answer a request: {}", CoreKeyId(core_.key()),
                          proof.error().ToString());
    }
    return {};
  }
  DataMessage data;
  data.request = request.id;
  data.proof = *std::move(proof);
  const std::size_t value_bytes =
      data.proof.block ? static_cast<std::size_t>(data.proof.block->bytes.length()) : 0;
  if (value_bytes > kWireBlockBytesMax) {
    Log(kLogName)->warn("core {}: block {} has {} bytes, more than can be sent",
                        CoreKeyId(core_.key()), data.proof.block->index.value(), value_bytes);
    SendNoData(request.id, NoDataReason::kNotAvailable);
    return {};
  }
  const std::span<std::byte> hole = EncodeAround(
      data, value_bytes,
      channel_->BeginSend(TypeOf(CoreMessageType::kData), EncodedSizeAround(data, value_bytes)));
  if (data.proof.block) {
    const Result<void> read = core_.ReadBlock(*data.proof.block, hole);
    if (!read) {
      channel_->AbandonSend();
      if (read.error().code != ErrorCode::kNotFound) {
        Log(kLogName)->warn("core {}: cannot read block {}: {}", CoreKeyId(core_.key()),
                            data.proof.block->index.value(), read.error().ToString());
      }
      SendNoData(request.id, NoDataReason::kNotAvailable);
      return {};
    }
    ++statistics_.blocks_up;
    statistics_.bytes_up += value_bytes;
  }
  channel_->CommitSend();
  return {};
}

Result<void> CoreSession::AnswerWant(const WantMessage& want) {
  const std::uint64_t length = core_.head().length;
  const std::uint64_t contiguous = core_.contiguous_length();
  const std::uint64_t end = want.start + std::min(want.length, length);
  if (end < contiguous || contiguous == length || (want.any && want.start < contiguous)) {
    SendRange(0, contiguous, false);
    return {};
  }
  const std::uint64_t stop = std::min(end, length);
  if (want.start >= stop) {
    return {};
  }
  if (want.any) {
    HNX_ASSIGN_OR_RETURN(const BlockIndex first,
                         core_.NextPresent({BlockIndex(want.start), BlockIndex(stop)}));
    if (first.value() < stop) {
      SendRange(first.value(), 1, false);
    }
    return {};
  }
  return SendBits(want.start - want.start % 32, stop);
}

Result<void> CoreSession::SendBits(std::uint64_t start, std::uint64_t end) {
  BitfieldMessage bitfield;
  bitfield.start = start;
  bitfield.words.resize((end - start + 31) / 32);
  if (bitfield.words.size() > kWireBitfieldWordsMax) {
    bitfield.words.resize(kWireBitfieldWordsMax);
    end = start + kWireWantBitsMax;
  }
  BlockIndex at(start);
  while (at.value() < end) {
    HNX_ASSIGN_OR_RETURN(const BlockIndex first, core_.NextPresent({at, BlockIndex(end)}));
    HNX_ASSIGN_OR_RETURN(at, core_.NextAbsent({first, BlockIndex(end)}));
    for (std::uint64_t block = first.value(); block < at.value(); ++block) {
      const std::uint64_t bit = block - start;
      bitfield.words[bit / 32] |= std::uint32_t{1} << (bit % 32);
    }
  }
  Send(CoreMessageType::kBitfield, bitfield);
  return {};
}

}  // namespace hnx::hyper
