#include "hyper/transport/tcp_connector.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "hyper/transport/socket_address.h"
#include "hyper/transport/tcp_setup.h"

namespace hnx::hyper {

// Shared with what is under way in libuv: each request holds it until its callback.
class TcpConnector::Attempt : public std::enable_shared_from_this<TcpConnector::Attempt> {
 public:
  Attempt(Transport::Impl& transport, std::string address, Done done)
      : transport_(transport), address_(std::move(address)), done_(std::move(done)) {}

  void Begin(std::chrono::milliseconds timeout);
  void GiveUp();

 private:
  struct Lookup {
    uv_getaddrinfo_t request{};
    std::shared_ptr<Attempt> attempt;
  };
  struct Dial {
    uv_connect_t request{};
    std::shared_ptr<Attempt> attempt;
    std::shared_ptr<StreamSocket> socket;
    std::string address;
  };

  void LookUp(const HostPort& parts);
  void OnFound(int status, const addrinfo* found);
  void DialNext();
  void OnDialled(const Dial& dial, int status);
  void Win(const std::shared_ptr<StreamSocket>& socket);
  // Closes every socket but `winner`; timers stop.
  void StopDialling(const std::shared_ptr<StreamSocket>& winner);
  void Fail(const Error& error);
  void Finish(Result<std::unique_ptr<PeerStream>> outcome);

  Transport::Impl& transport_;
  const std::string address_;
  Done done_;
  std::vector<SocketAddress> addresses_;
  std::size_t next_ = 0;
  std::vector<std::shared_ptr<StreamSocket>> dialling_;
  std::shared_ptr<StreamSocket> winner_;  // while its handshake is under way
  std::optional<Error> last_error_;
  EventLoop::TimerId timeout_timer_ = EventLoop::TimerId::kNone;
  EventLoop::TimerId next_timer_ = EventLoop::TimerId::kNone;
  std::uint64_t stop_hook_ = 0;
};

void TcpConnector::Attempt::Begin(std::chrono::milliseconds timeout) {
  EventLoop& loop = transport_.loop;
  const auto self = shared_from_this();
  stop_hook_ = loop.impl().AddStopHook([self] {
    self->Fail(Error{ErrorCode::kCancelled, "this side stops"});
  });
  timeout_timer_ = loop.After(timeout, [self] {
    self->Fail(
        self->last_error_.value_or(Error{ErrorCode::kDeadlineExceeded, "no answer in time"}));
  });
  const Result<HostPort> parts = ParseHostPort(address_);
  if (parts) {
    LookUp(*parts);
    return;
  }
  // Never from within the constructor.
  next_timer_ = loop.After(std::chrono::milliseconds(0),
                           [self, error = parts.error()] { self->Fail(error); });
}

void TcpConnector::Attempt::LookUp(const HostPort& parts) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  auto lookup = std::make_unique<Lookup>();
  lookup->attempt = shared_from_this();
  lookup->request.data = lookup.get();
  const int status = uv_getaddrinfo(
      &transport_.loop.impl().loop, &lookup->request,
      [](uv_getaddrinfo_t* request, int result, addrinfo* found) {
        const std::unique_ptr<Lookup> owned(static_cast<Lookup*>(request->data));
        owned->attempt->OnFound(result, found);
        uv_freeaddrinfo(found);
      },
      parts.host.c_str(), parts.port.c_str(), &hints);
  HNX_CHECK(status == 0);
  (void)lookup.release();  // the callback owns it now
}

void TcpConnector::Attempt::OnFound(int status, const addrinfo* found) {
  if (!done_) {
    return;
  }
  for (; status == 0 && found != nullptr && addresses_.size() < kAddressesTriedMax;
       found = found->ai_next) {
    if (const Result<SocketAddress> address = SocketAddress::From(found->ai_addr); address) {
      addresses_.push_back(*address);
    }
  }
  if (addresses_.empty()) {
    Fail(Unavailable("look up the name: " + std::string(uv_strerror(status))));
    return;
  }
  DialNext();
}

void TcpConnector::Attempt::DialNext() {
  EventLoop& loop = transport_.loop;
  loop.Cancel(std::exchange(next_timer_, EventLoop::TimerId::kNone));
  if (next_ == addresses_.size()) {
    if (dialling_.empty()) {
      Fail(*last_error_);
    }
    return;
  }
  const SocketAddress& address = addresses_[next_++];
  auto dial = std::make_unique<Dial>();
  dial->attempt = shared_from_this();
  dial->socket = StreamSocket::Create(transport_, StreamSocket::Kind::kTcp);
  dial->address = address.ToText();
  dial->request.data = dial.get();
  const int status = uv_tcp_connect(
      &dial->request, dial->socket->uv_tcp(), address.get(), [](uv_connect_t* request, int result) {
        const std::unique_ptr<Dial> owned(static_cast<Dial*>(request->data));
        owned->attempt->OnDialled(*owned, result);
      });
  if (status == 0) {
    dialling_.push_back(dial->socket);
    (void)dial.release();  // the callback owns it now
    next_timer_ = loop.After(kNextAddressDelay, [self = shared_from_this()] {
      self->next_timer_ = EventLoop::TimerId::kNone;
      self->DialNext();
    });
    return;
  }
  last_error_ = Unavailable("connect to " + dial->address + ": " + uv_strerror(status));
  dial->socket->Close(*last_error_);
  next_timer_ = loop.After(std::chrono::milliseconds(0), [self = shared_from_this()] {
    self->next_timer_ = EventLoop::TimerId::kNone;
    self->DialNext();
  });
}

void TcpConnector::Attempt::OnDialled(const Dial& dial, int status) {
  std::erase(dialling_, dial.socket);
  if (!done_ || winner_ != nullptr || dial.socket->closed()) {
    dial.socket->Close(Error{ErrorCode::kCancelled, "not needed"});
    return;
  }
  if (status == 0) {
    Win(dial.socket);
    return;
  }
  last_error_ = Unavailable("connect to " + dial.address + ": " + uv_strerror(status));
  dial.socket->Close(*last_error_);
  DialNext();
}

void TcpConnector::Attempt::Win(const std::shared_ptr<StreamSocket>& socket) {
  StopDialling(socket);
  winner_ = socket;
  const auto self = shared_from_this();
  const Result<void> started = StartTcpStream(
      transport_, socket, SecretStream::Role::kInitiator,
      [self](std::unique_ptr<PeerStream> stream) { self->Finish(std::move(stream)); },
      [self](const Error& error) { self->Fail(error); });
  if (!started) {
    socket->Close(started.error());
    Fail(started.error());
  }
}

void TcpConnector::Attempt::StopDialling(const std::shared_ptr<StreamSocket>& winner) {
  transport_.loop.Cancel(std::exchange(timeout_timer_, EventLoop::TimerId::kNone));
  transport_.loop.Cancel(std::exchange(next_timer_, EventLoop::TimerId::kNone));
  for (const std::shared_ptr<StreamSocket>& socket : std::exchange(dialling_, {})) {
    if (socket != winner) {
      socket->Close(Error{ErrorCode::kCancelled, "not needed"});
    }
  }
}

void TcpConnector::Attempt::Fail(const Error& error) {
  Finish(error.Annotate("connect to " + address_));
}

void TcpConnector::Attempt::Finish(Result<std::unique_ptr<PeerStream>> outcome) {
  if (!done_) {
    return;  // given up; a stream in `outcome` is closed by its destruction
  }
  const auto self = shared_from_this();
  const Done done = std::exchange(done_, nullptr);
  winner_.reset();
  StopDialling(nullptr);
  transport_.loop.impl().RemoveStopHook(stop_hook_);
  done(std::move(outcome));
}

void TcpConnector::Attempt::GiveUp() {
  if (!done_) {
    return;
  }
  done_ = nullptr;
  StopDialling(nullptr);
  transport_.loop.impl().RemoveStopHook(stop_hook_);
  if (const std::shared_ptr<StreamSocket> socket = std::exchange(winner_, nullptr)) {
    socket->Close(Error{ErrorCode::kCancelled, "given up"});
  }
}

TcpConnector::TcpConnector(Transport& transport, const std::string& address,
                           std::chrono::milliseconds timeout, Done done)
    : attempt_(std::make_shared<Attempt>(transport.impl(), address, std::move(done))) {
  attempt_->Begin(timeout);
}

TcpConnector::~TcpConnector() {
  attempt_->GiveUp();
}

}  // namespace hnx::hyper
