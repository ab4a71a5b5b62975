list(APPEND HYPER_SOURCES
  replication/core_messages.cc
  replication/core_session.cc
  replication/reader_core.cc
  replication/remote_blocks.cc)
