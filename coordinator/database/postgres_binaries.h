// Where this machine keeps the server programs of PostgreSQL.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace hnx::coordinator {

struct PostgresBinaries {
  std::filesystem::path directory;  // holds postgres and initdb
  int major_version = 0;
};

// The oldest server whose SQL we use.
inline constexpr int kPostgresMajorMin = 15;

// Looks in `directories` (as they are), then in /usr/lib/postgresql/*/bin, for the newest version,
// or for exactly `major` when a cluster of that version exists. kFailedPrecondition says what to
// install.
Result<PostgresBinaries> FindPostgresBinaries(const std::vector<std::filesystem::path>& directories,
                                              std::optional<int> major);

// The folders of PATH.
std::vector<std::filesystem::path> SearchPath();

}  // namespace hnx::coordinator
