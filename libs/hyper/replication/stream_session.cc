#include "hyper/replication/stream_session.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace hnx::hyper {
namespace {

class Turn {
 public:
  explicit Turn(StreamSessionOwner& owner) : owner_(owner) { owner_.EnterTurn(); }
  // The session may be gone afterwards: nothing of it is touched behind this.
  ~Turn() { owner_.LeaveTurn(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  Turn(Turn&&) = delete;
  Turn& operator=(Turn&&) = delete;

 private:
  StreamSessionOwner& owner_;
};

}  // namespace

StreamSession::StreamSession(std::uint64_t id, std::unique_ptr<PeerStream> stream,
                             StreamSessionOwner& owner, const Clock& clock)
    : id_(id), stream_(std::move(stream)), owner_(owner), mux_(*stream_, clock, this) {
  mux_.AddAlias("hypercore", std::string(kCoreProtocol));
  stream_->SetListener(*this);
}

StreamSession::~StreamSession() {
  mux_.End();
}

bool StreamSession::HasCore(const ServedCore& core) const {
  return std::any_of(sessions_.begin(), sessions_.end(), [&core](const auto& session) {
    return !session->closed() && &session->core() == &core;
  });
}

Result<void> StreamSession::OpenCore(CoreHub& hub) {
  if (ended_ || HasCore(hub.core())) {
    return {};
  }
  const auto open = static_cast<std::size_t>(std::count_if(
      sessions_.begin(), sessions_.end(), [](const auto& session) { return !session->closed(); }));
  if (open >= kCoresPerStreamMax) {
    return ResourceExhausted("stream to " + stream_->remote_name() + ": more than " +
                             std::to_string(kCoresPerStreamMax) + " cores");
  }
  sessions_.push_back(
      std::make_unique<CoreSession>(CoreSession::Links{hub.core(), mux_, hub, *stream_, id_}));
  CoreSession& session = *sessions_.back();
  hub.Add(session);
  Result<void> opened = session.Open();
  if (!opened && mux_.failure()) {
    Fail(*mux_.failure());
  }
  return opened;
}

PairAnswer StreamSession::OnRemoteOpen(Protomux& /*mux*/, const ChannelName& name) {
  if (name.protocol != kCoreProtocol) {
    return PairAnswer::kReject;
  }
  const Result<DiscoveryKey> key = DiscoveryKey::FromBytes(name.id, "discovery key");
  if (!key) {
    return PairAnswer::kReject;
  }
  CoreHub* const hub = owner_.FindCore(*key);
  if (hub == nullptr) {
    if (asked_in_vain_.size() < kCoresPerStreamMax) {
      asked_in_vain_.insert(*key);
    }
    return PairAnswer::kReject;
  }
  const Result<void> opened = OpenCore(*hub);
  if (!opened && !ended_) {
    Log("replication")
        ->info("{}: core {} not opened: {}", stream_->remote_name(), CoreKeyId(hub->core().key()),
               opened.error().ToString());
  }
  return PairAnswer::kReject;  // unless it was opened
}

bool StreamSession::TooManyPending() const {
  std::size_t pending = 0;
  for (const auto& session : sessions_) {
    pending += session->pending_requests();
  }
  return pending > kPendingRequestsPerStreamMax;
}

void StreamSession::Pump() {
  if (ended_ || sessions_.empty()) {
    return;
  }
  mux_.Cork();
  std::size_t idle = 0;
  std::size_t answers = 0;
  while (!ended_ && idle < sessions_.size() && stream_->writable()) {
    if (answers >= kAnswersPerTurnMax) {
      owner_.OnMoreWork();
      break;
    }
    CoreSession& session = *sessions_[next_++ % sessions_.size()];
    if (session.closed() || !session.has_work()) {
      ++idle;
      continue;
    }
    idle = 0;
    ++answers;
    const Result<void> answered = session.AnswerOne();
    if (!answered) {
      Fail(answered.error());
    }
  }
  mux_.Uncork();
}

void StreamSession::OnMessage(ByteView message) {
  const Turn turn(owner_);
  if (ended_) {
    return;
  }
  const Result<void> received = mux_.Receive(message);
  if (!received) {
    Fail(received.error());
    return;
  }
  Pump();
  if (!ended_ && !stream_->writable() && TooManyPending()) {
    Fail(ResourceExhausted("more than " + std::to_string(kPendingRequestsPerStreamMax) +
                           " requests wait for a remote that does not read"));
  }
}

void StreamSession::OnWritable() {
  const Turn turn(owner_);
  Pump();
}

void StreamSession::OnClosed(const Error& reason) {
  const Turn turn(owner_);
  End(reason);
}

void StreamSession::Fail(const Error& reason) {
  if (ended_) {
    return;
  }
  stream_->Close(reason);
  End(reason);
}

void StreamSession::End(const Error& reason) {
  if (std::exchange(ended_, true)) {
    return;
  }
  mux_.End();
  owner_.OnStreamEnded(*this, reason);
}

void StreamSession::Collect() {
  std::erase_if(sessions_, [](const auto& session) { return session->closed(); });
}

}  // namespace hnx::hyper
