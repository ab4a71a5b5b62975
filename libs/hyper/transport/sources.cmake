list(APPEND HYPER_SOURCES
  transport/bridge_framing.cc
  transport/connection_limits.cc
  transport/event_loop.cc
  transport/listen_handle.cc
  transport/secret_framing.cc
  transport/socket_address.cc
  transport/stream_socket.cc
  transport/tcp_connector.cc
  transport/tcp_listener.cc
  transport/transport.cc
  transport/unix_listener.cc
  transport/write_queue.cc)
