// UnixListener: the socket on which bridges bring connections of the public swarm.
//
//   kBridge     docs/formats/swarm-bridge.md: messages in plain text, and the bridge's control
//               connection
//   kHandover   193 bytes of keys, then a secret stream (docs/formats/secret-stream.md)
//
// The socket has mode 0600; only this user and root are let in (SO_PEERCRED). A socket file that
// nobody listens on is replaced. Made and destroyed like a TcpListener.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "hyper/transport/peer_stream.h"
#include "hyper/transport/tcp_listener.h"
#include "hyper/transport/transport.h"

namespace hnx::hyper {

// From connecting to the last frame before the messages.
inline constexpr std::chrono::milliseconds kBridgeHelloTimeout{5000};

// A bridge's control connection. Its messages are JSON texts of at most kBridgeControlFrameMax.
struct BridgeControl {
  std::unique_ptr<MessageStream> stream;
  PublicKey bridge_key;
};
// Must call SetListener on the stream before it returns, or drop it.
using AcceptControl = std::function<void(BridgeControl)>;

class UnixListener {
 public:
  enum class Protocol { kBridge, kHandover };

  // `accept_control` is for kBridge. kAlreadyExists: another process listens on `path`.
  static Result<std::unique_ptr<UnixListener>> Listen(Transport& transport, const std::string& path,
                                                      Protocol protocol, AcceptPeer accept_peer,
                                                      AcceptControl accept_control);
  // The socket file is removed.
  ~UnixListener();
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;
  UnixListener(UnixListener&&) = delete;
  UnixListener& operator=(UnixListener&&) = delete;

 private:
  UnixListener(std::shared_ptr<ListenHandle> handle, std::string path);

  const std::shared_ptr<ListenHandle> handle_;
  const std::string path_;
};

}  // namespace hnx::hyper
