list(APPEND HYPER_SOURCES
  replication/core_hub.cc
  replication/core_messages.cc
  replication/core_session.cc
  replication/downloader.cc
  replication/reader_core.cc
  replication/remote_blocks.cc
  replication/replicator.cc
  replication/replicator_driver.cc
  replication/stream_session.cc)
