#include "hyper/transport/listen_handle.h"

#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace hnx::hyper {
namespace {

constexpr int kBacklog = 511;

}  // namespace

ListenHandle::ListenHandle(Transport::Impl& transport, StreamSocket::Kind kind, Accepted accepted)
    : transport_(transport), kind_(kind), accepted_(std::move(accepted)) {}

Result<std::shared_ptr<ListenHandle>> ListenHandle::Start(Transport::Impl& transport,
                                                          StreamSocket::Kind kind, UniqueFd socket,
                                                          Accepted accepted) {
  const std::shared_ptr<ListenHandle> listen(
      new ListenHandle(transport, kind, std::move(accepted)));
  uv_loop_t* const loop = &transport.loop.impl().loop;
  int status = 0;
  if (kind == StreamSocket::Kind::kTcp) {
    HNX_CHECK(uv_tcp_init(loop, &listen->handle_.tcp) == 0);
    status = uv_tcp_open(&listen->handle_.tcp, socket.get());
  } else {
    HNX_CHECK(uv_pipe_init(loop, &listen->handle_.pipe, 0) == 0);
    status = uv_pipe_open(&listen->handle_.pipe, socket.get());
  }
  listen->handle_.handle.data = listen.get();
  listen->self_ = listen;
  listen->stop_hook_ = transport.loop.impl().AddStopHook([raw = listen.get()] { raw->Close(); });
  if (status == 0) {
    (void)socket.Release();
    status = uv_listen(&listen->handle_.stream, kBacklog, [](uv_stream_t* server, int result) {
      static_cast<ListenHandle*>(server->data)->OnConnection(result);
    });
  }
  if (status != 0) {
    listen->Close();
    return Unavailable("listen: " + std::string(uv_strerror(status)));
  }
  return listen;
}

void ListenHandle::Close() {
  if (closed_) {
    return;
  }
  closed_ = true;
  accepted_ = nullptr;
  transport_.loop.impl().RemoveStopHook(stop_hook_);
  uv_close(&handle_.handle,
           [](uv_handle_t* handle) { static_cast<ListenHandle*>(handle->data)->self_.reset(); });
}

void ListenHandle::OnConnection(int status) {
  if (status != 0) {
    // libuv goes on by itself; without descriptors it closes what it cannot take.
    Log("peers")->warn("accept: {}", uv_strerror(status));
    return;
  }
  const std::shared_ptr<StreamSocket> socket = StreamSocket::Create(transport_, kind_);
  if (uv_accept(&handle_.stream, socket->uv()) != 0) {
    socket->Close(Unavailable("accept"));
    return;
  }
  accepted_(socket);
}

}  // namespace hnx::hyper
