// The folders that hold drives, and opening a drive in them by its key.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "hyper/drive/drive_key.h"
#include "mirror/mirror_reader.h"

namespace hnx::hyp {

// Where drives are looked for when nothing else is said.
inline constexpr const char* kDrivesDefault = "drives";

struct DriveFolders {
  std::vector<std::string> directories = {kDrivesDefault};

  // --drives DIR, HNX_DRIVES
  void AddTo(CLI::App& command);

  // The folder of the drive, kNotFound when none of the directories has it.
  Result<std::filesystem::path> Find(const hyper::DriveKey& key) const;
  // Any drive can be seen as a mirror: one that is none lists no shards, so its links lead nowhere.
  Result<std::unique_ptr<mirror::MirrorReader>> Open(const hyper::DriveKey& key) const;
};

}  // namespace hnx::hyp
