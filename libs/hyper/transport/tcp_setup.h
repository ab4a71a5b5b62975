// What a connected TCP socket goes through, accepted or dialled. Internal to this folder.
#pragma once

#include "hyper/transport/stream_socket.h"
#include "hyper/transport/tcp_listener.h"

namespace hnx::hyper {

// Counts the connection and begins the handshake; one of the callbacks follows, on_failed may be
// null. An error (a limit, a connection that is gone): nothing was begun, the caller closes it.
Result<void> StartTcpStream(Transport::Impl& transport, const std::shared_ptr<StreamSocket>& socket,
                            SecretStream::Role role, AcceptPeer on_peer,
                            std::function<void(const Error&)> on_failed);

}  // namespace hnx::hyper
