list(APPEND HYPER_SOURCES
  replication/blob_fetch.cc
  replication/core_hub.cc
  replication/core_messages.cc
  replication/core_session.cc
  replication/downloader.cc
  replication/drive_replica.cc
  replication/reader_core.cc
  replication/remote_blocks.cc
  replication/replicator.cc
  replication/replicator_driver.cc
  replication/sparse_core.cc
  replication/stream_session.cc)
