list(APPEND HYPER_SOURCES
  codec/compact_encoding.cc
  codec/flat_tree.cc
  codec/z_base_32.cc)
