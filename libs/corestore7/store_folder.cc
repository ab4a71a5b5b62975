#include "corestore7/store_folder.h"

#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/core.h>

#include "base/bytes.h"
#include "base/file.h"

namespace hnx::corestore7 {

namespace {

namespace fs = std::filesystem;

constexpr const char* kDatabase = "db";
// In the folder of the database: JavaScript moves what it does not know out of the store's own.
constexpr std::string_view kOwnerFile = "exported-by-hyp";
constexpr std::uint64_t kOwnerBytesMax = 1024;
// JavaScript's, with its lock.
constexpr std::string_view kDeviceFile = "CORESTORE";

std::string OwnerText(const hyper::DriveKey& owner) {
  return fmt::format("hyper://{}\n", owner.hex());
}

Error SomethingElse(const fs::path& folder, std::string_view what) {
  return FailedPrecondition(
      fmt::format("{} holds {}, which no export made; give the export a new or empty folder",
                  folder.string(), what));
}

// Names in a folder, few of them: enough to tell. None when there is no folder.
Result<std::vector<std::string>> NamesIn(const fs::path& folder) {
  constexpr std::size_t kNamesMax = 8;
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator at(folder, error);
  for (; !error && at != fs::directory_iterator() && names.size() < kNamesMax;
       at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  if (error == std::errc::no_such_file_or_directory) {
    return names;
  }
  if (error) {
    return FailedPrecondition(fmt::format("read folder {}: {}", folder.string(), error.message()));
  }
  return names;
}

// Whether the store is claimed for `owner` already.
Result<bool> IsClaimed(const fs::path& folder, const hyper::DriveKey& owner) {
  HNX_ASSIGN_OR_RETURN(const auto names, NamesIn(folder));
  for (const std::string& name : names) {
    if (name != kDatabase && name != kDeviceFile) {
      return SomethingElse(folder, name);
    }
  }
  const fs::path database = DatabaseFolder(folder);
  HNX_ASSIGN_OR_RETURN(const auto files, NamesIn(database));
  const auto text = ReadWholeFile(database / kOwnerFile, kOwnerBytesMax);
  if (!text && text.error().code != ErrorCode::kNotFound) {
    return text.error().Annotate("export");
  }
  if (!text) {
    // Killed while it was claimed: nothing but the beginning of that file.
    for (const std::string& file : files) {
      if (!file.starts_with(kOwnerFile)) {
        return SomethingElse(folder, "a RocksDB store");
      }
    }
    return false;
  }
  if (*text != OwnerText(owner)) {
    return FailedPrecondition(
        fmt::format("{} is the export of {}, not of hyper://{}; give each its own folder",
                    folder.string(), text->substr(0, text->find('\n')), owner.hex()));
  }
  return true;
}

}  // namespace

fs::path DatabaseFolder(const fs::path& folder) {
  return folder / kDatabase;
}

Result<void> ClaimStoreFolder(const fs::path& folder, const hyper::DriveKey& owner) {
  HNX_ASSIGN_OR_RETURN(const bool claimed, IsClaimed(folder, owner));
  if (claimed) {
    return {};
  }
  const fs::path database = DatabaseFolder(folder);
  std::error_code error;
  fs::create_directories(database, error);
  if (error) {
    return FailedPrecondition(
        fmt::format("create folder {}: {}", database.string(), error.message()));
  }
  HNX_TRY(WriteFileDurably(database / kOwnerFile, AsBytes(OwnerText(owner))));
  HNX_TRY(SyncDirectory(folder));
  return SyncDirectory(fs::absolute(folder).parent_path());
}

}  // namespace hnx::corestore7
