#include "access/secret_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

namespace hnx::access {

Result<std::string> ReadSecretFile(const std::filesystem::path& path, std::string_view what) {
  HNX_ASSIGN_OR_RETURN(const UniqueFd file, OpenFile(path, O_RDONLY));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    return Errno("look at", path.string());
  }
  if (!S_ISREG(status.st_mode)) {
    return FailedPrecondition(fmt::format("{} {}: not a file", what, path.string()));
  }
  constexpr unsigned kGroupRead = S_IRGRP;
  const bool mounted_for_group = status.st_uid == 0 && ::geteuid() != 0;
  const unsigned forbidden = 0077U & ~(mounted_for_group ? kGroupRead : 0U);
  if ((status.st_mode & forbidden) != 0) {
    return FailedPrecondition(
        fmt::format("{} {}: others may read it (mode {:04o}); run chmod 600 {}", what,
                    path.string(), status.st_mode & 07777U, path.string()));
  }
  HNX_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(file.get()));
  if (size > kSecretFileBytesMax) {
    return ResourceExhausted(
        fmt::format("{} {}: larger than {} bytes", what, path.string(), kSecretFileBytesMax));
  }
  std::string content(size, '\0');
  HNX_TRY(ReadAt(file.get(), 0, std::as_writable_bytes(std::span(content))));
  return content;
}

}  // namespace hnx::access
