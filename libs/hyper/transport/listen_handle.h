// ListenHandle: a listening socket in the event loop, TCP or Unix. Internal to this folder. Holds
// itself until libuv has let go of it.
#pragma once

#include <functional>
#include <memory>

#include "base/file.h"
#include "hyper/transport/stream_socket.h"

namespace hnx::hyper {

class ListenHandle : public std::enable_shared_from_this<ListenHandle> {
 public:
  // Called with each connection that was accepted; it starts or closes it.
  using Accepted = std::function<void(const std::shared_ptr<StreamSocket>&)>;

  // `socket` is bound and not yet listening.
  static Result<std::shared_ptr<ListenHandle>> Start(Transport::Impl& transport,
                                                     StreamSocket::Kind kind, UniqueFd socket,
                                                     Accepted accepted);
  void Close();

 private:
  ListenHandle(Transport::Impl& transport, StreamSocket::Kind kind, Accepted accepted);
  void OnConnection(int status);

  Transport::Impl& transport_;
  const StreamSocket::Kind kind_;
  Accepted accepted_;
  uv_any_handle handle_{};
  std::shared_ptr<ListenHandle> self_;
  std::uint64_t stop_hook_ = 0;
  bool closed_ = false;
};

}  // namespace hnx::hyper
