#include "hyp/folder_lock.h"

#include <cerrno>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>

namespace hnx::hyp {

Result<FolderLock> FolderLock::Take(const std::filesystem::path& parent, const std::string& name,
                                    std::string_view taken) {
  std::filesystem::path folder = parent / name;
  constexpr unsigned kMode = 0755;
  if (::mkdir(folder.c_str(), kMode) != 0 && errno != EEXIST) {
    return Errno("create folder", folder.string());
  }
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    return errno == ELOOP || errno == ENOTDIR
               ? FailedPrecondition(
                     fmt::format("{} is a link or a file; hyp keeps a folder of its own there",
                                 folder.string()))
               : Errno("open folder", folder.string());
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return errno == EWOULDBLOCK ? FailedPrecondition(fmt::format("{}: {}", folder.string(), taken))
                                : Errno("lock", folder.string());
  }
  return FolderLock(std::move(folder), std::move(fd));
}

}  // namespace hnx::hyp
