list(APPEND HYPER_SOURCES
  drive/drive_entry.cc
  drive/drive_key.cc
  drive/drive_path.cc)
