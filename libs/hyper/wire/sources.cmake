list(APPEND HYPER_SOURCES
  wire/token_bucket.cc)
