list(APPEND HYPER_SOURCES
  replication/beside_thread.cc
  replication/block_hashing.cc
  replication/block_requests.cc
  replication/core_hub.cc
  replication/core_messages.cc
  replication/core_session.cc
  replication/download_peer.cc
  replication/downloader.cc
  replication/reader_core.cc
  replication/remote_blocks.cc
  replication/replica_commits.cc
  replication/replicator.cc
  replication/replicator_driver.cc
  replication/stream_session.cc
  replication/wanted_blocks.cc)
