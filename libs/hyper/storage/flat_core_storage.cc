#include "hyper/storage/flat_core_storage.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

namespace hnx::hyper {
namespace {

constexpr unsigned kUsualMode = 0644;
// For what holds the secret key of a core that is written here. Readers in other processes, a
// gateway with this folder, are in the group.
constexpr unsigned kSecretMode = 0640;
constexpr unsigned kOthersMask = 0007;

bool HoldsSecretKey(CoreFile file) {
  return file == CoreFile::kOplog || file == CoreFile::kHeader;
}

// Files of an earlier version were made readable by everybody.
void HideFromOthers(int fd, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0 || (status.st_mode & kOthersMask) == 0) {
    return;
  }
  if (::fchmod(fd, status.st_mode & 0777 & ~kOthersMask) != 0) {
    Log("hyper")->warn("{} holds a secret key and may be read by everybody; run chmod o= {}",
                       path.string(), path.string());
  }
}

// After a failed fsync the kernel may have dropped the pages and report success the next time, so
// nothing that this process believes to be on disk can be trusted. A new process reads what is
// really there.
[[noreturn]] void DieOfFailedSync(const std::filesystem::path& path, int error) {
  (void)std::fprintf(stderr,
                     "sync %s: %s; the process ends, because what the disk holds is unknown. Check "
                     "the disk and start again.\n",
                     path.c_str(), std::generic_category().message(error).c_str());
  std::abort();
}

// Locks bytes [offset, offset + length), or the whole file with length 0, for the file description.
Result<void> LockDescription(int fd, short type, std::uint64_t offset, std::uint64_t length,
                             LockWait wait, const std::filesystem::path& path) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(offset);
  lock.l_len = static_cast<off_t>(length);
  const int command = wait == LockWait::kWait ? F_OFD_SETLKW : F_OFD_SETLK;
  while (::fcntl(fd, command, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) {
      return Unavailable("lock " + path.string() + ": somebody else holds a part of it");
    }
    if (errno != EINTR) {
      return Errno("lock", path.string());
    }
  }
  return {};
}

// cores/aa/bb/<discovery key>: the folders whose names a core depends on.
constexpr int kFolderLevels = 4;

Result<void> MakeFolders(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return Internal("make folder " + folder.string() + ": " + error.message());
  }
  return {};
}

// Makes the names of the files and folders durable: whoever made them may have been killed before.
Result<void> SyncNames(std::filesystem::path folder) {
  for (int level = 0; level <= kFolderLevels; ++level) {
    Result<void> synced = SyncDirectory(folder);
    if (!synced && synced.error().code == ErrorCode::kPermissionDenied) {
      return {};  // above the store: nothing there is ours
    }
    HNX_TRY(synced);
    folder = folder.has_parent_path() ? folder.parent_path() : std::filesystem::path(".");
  }
  return {};
}

}  // namespace

std::filesystem::path CoreFolder(const std::filesystem::path& store_root, const DiscoveryKey& key) {
  const std::string hex = key.ToHex();
  return store_root / "cores" / hex.substr(0, 2) / hex.substr(2, 2) / hex;
}

FlatCoreStorage::FlatCoreStorage(std::filesystem::path folder, bool writing)
    : folder_(std::move(folder)), writing_(writing) {}

Result<std::unique_ptr<FlatCoreStorage>> FlatCoreStorage::OpenForWriting(
    const std::filesystem::path& folder) {
  HNX_TRY(MakeFolders(folder));
  auto storage = std::unique_ptr<FlatCoreStorage>(new FlatCoreStorage(folder, true));
  for (const CoreFile file :
       {CoreFile::kOplog, CoreFile::kTree, CoreFile::kBitfield, CoreFile::kData}) {
    HNX_ASSIGN_OR_RETURN(const int fd, storage->Descriptor(file, true));
    if (file == CoreFile::kOplog) {
      HNX_TRY(LockDescription(fd, F_WRLCK, 0, 0, LockWait::kFail, storage->PathOf(file)));
    }
  }
  HNX_TRY(SyncNames(std::filesystem::absolute(folder)));
  return storage;
}

Result<std::unique_ptr<FlatCoreStorage>> FlatCoreStorage::OpenReadOnly(
    const std::filesystem::path& folder) {
  auto storage = std::unique_ptr<FlatCoreStorage>(new FlatCoreStorage(folder, false));
  HNX_ASSIGN_OR_RETURN(const int fd, storage->Descriptor(CoreFile::kOplog, false));
  if (fd < 0) {
    return NotFound("core " + folder.string() + ": there is no oplog");
  }
  return storage;
}

Result<std::unique_ptr<FlatCoreStorage>> FlatCoreStorage::OpenForMending(
    const std::filesystem::path& folder) {
  auto storage = std::unique_ptr<FlatCoreStorage>(new FlatCoreStorage(folder, true));
  HNX_ASSIGN_OR_RETURN(const int fd, storage->Descriptor(CoreFile::kOplog, false));
  if (fd < 0) {
    return NotFound("core " + folder.string() + ": there is no oplog");
  }
  return storage;
}

void FlatCoreStorage::ForgetCached(CoreFile file, std::uint64_t offset, std::uint64_t length) {
  if (const auto fd = Descriptor(file, false); fd.has_value() && *fd >= 0) {
    (void)::posix_fadvise(*fd, static_cast<off_t>(offset), static_cast<off_t>(length),
                          POSIX_FADV_DONTNEED);
  }
}

Result<bool> FlatCoreStorage::HasWriter(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / CoreFileName(CoreFile::kOplog);
  HNX_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(path, O_RDONLY));
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_OFD_GETLK, &lock) != 0) {
    return Errno("look for a lock on", path.string());
  }
  return lock.l_type != F_UNLCK;
}

std::filesystem::path FlatCoreStorage::PathOf(CoreFile file) const {
  return folder_ / CoreFileName(file);
}

Result<int> FlatCoreStorage::Descriptor(CoreFile file, bool create) {
  UniqueFd& fd = files_[static_cast<std::size_t>(file)];
  if (fd.valid()) {
    return fd.get();
  }
  const std::filesystem::path path = PathOf(file);
  const int flags = writing_ ? O_RDWR : O_RDONLY;
  Result<UniqueFd> opened = OpenFile(path, flags);
  if (!opened && opened.error().code == ErrorCode::kNotFound) {
    if (!create) {
      return -1;
    }
    opened = OpenFile(path, flags | O_CREAT, HoldsSecretKey(file) ? kSecretMode : kUsualMode);
    if (opened && file == CoreFile::kHeader) {  // the others are made, and synced, on opening
      HNX_TRY(SyncDirectory(folder_));
    }
  }
  if (!opened) {
    return std::move(opened).error();
  }
  if (writing_ && HoldsSecretKey(file)) {
    HideFromOthers(opened->get(), path);
  }
  fd = *std::move(opened);
  return fd.get();
}

Result<std::size_t> FlatCoreStorage::Read(CoreFile file, std::uint64_t offset,
                                          std::span<std::byte> out) {
  HNX_ASSIGN_OR_RETURN(const int fd, Descriptor(file, false));
  if (fd < 0) {
    return std::size_t{0};
  }
  Result<std::size_t> count = ReadUpToAt(fd, offset, out);
  if (!count) {
    return count.error().Annotate(PathOf(file).string());
  }
  return count;
}

Result<std::uint64_t> FlatCoreStorage::Size(CoreFile file) {
  HNX_ASSIGN_OR_RETURN(const int fd, Descriptor(file, false));
  if (fd < 0) {
    return std::uint64_t{0};
  }
  return FileSize(fd);
}

Result<void> FlatCoreStorage::Write(CoreFile file, std::uint64_t offset, ByteView bytes) {
  if (!writing_) {
    return Error{ErrorCode::kPermissionDenied, "write " + PathOf(file).string() + ": read only"};
  }
  HNX_ASSIGN_OR_RETURN(const int fd, Descriptor(file, true));
  Result<void> written = WriteAt(fd, offset, bytes);
  if (!written) {
    return written.error().Annotate(PathOf(file).string());
  }
  return {};
}

Result<void> FlatCoreStorage::Truncate(CoreFile file, std::uint64_t size) {
  if (!writing_) {
    return Error{ErrorCode::kPermissionDenied, "truncate " + PathOf(file).string() + ": read only"};
  }
  HNX_ASSIGN_OR_RETURN(const int fd, Descriptor(file, true));
  while (::ftruncate(fd, static_cast<off_t>(size)) != 0) {
    if (errno != EINTR) {
      return Errno("truncate", PathOf(file).string());
    }
  }
  return {};
}

Result<void> FlatCoreStorage::PunchHole(CoreFile file, std::uint64_t offset, std::uint64_t length) {
  if (!writing_) {
    return Error{ErrorCode::kPermissionDenied,
                 "punch a hole into " + PathOf(file).string() + ": read only"};
  }
  HNX_ASSIGN_OR_RETURN(const int fd, Descriptor(file, true));
  while (::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                     static_cast<off_t>(length)) != 0) {
    if (errno != EINTR) {
      return Errno("punch a hole into", PathOf(file).string());
    }
  }
  return {};
}

void FlatCoreStorage::Sync(CoreFile file) {
  const UniqueFd& fd = files_[static_cast<std::size_t>(file)];
  if (!fd.valid()) {
    return;  // never opened, so never written by us
  }
  while (::fdatasync(fd.get()) != 0) {
    if (errno != EINTR) {
      DieOfFailedSync(PathOf(file), errno);
    }
  }
}

Result<DataLock> FlatCoreStorage::LockData(LockKind kind, ByteRange range, LockWait wait) {
  const std::filesystem::path path = PathOf(CoreFile::kData);
  HNX_ASSIGN_OR_RETURN(UniqueFd fd,
                       OpenFile(path, kind == LockKind::kExclusive ? O_RDWR : O_RDONLY));
  if (!range.empty()) {
    HNX_TRY(LockDescription(fd.get(), kind == LockKind::kExclusive ? F_WRLCK : F_RDLCK,
                            range.begin.value(), range.length(), wait, path));
  }
  return DataLock(std::move(fd));
}

}  // namespace hnx::hyper
