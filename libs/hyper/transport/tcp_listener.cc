#include "hyper/transport/tcp_listener.h"

#include <utility>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "hyper/transport/listen_handle.h"
#include "hyper/transport/secret_framing.h"
#include "hyper/transport/socket_address.h"
#include "hyper/transport/tcp_setup.h"

namespace hnx::hyper {
namespace {

Result<UniqueFd> BindTo(const addrinfo& info, const std::string& address) {
  UniqueFd socket(
      ::socket(info.ai_family, info.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, info.ai_protocol));
  if (!socket.valid()) {
    return Errno("socket for", address);
  }
  const int on = 1;
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      ::bind(socket.get(), info.ai_addr, info.ai_addrlen) != 0) {
    return Errno("bind", address);
  }
  return socket;
}

Result<UniqueFd> BindTcp(const std::string& address) {
  HNX_ASSIGN_OR_RETURN(const HostPort parts, ParseHostPort(address));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int status = ::getaddrinfo(parts.host.c_str(), parts.port.c_str(), &hints, &found);
      status != 0) {
    return InvalidArgument("listen on " + address + ": " + ::gai_strerror(status));
  }
  Result<UniqueFd> socket = BindTo(*found, address);
  ::freeaddrinfo(found);
  return socket;
}

Result<std::string> BoundAddress(int socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return Errno("getsockname of", "the listening socket");
  }
  HNX_ASSIGN_OR_RETURN(const SocketAddress address,
                       SocketAddress::From(reinterpret_cast<const sockaddr*>(&storage)));
  return address.ToText();
}

}  // namespace

Result<void> StartTcpStream(Transport::Impl& transport, const std::shared_ptr<StreamSocket>& socket,
                            SecretStream::Role role, AcceptPeer on_peer,
                            std::function<void(const Error&)> on_failed) {
  sockaddr_storage storage{};
  int length = sizeof(storage);
  if (uv_tcp_getpeername(socket->uv_tcp(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return Unavailable("the connection ended before it began");
  }
  HNX_ASSIGN_OR_RETURN(const SocketAddress remote,
                       SocketAddress::From(reinterpret_cast<const sockaddr*>(&storage)));
  std::string limit_key = remote.LimitKey();
  if (const Result<void> entered = transport.limits.Enter(limit_key); !entered) {
    ++transport.counters.refused;
    Log("peers")->debug("{}: refused: {}", remote.ToText(), entered.error().message);
    return entered;
  }
  const PeerStreamOptions& options = transport.options.peer;
  StreamSocket::Setup setup;
  setup.framing = std::make_unique<SecretFraming>(
      role, transport.identity.Clone(), transport.loop.clock(),
      SecretStreamOptions{options.message_size_max, options.keepalive_interval});
  setup.options = options;
  setup.limit_key = std::move(limit_key);
  setup.remote_name = remote.ToText();
  setup.on_ready = [on_peer = std::move(on_peer)](const std::shared_ptr<StreamSocket>& ready) {
    on_peer(MakePeerStream(ready));
  };
  setup.on_failed = std::move(on_failed);
  socket->Start(std::move(setup));
  return {};
}

Result<std::unique_ptr<TcpListener>> TcpListener::Listen(Transport& transport,
                                                         const std::string& address,
                                                         AcceptPeer accept) {
  HNX_ASSIGN_OR_RETURN(UniqueFd socket, BindTcp(address));
  HNX_ASSIGN_OR_RETURN(std::string bound, BoundAddress(socket.get()));
  Transport::Impl& impl = transport.impl();
  Result<std::shared_ptr<ListenHandle>> handle = ListenHandle::Start(
      impl, StreamSocket::Kind::kTcp, std::move(socket),
      [&impl, accept = std::move(accept)](const std::shared_ptr<StreamSocket>& accepted) {
        const Result<void> started =
            StartTcpStream(impl, accepted, SecretStream::Role::kResponder, accept, nullptr);
        if (!started) {
          accepted->Close(started.error());
        }
      });
  if (!handle) {
    return handle.error().Annotate(address);
  }
  return std::unique_ptr<TcpListener>(new TcpListener(*std::move(handle), std::move(bound)));
}

TcpListener::TcpListener(std::shared_ptr<ListenHandle> handle, std::string address)
    : handle_(std::move(handle)), address_(std::move(address)) {}

TcpListener::~TcpListener() {
  handle_->Close();
}

}  // namespace hnx::hyper
