#include "base/file.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hnx {
namespace {

std::string FdName(int fd) {
  std::error_code error;
  const auto path = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd), error);
  return error ? fmt::format("descriptor {}", fd) : path.string();
}

}  // namespace

UniqueFd::UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    UniqueFd old(std::exchange(fd_, other.Release()));
  }
  return *this;
}

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) {
    (void)::close(fd_);
  }
}

int UniqueFd::Release() {
  return std::exchange(fd_, -1);
}

Result<UniqueFd> OpenFile(const std::filesystem::path& path, int flags, unsigned mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) {
    return Errno("open", path.native());
  }
  return UniqueFd(fd);
}

Result<std::size_t> ReadUpToAt(int fd, std::uint64_t offset, std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      return Errno("read", FdName(fd));
    }
    if (n == 0) {
      break;
    }
    done += static_cast<std::size_t>(n);
  }
  return done;
}

Result<void> ReadAt(int fd, std::uint64_t offset, std::span<std::byte> out) {
  HNX_ASSIGN_OR_RETURN(const std::size_t done, ReadUpToAt(fd, offset, out));
  if (done != out.size()) {
    return Error{ErrorCode::kOutOfRange,
                 fmt::format("read {}: {} bytes at {} wanted, the file ends after {}", FdName(fd),
                             out.size(), offset, done)};
  }
  return {};
}

Result<void> WriteAt(int fd, std::uint64_t offset, ByteView bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n =
        ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      return Errno("write", FdName(fd));
    }
    done += static_cast<std::size_t>(n);
  }
  return {};
}

Result<std::uint64_t> FileSize(int fd) {
  struct stat info = {};
  if (::fstat(fd, &info) != 0) {
    return Errno("stat", FdName(fd));
  }
  return static_cast<std::uint64_t>(info.st_size);
}

Result<void> MakeFolders(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    errno = error.value();
    return Errno("create folder", folder.string());
  }
  return {};
}

Result<std::string> ReadWholeFile(const std::filesystem::path& path, std::uint64_t size_max) {
  HNX_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(path, O_RDONLY));
  HNX_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(fd.get()));
  if (size > size_max) {
    return ResourceExhausted(
        fmt::format("read {}: {} bytes, the limit is {}", path.native(), size, size_max));
  }
  std::string content(size, '\0');
  HNX_TRY(ReadAt(fd.get(), 0, std::as_writable_bytes(std::span(content))));
  return content;
}

Result<void> WriteFileDurably(const std::filesystem::path& path, ByteView content, unsigned mode) {
  const std::filesystem::path temporary = path.native() + ".new";
  {
    HNX_ASSIGN_OR_RETURN(const UniqueFd fd,
                         OpenFile(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode));
    HNX_TRY(WriteAt(fd.get(), 0, content));
    if (::fsync(fd.get()) != 0) {
      return Errno("fsync", temporary.native());
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return Errno("rename", path.native());
  }
  return SyncDirectory(path.has_parent_path() ? path.parent_path() : ".");
}

Result<void> SyncDirectory(const std::filesystem::path& directory) {
  HNX_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(directory, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) {
    return Errno("fsync", directory.native());
  }
  return {};
}

}  // namespace hnx
