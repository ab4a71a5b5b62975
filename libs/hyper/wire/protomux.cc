#include "hyper/wire/protomux.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/hex.h"
#include "hyper/codec/compact_encoding.h"
#include "hyper/wire/protomux_format.h"
#include "hyper/wire/send_batch.h"

namespace hnx::hyper {
namespace {

std::string Number(std::uint64_t value) {
  return std::to_string(value);
}

// Handlers may close channels, their own too: what they hold stays until the last handler returned.
class HandlerCall {
 public:
  explicit HandlerCall(int& depth) : depth_(depth) { ++depth_; }
  ~HandlerCall() { --depth_; }
  HandlerCall(const HandlerCall&) = delete;
  HandlerCall& operator=(const HandlerCall&) = delete;
  HandlerCall(HandlerCall&&) = delete;
  HandlerCall& operator=(HandlerCall&&) = delete;

 private:
  int& depth_;
};

}  // namespace

std::string ToText(const ChannelName& name) {
  return name.protocol + (name.id.empty() ? "" : " " + EncodeHex(name.id));
}

Channel::Channel(Protomux& mux, ChannelName name, ChannelHandler& handler, std::uint64_t local_id)
    : mux_(mux), name_(std::move(name)), handler_(&handler), local_id_(local_id) {}

Channel::~Channel() = default;

void Channel::Send(std::uint64_t type, ByteView payload) {
  const std::span<std::byte> room = BeginSend(type, payload.size());
  std::copy(payload.begin(), payload.end(), room.begin());
  CommitSend();
}

std::span<std::byte> Channel::BeginSend(std::uint64_t type, std::size_t payload_size) {
  HNX_CHECK(!closed_);
  return mux_.sender_->Begin(local_id_, type, payload_size);
}

void Channel::CommitSend() {
  mux_.sender_->Commit();
}

void Channel::AbandonSend() {
  mux_.sender_->Abandon();
}

void Channel::Close() {
  if (closed_) {
    return;
  }
  if (!mux_.ended_) {
    Encoder body;
    body.Uint(local_id_);
    mux_.SendControl(kControlClose, body.bytes());
  }
  mux_.Remove(*this);
  mux_.CollectGarbage();
}

Protomux::Protomux(MessageSink& sink, const Clock& clock, PairHandler* pair)
    : sender_(std::make_unique<SendBatch>(sink)),
      pair_(pair),
      opens_(clock, kProtomuxOpensBurst, kProtomuxOpensPerSecond),
      rejects_(clock, kProtomuxRejectsBurst, kProtomuxRejectsPerSecond) {}

Protomux::~Protomux() = default;

void Protomux::AddAlias(std::string alias, std::string protocol) {
  aliases_[std::move(alias)] = std::move(protocol);
}

Channel* Protomux::Find(const ChannelName& name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : found->second.channel;
}

void Protomux::Cork() {
  sender_->Cork();
}

void Protomux::Uncork() {
  sender_->Uncork();
}

// --- opening and closing our side ---------------------------------------------------------------

Result<Channel*> Protomux::OpenChannel(ChannelName name, ByteView handshake,
                                       ChannelHandler& handler) {
  HNX_CHECK(name.protocol.size() <= kProtomuxProtocolSizeMax &&
            name.id.size() <= kProtomuxIdSizeMax && handshake.size() <= kProtomuxHandshakeSizeMax);
  if (ended_ || failure_) {
    return FailedPrecondition("open channel " + ToText(name) + ": the stream is over");
  }
  if (Find(name) != nullptr) {
    return Error{ErrorCode::kAlreadyExists, "open channel " + ToText(name) + ": it is open"};
  }
  if (locals_.size() - free_locals_.size() >= kProtomuxChannelsMax) {
    return ResourceExhausted("open channel " + ToText(name) + ": there are " +
                             Number(kProtomuxChannelsMax) + " channels on this stream");
  }
  const std::uint64_t local_id = TakeLocalId();
  Local& local = locals_[local_id - 1];
  local.channel.reset(new Channel(*this, name, handler, local_id));
  local.name = name;
  Channel& channel = *local.channel;
  Name& entry = names_[name];
  entry.channel = &channel;
  ++channel_count_;
  const std::uint64_t remote_id = std::exchange(entry.incoming, 0);
  if (remote_id == 0) {
    entry.outgoing.push_back(local_id);
    local.awaits_answer = true;
  }

  Encoder body;
  body.Uint(local_id);
  body.String(name.protocol);
  body.Buffer(name.id);
  body.Raw(handshake);
  SendControl(kControlOpen, body.bytes());

  if (remote_id != 0) {
    const Result<void> opened = FinishOpen(channel, remote_id);
    CollectGarbage();
    if (!opened) {
      return Fail(opened.error());
    }
  }
  return &channel;
}

Result<void> Protomux::RejectPending(const ChannelName& name) {
  const auto found = names_.find(name);
  if (ended_ || failure_ || found == names_.end() || found->second.incoming == 0) {
    return {};
  }
  if (const Result<void> rejected = Reject(found->second.incoming); !rejected) {
    return Fail(rejected.error());
  }
  return {};
}

void Protomux::End() {
  if (ended_) {
    return;
  }
  ended_ = true;
  sender_->Discard();
  for (const Local& local : locals_) {  // handlers cannot add any: the stream has ended
    if (local.channel != nullptr) {
      CloseByRemote(*local.channel, ChannelEnd::kStreamEnded);
    }
  }
  remotes_.clear();
  CollectGarbage();
}

// --- what comes in ------------------------------------------------------------------------------

Result<void> Protomux::Receive(ByteView message) {
  if (failure_) {
    return *failure_;
  }
  if (ended_ || message.empty()) {
    return {};
  }
  Decoder decoder(message);
  Result<std::uint64_t> remote_id = decoder.Uint("channel id");
  const Result<void> done =
      remote_id ? Dispatch(*remote_id, decoder.rest(), false) : Result<void>(remote_id.error());
  CollectGarbage();
  if (!done) {
    return Fail(done.error());
  }
  return {};
}

Result<void> Protomux::Dispatch(std::uint64_t remote_id, ByteView rest, bool in_batch) {
  Decoder decoder(rest);
  HNX_ASSIGN_OR_RETURN(const std::uint64_t type, decoder.Uint("message type"));
  if (remote_id == 0) {
    return OnControl(type, decoder.rest(), in_batch);
  }
  Remote* const remote = FindRemote(remote_id);
  if (remote == nullptr) {
    return {};  // closed: what was under way
  }
  if (remote->channel == nullptr) {
    return Buffer(*remote, type, decoder.rest());
  }
  const HandlerCall call(depth_);
  return remote->channel->handler_->OnMessage(*remote->channel, type, decoder.rest());
}

Result<void> Protomux::OnControl(std::uint64_t type, ByteView payload, bool in_batch) {
  switch (type) {
    case kControlBatch:
      if (in_batch) {
        return InvalidArgument("protomux: a batch within a batch");
      }
      return OnBatch(payload);
    case kControlOpen:
      return OnOpenMessage(payload);
    case kControlReject:
      return OnRejectMessage(payload);
    case kControlClose:
      return OnCloseMessage(payload);
    default:
      return {};  // of a later version
  }
}

Result<void> Protomux::OnBatch(ByteView payload) {
  Decoder decoder(payload);
  HNX_ASSIGN_OR_RETURN(std::uint64_t remote_id, decoder.Uint("batch channel id"));
  sender_->Cork();  // the answers to a batch go out as one
  Result<void> done;
  for (std::size_t items = 0; !decoder.done() && done && !ended_; ++items) {
    if (items == kProtomuxBatchItemsMax) {
      done = ResourceExhausted("protomux: a batch of more than " + Number(kProtomuxBatchItemsMax) +
                               " items");
      break;
    }
    const Result<ByteView> item = decoder.Buffer("batch item");
    if (!item) {
      done = item.error();
    } else if (item->empty()) {
      const Result<std::uint64_t> next = decoder.Uint("batch channel id");
      remote_id = next.value_or(0);
      done = next ? Result<void>() : Result<void>(next.error());
    } else {
      done = Dispatch(remote_id, *item, true);
    }
  }
  sender_->Uncork();
  return done;
}

Result<void> Protomux::OnOpenMessage(ByteView payload) {
  Decoder decoder(payload);
  HNX_ASSIGN_OR_RETURN(const std::uint64_t remote_id, decoder.Uint("open: id"));
  HNX_ASSIGN_OR_RETURN(const ByteView protocol, decoder.Buffer("open: protocol"));
  HNX_ASSIGN_OR_RETURN(const ByteView id, decoder.Buffer("open: channel id"));
  const ByteView handshake = decoder.rest();
  if (protocol.size() > kProtomuxProtocolSizeMax || id.size() > kProtomuxIdSizeMax ||
      handshake.size() > kProtomuxHandshakeSizeMax) {
    return ResourceExhausted("protomux: an open with a protocol of " + Number(protocol.size()) +
                             ", an id of " + Number(id.size()) + " and a handshake of " +
                             Number(handshake.size()) + " bytes");
  }
  if (!opens_.TryTake(1)) {
    return ResourceExhausted("protomux: the peer opens channels faster than " +
                             Number(kProtomuxOpensPerSecond) + " a second");
  }
  if (remote_id == 0) {
    return SendReject(0);  // the control channel is open already
  }
  if (remote_id > remotes_.size() + 1 || FindRemote(remote_id) != nullptr) {
    return InvalidArgument("protomux: open with id " + Number(remote_id) +
                           ", which is in use or not the next one");
  }
  if (remote_id > kProtomuxChannelsMax) {
    return ResourceExhausted("protomux: the peer opens more than " + Number(kProtomuxChannelsMax) +
                             " channels");
  }
  ChannelName name{ToString(protocol), ToBytes(id)};
  if (const auto alias = aliases_.find(name.protocol); alias != aliases_.end()) {
    name.protocol = alias->second;
  }
  const auto found = names_.find(name);
  if (found != names_.end() && !found->second.outgoing.empty()) {
    return AnswerOwnOpen(found, remote_id, handshake);
  }
  if (remote_id > remotes_.size()) {
    remotes_.emplace_back();
  }
  remotes_[remote_id - 1] = std::make_unique<Remote>();
  Remote& remote = *remotes_[remote_id - 1];
  remote.name = std::move(name);
  remote.handshake = ToBytes(handshake);
  HNX_TRY(CountBuffered(remote, handshake.size()));
  return Pair(remote_id);
}

Result<void> Protomux::AnswerOwnOpen(Names::iterator name, std::uint64_t remote_id,
                                     ByteView handshake) {
  const std::uint64_t local_id = name->second.outgoing.front();
  name->second.outgoing.erase(name->second.outgoing.begin());
  if (remote_id > remotes_.size()) {
    remotes_.emplace_back();
  }
  Local& local = locals_[local_id - 1];
  local.awaits_answer = false;
  if (local.channel == nullptr) {
    // Closed before the answer came. A remote that was still looking for a taker when our close
    // came has ignored it, and would hold the id that we use again.
    Encoder body;
    body.Uint(local_id);
    SendControl(kControlClose, body.bytes());
    FreeLocalId(local_id);
    ForgetNameIfUnused(name);
    return {};
  }
  remotes_[remote_id - 1] = std::make_unique<Remote>();
  remotes_[remote_id - 1]->handshake = ToBytes(handshake);
  return FinishOpen(*local.channel, remote_id);
}

Result<void> Protomux::Pair(std::uint64_t remote_id) {
  Remote& remote = *remotes_[remote_id - 1];
  Name& entry = names_[remote.name];
  if (entry.channel != nullptr || entry.incoming != 0) {
    return Reject(remote_id);  // one channel a name
  }
  entry.incoming = remote_id;
  PairAnswer answer = PairAnswer::kReject;
  if (pair_ != nullptr) {
    const ChannelName name = remote.name;
    const HandlerCall call(depth_);
    answer = pair_->OnRemoteOpen(*this, name);
  }
  if (failure_) {
    return *failure_;
  }
  Remote* const still = FindRemote(remote_id);
  if (answer == PairAnswer::kLater || still == nullptr || still->channel != nullptr) {
    return {};
  }
  return Reject(remote_id);
}

Result<void> Protomux::FinishOpen(Channel& channel, std::uint64_t remote_id) {
  Remote& remote = *remotes_[remote_id - 1];
  remote.channel = &channel;
  channel.remote_id_ = remote_id;
  // Handlers may close the channel, which frees `remote`: what they are given is taken out before.
  const Bytes handshake = std::exchange(remote.handshake, {});
  const std::vector<BufferedMessage> messages = std::exchange(remote.messages, {});
  buffered_bytes_ -= std::exchange(remote.buffered_bytes, 0);
  const HandlerCall call(depth_);
  channel.open_ = true;
  HNX_TRY(channel.handler_->OnOpen(channel, handshake));
  for (const BufferedMessage& message : messages) {
    if (channel.closed_) {
      break;
    }
    HNX_TRY(channel.handler_->OnMessage(channel, message.type, message.payload));
  }
  return {};
}

Result<void> Protomux::OnRejectMessage(ByteView payload) {
  Decoder decoder(payload);
  HNX_ASSIGN_OR_RETURN(const std::uint64_t local_id, decoder.Uint("reject: id"));
  if (local_id == 0 || local_id > locals_.size() || !locals_[local_id - 1].awaits_answer) {
    return InvalidArgument("protomux: a reject of channel " + Number(local_id) +
                           ", whose open is not pending");
  }
  Local& local = locals_[local_id - 1];
  const auto name = names_.find(local.name);
  HNX_CHECK(name != names_.end());
  std::erase(name->second.outgoing, local_id);
  local.awaits_answer = false;
  if (local.channel != nullptr) {
    CloseByRemote(*local.channel, ChannelEnd::kRejected);
  } else {
    FreeLocalId(local_id);
    ForgetNameIfUnused(name);
  }
  return {};
}

Result<void> Protomux::OnCloseMessage(ByteView payload) {
  Decoder decoder(payload);
  HNX_ASSIGN_OR_RETURN(const std::uint64_t remote_id, decoder.Uint("close: id"));
  Remote* const remote = FindRemote(remote_id);
  if (remote == nullptr) {
    return {};
  }
  if (remote->channel == nullptr) {
    return Reject(remote_id);  // it waits for an answer, to use its id again
  }
  CloseByRemote(*remote->channel, ChannelEnd::kClosedByRemote);
  return {};
}

Result<void> Protomux::Buffer(Remote& remote, std::uint64_t type, ByteView payload) {
  HNX_TRY(CountBuffered(remote, payload.size()));
  remote.messages.push_back({type, ToBytes(payload)});
  return {};
}

Result<void> Protomux::CountBuffered(Remote& remote, std::size_t size) {
  remote.buffered_bytes += size + kProtomuxBufferedOverhead;
  buffered_bytes_ += size + kProtomuxBufferedOverhead;
  if (buffered_bytes_ > kProtomuxBufferedBytesMax) {
    return ResourceExhausted("protomux: more than " + Number(kProtomuxBufferedBytesMax) +
                             " bytes for channels that are not open");
  }
  return {};
}

// --- the tables ---------------------------------------------------------------------------------

Result<void> Protomux::Reject(std::uint64_t remote_id) {
  const auto name = names_.find(remotes_[remote_id - 1]->name);
  HNX_CHECK(name != names_.end());
  if (name->second.incoming == remote_id) {
    name->second.incoming = 0;
  }
  FreeRemote(remote_id);
  ForgetNameIfUnused(name);
  return SendReject(remote_id);
}

Result<void> Protomux::SendReject(std::uint64_t remote_id) {
  if (!rejects_.TryTake(1)) {
    return ResourceExhausted("protomux: the peer opens more channels that nobody wants than " +
                             Number(kProtomuxRejectsPerSecond) + " a second");
  }
  Encoder body;
  body.Uint(remote_id);
  SendControl(kControlReject, body.bytes());
  return {};
}

Protomux::Remote* Protomux::FindRemote(std::uint64_t remote_id) {
  return remote_id == 0 || remote_id > remotes_.size() ? nullptr : remotes_[remote_id - 1].get();
}

void Protomux::FreeRemote(std::uint64_t remote_id) {
  buffered_bytes_ -= remotes_[remote_id - 1]->buffered_bytes;
  remotes_[remote_id - 1].reset();
}

std::uint64_t Protomux::TakeLocalId() {
  if (free_locals_.empty()) {
    locals_.emplace_back();
    return locals_.size();
  }
  const std::uint64_t local_id = free_locals_.back();
  free_locals_.pop_back();
  return local_id;
}

void Protomux::FreeLocalId(std::uint64_t local_id) {
  locals_[local_id - 1] = Local();
  free_locals_.push_back(local_id);
}

void Protomux::Remove(Channel& channel) {
  channel.closed_ = true;
  const std::uint64_t local_id = channel.local_id_;
  if (channel.remote_id_ != 0 && !ended_) {
    FreeRemote(channel.remote_id_);
  }
  const auto name = names_.find(channel.name_);
  HNX_CHECK(name != names_.end());
  name->second.channel = nullptr;
  --channel_count_;
  Local& local = locals_[local_id - 1];
  garbage_.push_back(std::move(local.channel));
  if (!local.awaits_answer) {
    FreeLocalId(local_id);
  }
  ForgetNameIfUnused(name);
}

void Protomux::CloseByRemote(Channel& channel, ChannelEnd end) {
  Remove(channel);
  const HandlerCall call(depth_);
  channel.handler_->OnClosed(channel, end);
}

void Protomux::ForgetNameIfUnused(Names::iterator name) {
  const Name& entry = name->second;
  if (entry.channel == nullptr && entry.outgoing.empty() && entry.incoming == 0) {
    names_.erase(name);
  }
}

void Protomux::CollectGarbage() {
  if (depth_ == 0) {
    garbage_.clear();
  }
}

Error Protomux::Fail(Error error) {
  if (!failure_) {
    failure_ = std::move(error);
    sender_->Discard();
  }
  return *failure_;
}

void Protomux::SendControl(std::uint64_t type, ByteView payload) {
  const std::span<std::byte> room = sender_->Begin(0, type, payload.size());
  std::copy(payload.begin(), payload.end(), room.begin());
  sender_->Commit();
}

}  // namespace hnx::hyper
