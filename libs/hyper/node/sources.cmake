list(APPEND HYPER_SOURCES
  node/block_stream.cc
  node/live_blocks.cc
  node/node_loop.cc
  node/peer_dialer.cc
  node/peer_node.cc
  node/read_limits.cc
  node/remote_core.cc
  node/remote_drive.cc
  node/remote_drive_cores.cc
  node/remote_drive_live.cc
  node/remote_drive_view.cc
  node/signal.cc
  node/swarm_link.cc)
