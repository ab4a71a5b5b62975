#include "cli/host_checks.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/units.h"

namespace hnx::cli {
namespace {

namespace fs = std::filesystem;

// The folder, or the nearest one above it that is there.
fs::path Nearest(const fs::path& folder) {
  std::error_code error;
  fs::path nearest = fs::absolute(folder, error).lexically_normal();
  while (!fs::exists(nearest, error) && nearest.has_parent_path() &&
         nearest != nearest.parent_path()) {
    nearest = nearest.parent_path();
  }
  return nearest;
}

// A file in the folder that nobody sees, or, where the file system has no such files, sees for a
// moment.
int OpenProbe(const fs::path& folder) {
  const int nameless = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (nameless >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) {
    return nameless;
  }
  std::string name = (folder / ".doctor-XXXXXX").string();
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) {
    (void)::unlink(name.c_str());
  }
  return named;
}

// Why no file can be written there; nothing: it can.
std::optional<int> WriteError(const fs::path& folder) {
  constexpr std::size_t kProbeBytes = 4096;
  const UniqueFd file(OpenProbe(folder));
  if (!file.valid()) {
    return errno;
  }
  const std::array<char, kProbeBytes> bytes{};
  errno = 0;
  if (::write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    return errno == 0 ? ENOSPC : errno;
  }
  return ::fsync(file.get()) == 0 ? std::nullopt : std::optional(errno);
}

void CheckSpace(Checkup& checkup, const fs::path& folder, const RoomToCheck& room) {
  struct statvfs space {};
  if (::statvfs(folder.c_str(), &space) != 0) {
    checkup.Fault("disk", fmt::format("{}: {}", folder.string(), std::strerror(errno)),
                  "see whether its disk is mounted");
    return;
  }
  const std::uint64_t free = std::uint64_t{space.f_bavail} * space.f_frsize;
  if (free < room.free_min) {
    checkup.Fault("disk",
                  fmt::format("{} are free at {}, less than {}", FormatBytes(free), folder.string(),
                              FormatBytes(room.free_min)),
                  fmt::format("make room, give a larger disk, or lower {}", room.flag));
    return;
  }
  if (space.f_files > 0 && space.f_favail == 0) {
    checkup.Fault("disk", fmt::format("no inode is free at {}", folder.string()),
                  "delete files, or make the file system with more inodes");
    return;
  }
  checkup.Ok("disk", fmt::format("{} are free at {}", FormatBytes(free), folder.string()));
}

}  // namespace

void CheckFolder(Checkup& checkup, const FolderToCheck& folder, const RoomToCheck& room) {
  const fs::path nearest = Nearest(folder.path);
  std::error_code ignored;
  if (!fs::is_directory(nearest, ignored)) {
    checkup.Fault("folder", fmt::format("{} is not a folder", nearest.string()),
                  fmt::format("name another {}, or move that file away", folder.flag));
    return;
  }
  if (const auto error = WriteError(nearest)) {
    if (*error == ENOSPC || *error == EDQUOT) {
      checkup.Fault("disk", fmt::format("{} is full: {}", nearest.string(), std::strerror(*error)),
                    "make room, or give a larger disk or quota");
      return;
    }
    checkup.Fault("folder",
                  fmt::format("{} cannot be written: {}", nearest.string(), std::strerror(*error)),
                  fmt::format("give it to user {} (chown, chmod), mount it for writing, or name "
                              "another {}",
                              ::geteuid(), folder.flag));
    return;
  }
  const bool there = fs::exists(folder.path, ignored);
  checkup.Ok("folder", there ? fmt::format("{} can be written", folder.path.string())
                             : fmt::format("{} is not there yet and can be made in {}",
                                           folder.path.string(), nearest.string()));
  CheckSpace(checkup, nearest, room);
}

}  // namespace hnx::cli
