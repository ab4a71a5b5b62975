#include "hyper/drive/find_drive.h"

#include <algorithm>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/core.h>

#include "hyper/core/core_reader.h"
#include "hyper/core/keys.h"
#include "hyper/drive/content_core.h"
#include "hyper/storage/flat_core_storage.h"

namespace hnx::hyper {

namespace {

namespace fs = std::filesystem;

// The folders cores/*/*/<64 hex digits>, in order.
Result<std::vector<fs::path>> CoreFolders(const fs::path& store) {
  std::vector<fs::path> folders;
  std::error_code error;
  constexpr int kDepthOfCores = 2;
  fs::recursive_directory_iterator at(store / "cores", error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    if (at.depth() < kDepthOfCores) {
      continue;
    }
    at.disable_recursion_pending();
    if (folders.size() == kCoresScannedMax) {
      return ResourceExhausted(fmt::format("find the drive in {}: more than {} cores; give its key",
                                           store.string(), kCoresScannedMax));
    }
    folders.push_back(at->path());
  }
  if (error) {
    return NotFound(fmt::format("find the drive in {}: {}", store.string(), error.message()));
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

bool IsDriveDb(const CoreReader& core) {
  const auto has = [&core](std::string_view key, ByteView value) {
    return std::any_of(core.user_data().begin(), core.user_data().end(),
                       [&](const UserDataItem& item) {
                         return item.key == key && std::ranges::equal(item.value, value);
                       });
  };
  return has(kUserDataName, AsBytes(kDriveDbName)) &&
         has(kUserDataNamespace, kRootStoreNamespace.view());
}

}  // namespace

Result<CoreKey> FindDriveIn(const fs::path& folder) {
  HNX_ASSIGN_OR_RETURN(const std::vector<fs::path> folders, CoreFolders(folder));
  for (const fs::path& core_folder : folders) {
    auto storage = FlatCoreStorage::OpenReadOnly(core_folder);
    if (!storage) {
      continue;  // no core; whatever it is does not concern us
    }
    const auto core = CoreReader::Open(*std::move(storage));
    if (!core) {
      if (core.error().code == ErrorCode::kNotFound) {
        continue;
      }
      return core.error().Annotate("find the drive in " + folder.string());
    }
    if (IsDriveDb(**core)) {
      return (*core)->key();
    }
  }
  return NotFound(fmt::format("find the drive in {}: no core there is named \"{}\"",
                              folder.string(), kDriveDbName));
}

Result<DriveAudit> AuditStoreFolder(const fs::path& folder, const AuditProgress& progress) {
  HNX_ASSIGN_OR_RETURN(const std::vector<fs::path> folders, CoreFolders(folder));
  DriveAudit audit;
  for (const fs::path& core_folder : folders) {
    HNX_ASSIGN_OR_RETURN(const auto storage, FlatCoreStorage::OpenReadOnly(core_folder));
    HNX_ASSIGN_OR_RETURN(const AuditReport report, AuditCore(*storage, progress));
    for (const AuditFinding& finding : report.findings) {
      audit.findings.push_back(
          fmt::format("core {}: {}", core_folder.string(), finding.ToString()));
    }
    if (report.findings_total > report.findings.size()) {
      audit.findings.push_back(fmt::format("core {}: {} more findings", core_folder.string(),
                                           report.findings_total - report.findings.size()));
    }
    audit.blocks_checked += report.blocks_checked;
    audit.bytes_checked += report.bytes_checked;
    audit.blocks_cleared += report.blocks_absent;
  }
  return audit;
}

}  // namespace hnx::hyper
