#include "hyper/transport/unix_listener.h"

#include <cstring>
#include <utility>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "hyper/transport/bridge_framing.h"
#include "hyper/transport/listen_handle.h"
#include "hyper/transport/secret_framing.h"

namespace hnx::hyper {
namespace {

struct Accept {
  UnixListener::Protocol protocol;
  AcceptPeer peer;
  AcceptControl control;
};

Result<sockaddr_un> UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return InvalidArgument("socket '" + path + "': the path must have 1 to " +
                           std::to_string(sizeof(address.sun_path) - 1) + " bytes");
  }
  std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
  return address;
}

Result<UniqueFd> NewSocket(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) {
    return Errno("socket for", path);
  }
  return socket;
}

// Whether somebody listens there; the file of a process that is gone is removed.
Result<void> MakeRoom(const std::string& path, const sockaddr_un& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? Result<void>() : Errno("stat", path);
  }
  if (!S_ISSOCK(status.st_mode)) {
    return Error{ErrorCode::kAlreadyExists, "listen on " + path + ": it is there and no socket"};
  }
  HNX_ASSIGN_OR_RETURN(const UniqueFd probe, NewSocket(path));
  const int connected =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  if (connected == 0 || errno != ECONNREFUSED) {
    return Error{ErrorCode::kAlreadyExists,
                 "listen on " + path + ": another process does; stop it or choose another path"};
  }
  if (::unlink(path.c_str()) != 0) {
    return Errno("unlink", path);
  }
  return {};
}

Result<UniqueFd> BindUnix(const std::string& path) {
  HNX_ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(path));
  HNX_TRY(MakeRoom(path, address));
  HNX_ASSIGN_OR_RETURN(UniqueFd socket, NewSocket(path));
  // Before bind: the file never has another mode.
  if (::fchmod(socket.get(), S_IRUSR | S_IWUSR) != 0 ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Errno("bind", path);
  }
  return socket;
}

Result<void> CheckPeerUser(StreamSocket& socket) {
  uv_os_fd_t fd = -1;
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(socket.uv()), &fd) != 0 ||
      ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return Unavailable("a bridge's connection ended before it began");
  }
  if (credentials.uid != 0 && credentials.uid != ::geteuid()) {
    return Error{ErrorCode::kPermissionDenied,
                 "a bridge of user " + std::to_string(credentials.uid) +
                     " connected; run it as the same user as this program"};
  }
  return {};
}

void OnBridgeReady(const std::shared_ptr<StreamSocket>& socket, const Accept& accept) {
  const auto* const framing = dynamic_cast<const BridgeFraming*>(&socket->framing());
  if (framing != nullptr && framing->kind() == BridgeFraming::Kind::kControl) {
    accept.control(BridgeControl{MakePeerStream(socket), framing->bridge_key()});
  } else {
    accept.peer(MakePeerStream(socket));
  }
}

void OnAccepted(Transport::Impl& transport, const std::shared_ptr<StreamSocket>& socket,
                const std::shared_ptr<const Accept>& accept) {
  Result<void> allowed = CheckPeerUser(*socket);
  if (!allowed) {
    Log("peers")->warn("{}", allowed.error().message);
  } else if (allowed = transport.limits.Enter({}); !allowed) {
    ++transport.counters.refused;
  }
  if (!allowed) {
    socket->Close(allowed.error());
    return;
  }
  const PeerStreamOptions& options = transport.options.peer;
  StreamSocket::Setup setup;
  setup.options = options;
  setup.options.handshake_timeout = kBridgeHelloTimeout;
  if (accept->protocol == UnixListener::Protocol::kBridge) {
    setup.framing = std::make_unique<BridgeFraming>(options.message_size_max);
  } else {
    setup.framing = std::make_unique<HandoverFraming>(
        transport.loop.clock(),
        SecretStreamOptions{options.message_size_max, options.keepalive_interval});
  }
  setup.remote_name = "bridge";
  setup.on_ready = [accept](const std::shared_ptr<StreamSocket>& ready) {
    OnBridgeReady(ready, *accept);
  };
  socket->Start(std::move(setup));
}

}  // namespace

Result<std::unique_ptr<UnixListener>> UnixListener::Listen(Transport& transport,
                                                           const std::string& path,
                                                           Protocol protocol,
                                                           AcceptPeer accept_peer,
                                                           AcceptControl accept_control) {
  HNX_ASSIGN_OR_RETURN(UniqueFd socket, BindUnix(path));
  Transport::Impl& impl = transport.impl();
  const auto accept = std::make_shared<const Accept>(
      Accept{protocol, std::move(accept_peer), std::move(accept_control)});
  Result<std::shared_ptr<ListenHandle>> handle =
      ListenHandle::Start(impl, StreamSocket::Kind::kUnix, std::move(socket),
                          [&impl, accept](const std::shared_ptr<StreamSocket>& accepted) {
                            OnAccepted(impl, accepted, accept);
                          });
  if (!handle) {
    return handle.error().Annotate(path);
  }
  return std::unique_ptr<UnixListener>(new UnixListener(*std::move(handle), path));
}

UnixListener::UnixListener(std::shared_ptr<ListenHandle> handle, std::string path)
    : handle_(std::move(handle)), path_(std::move(path)) {}

UnixListener::~UnixListener() {
  handle_->Close();
  (void)::unlink(path_.c_str());
}

}  // namespace hnx::hyper
