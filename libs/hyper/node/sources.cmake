list(APPEND HYPER_SOURCES
  node/read_limits.cc)
