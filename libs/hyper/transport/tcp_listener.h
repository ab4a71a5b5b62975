// TcpListener: accepts TCP connections, does the Noise handshake as the responder and hands over
// the streams that came through it.
//
// Made and destroyed on the loop's thread (or before the loop starts, after it stopped).
// Connections that are open stay when the listener goes. Beyond the transport's limits connections
// are closed as soon as they are accepted.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "hyper/transport/peer_stream.h"
#include "hyper/transport/transport.h"

namespace hnx::hyper {

// Must call SetListener on the stream before it returns, or drop it.
using AcceptPeer = std::function<void(std::unique_ptr<PeerStream>)>;

class ListenHandle;

class TcpListener {
 public:
  // `address`: "HOST:PORT", "[::]:PORT"; port 0: a free one. The name is looked up before this
  // returns. `transport` must outlive the listener.
  static Result<std::unique_ptr<TcpListener>> Listen(Transport& transport,
                                                     const std::string& address, AcceptPeer accept);
  ~TcpListener();
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;
  TcpListener(TcpListener&&) = delete;
  TcpListener& operator=(TcpListener&&) = delete;

  // As bound, with the port in numbers.
  const std::string& address() const { return address_; }

 private:
  TcpListener(std::shared_ptr<ListenHandle> handle, std::string address);

  const std::shared_ptr<ListenHandle> handle_;
  const std::string address_;
};

}  // namespace hnx::hyper
