list(APPEND HYPER_SOURCES
  blobs/hyperblobs.cc)
