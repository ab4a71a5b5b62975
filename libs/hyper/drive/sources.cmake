list(APPEND HYPER_SOURCES
  drive/content_core.cc
  drive/core_reader_pool.cc
  drive/corestore.cc
  drive/drive_batch.cc
  drive/drive_entry.cc
  drive/drive_key.cc
  drive/drive_path.cc
  drive/drive_reader.cc
  drive/drive_view.cc
  drive/entry_list.cc
  drive/find_drive.cc
  drive/hyperdrive.cc
  drive/lock_blob.cc)
