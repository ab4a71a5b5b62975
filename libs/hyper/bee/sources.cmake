list(APPEND HYPER_SOURCES
  bee/bee_batch.cc
  bee/bee_bulk.cc
  bee/bee_node.cc
  bee/bee_snapshot.cc
  bee/bee_store.cc
  bee/bee_tree.cc
  bee/hyperbee.cc
  bee/protobuf_wire.cc)
