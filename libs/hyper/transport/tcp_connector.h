// TcpConnector: one attempt to reach one peer, as the initiator. A name is looked up; its addresses
// are tried one after another, the next one when the last failed or gave no answer for
// kNextAddressDelay; the first that connects does the handshake.
//
// Made and destroyed on the loop's thread. Its destruction gives up an attempt that is under way; a
// stream that was handed over is not touched by it. It may be destroyed in its own callback.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "hyper/transport/peer_stream.h"
#include "hyper/transport/transport.h"

namespace hnx::hyper {

inline constexpr std::chrono::milliseconds kNextAddressDelay{300};
inline constexpr std::size_t kAddressesTriedMax = 8;

class TcpConnector {
 public:
  // Called once: a stream, on which SetListener must be called before the return, or why there is
  // none.
  using Done = std::function<void(Result<std::unique_ptr<PeerStream>>)>;

  // `address`: "HOST:PORT". `timeout` is for everything up to the connection; the handshake has
  // PeerStreamOptions::handshake_timeout. `transport` must outlive the connector.
  TcpConnector(Transport& transport, const std::string& address, std::chrono::milliseconds timeout,
               Done done);
  ~TcpConnector();
  TcpConnector(const TcpConnector&) = delete;
  TcpConnector& operator=(const TcpConnector&) = delete;
  TcpConnector(TcpConnector&&) = delete;
  TcpConnector& operator=(TcpConnector&&) = delete;

 private:
  class Attempt;
  const std::shared_ptr<Attempt> attempt_;
};

}  // namespace hnx::hyper
