list(APPEND HYPER_SOURCES
  storage/flat_core_storage.cc
  storage/frozen_mark.cc
  storage/memory_core_storage.cc
  storage/recording_core_storage.cc)
