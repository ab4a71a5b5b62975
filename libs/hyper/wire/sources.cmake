list(APPEND HYPER_SOURCES
  wire/noise_handshake.cc
  wire/protomux.cc
  wire/secret_stream.cc
  wire/send_batch.cc
  wire/token_bucket.cc)
