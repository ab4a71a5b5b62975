// The files of a generated release as a channel's server has them: its list of store paths, which
// is written to a file first since its SHA-256 stands on the release page, and small ones.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "base/result.h"
#include "nix/hash.h"

namespace hnx::bench {

struct ReleaseFile {
  std::string content;         // of a small file
  std::filesystem::path path;  // of a large one, instead
  std::uint64_t size_bytes = 0;
  nix::Sha256Digest sha256{};
};

struct GeneratedRelease {
  std::string name;                          // scale-26.11pre1.0...
  std::map<std::string, ReleaseFile> files;  // by name
  std::string page;                          // HTML, as the coordinator reads it
};

// `store_path(i)` for i < paths are all the paths of the release; store-paths.xz is written to
// `folder`. `number`: from 1.
Result<GeneratedRelease> MakeRelease(int number, std::uint64_t paths,
                                     const std::function<std::string(std::uint64_t)>& store_path,
                                     const std::filesystem::path& folder);

}  // namespace hnx::bench
