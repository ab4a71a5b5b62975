#include "hyper/drive/corestore.h"

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "hyper/core/crypto.h"
#include "hyper/storage/flat_core_storage.h"

namespace hnx::hyper {

namespace {

constexpr const char* kPrimaryKeyFile = "primary-key";

// The lock that JavaScript's corestore takes (fs-native-extensions tryLock): exclusive, whole file,
// bound to the open file description.
Result<void> LockWhole(int fd, const std::filesystem::path& path) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) {
    return {};
  }
  if (errno == EAGAIN || errno == EACCES) {
    return FailedPrecondition("lock " + path.string() +
                              ": another process has this store open; stop it first");
  }
  return Errno("lock", path.string());
}

// Whoever made the store before (JavaScript does, with everybody's right to read), or a volume that
// gives all files to a group: from now on it is its owner's alone.
Result<void> KeepSecret(int fd, const std::filesystem::path& path) {
  constexpr unsigned kOthersMask = 0077;
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    return Errno("fstat", path.string());
  }
  if ((status.st_mode & kOthersMask) == 0 || ::fchmod(fd, 0600) == 0) {
    return {};
  }
  return FailedPrecondition("open store: others may read " + path.string() +
                            ", the key that writes its drives, and it belongs to somebody else; "
                            "run chmod 600 " +
                            path.string());
}

void SyncOrDie(int fd, const std::filesystem::path& path) {
  if (::fsync(fd) != 0) {
    Log("hyper")->critical("fsync {} failed, and what the disk holds is unknown now: ending",
                           path.string());
    std::abort();
  }
}

Error AnotherCore(const std::filesystem::path& folder, const CoreKey& found,
                  const CoreKey& expected) {
  return DataLoss("open core in " + folder.string() + ": it is the core " + found.ToHex() +
                  ", not " + expected.ToHex());
}

}  // namespace

Corestore::Corestore(std::filesystem::path folder, const PrimaryKey& primary_key, UniqueFd lock)
    : folder_(std::move(folder)), primary_key_(primary_key), lock_(std::move(lock)) {}

Corestore::~Corestore() {
  Wipe(primary_key_);
}

Result<std::unique_ptr<Corestore>> Corestore::Create(std::filesystem::path folder) {
  PrimaryKey primary_key{};
  FillRandom(primary_key);
  auto store = Create(std::move(folder), primary_key);
  Wipe(primary_key);
  return store;
}

Result<std::unique_ptr<Corestore>> Corestore::Create(std::filesystem::path folder,
                                                     const PrimaryKey& primary_key) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return Error{ErrorCode::kUnavailable,
                 "create folder " + folder.string() + ": " + error.message()};
  }
  const std::filesystem::path path = folder / kPrimaryKeyFile;
  HNX_ASSIGN_OR_RETURN(UniqueFd file, OpenFile(path, O_RDWR | O_CREAT, 0600));
  HNX_TRY(LockWhole(file.get(), path));
  HNX_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(file.get()));
  // Shorter: a creation that a crash cut off, and with which nothing was made.
  if (size >= primary_key.size()) {
    return Error{ErrorCode::kAlreadyExists,
                 "create store in " + folder.string() + ": there is one"};
  }
  HNX_TRY(WriteAt(file.get(), 0, primary_key));
  SyncOrDie(file.get(), path);
  HNX_TRY(SyncDirectory(folder));
  HNX_TRY(SyncDirectory(std::filesystem::absolute(folder).parent_path()));
  return std::unique_ptr<Corestore>(new Corestore(std::move(folder), primary_key, std::move(file)));
}

Result<std::unique_ptr<Corestore>> Corestore::Open(std::filesystem::path folder) {
  const std::filesystem::path path = folder / kPrimaryKeyFile;
  auto file = OpenFile(path, O_RDWR);
  if (!file) {
    return file.error().code == ErrorCode::kNotFound
               ? NotFound("open store " + folder.string() + ": it has no " + kPrimaryKeyFile)
               : file.error().Annotate("open store");
  }
  HNX_TRY(LockWhole(file->get(), path));
  HNX_TRY(KeepSecret(file->get(), path));
  PrimaryKey primary_key{};
  HNX_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(file->get()));
  if (size != primary_key.size()) {
    return DataLoss("open store: " + path.string() + " has " + std::to_string(size) +
                    " bytes instead of 32");
  }
  HNX_TRY(ReadAt(file->get(), 0, primary_key));
  auto store =
      std::unique_ptr<Corestore>(new Corestore(std::move(folder), primary_key, *std::move(file)));
  Wipe(primary_key);
  return store;
}

std::filesystem::path Corestore::FolderOf(const CoreKey& key) const {
  return CoreFolder(folder_, DiscoveryKeyOf(key));
}

bool Corestore::Exists(const CoreKey& key) const {
  std::error_code error;
  const auto size = std::filesystem::file_size(FolderOf(key) / "oplog", error);
  return !error && size > 0;
}

Result<std::unique_ptr<Hypercore>> Corestore::OpenExisting(const CoreKey& key) {
  const std::filesystem::path folder = FolderOf(key);
  if (!Exists(key)) {
    return NotFound("open core in " + folder.string() + ": there is none");
  }
  HNX_ASSIGN_OR_RETURN(auto storage, FlatCoreStorage::OpenForWriting(folder));
  HNX_ASSIGN_OR_RETURN(auto core, Hypercore::Open(std::move(storage)));
  if (core->key() != key) {
    return AnotherCore(folder, core->key(), key);
  }
  return core;
}

Result<std::unique_ptr<ReplicaCore>> Corestore::OpenReplica(const CoreKey& key) {
  const std::filesystem::path folder = FolderOf(key);
  if (Exists(key)) {
    HNX_ASSIGN_OR_RETURN(auto storage, FlatCoreStorage::OpenForWriting(folder));
    auto core = ReplicaCore::Open(std::move(storage));
    if (core && (*core)->key() != key) {
      return AnotherCore(folder, (*core)->key(), key);
    }
    // Not found: a creation that a crash cut off.
    if (core || core.error().code != ErrorCode::kNotFound) {
      return core;
    }
  }
  HNX_ASSIGN_OR_RETURN(auto storage, FlatCoreStorage::OpenForWriting(folder));
  return ReplicaCore::Create(std::move(storage), key);
}

Result<std::unique_ptr<Hypercore>> Corestore::OpenOrCreate(NewCore core) {
  const CoreKey key = CoreKeyOf(core.manifest);
  auto existing = OpenExisting(key);
  if (existing || existing.error().code != ErrorCode::kNotFound) {
    return existing;
  }
  HNX_ASSIGN_OR_RETURN(auto storage, FlatCoreStorage::OpenForWriting(FolderOf(key)));
  return Hypercore::Create(std::move(storage), std::move(core));
}

Result<std::unique_ptr<Hypercore>> Corestore::TakeOver(NewCore core) {
  const std::filesystem::path folder = FolderOf(CoreKeyOf(core.manifest));
  if (!Exists(CoreKeyOf(core.manifest))) {
    return NotFound("take over core in " + folder.string() + ": there is none");
  }
  HNX_ASSIGN_OR_RETURN(auto storage, FlatCoreStorage::OpenForWriting(folder));
  return Hypercore::TakeOver(std::move(storage), std::move(core));
}

Result<std::unique_ptr<Hypercore>> Corestore::TakeOverNamed(std::string_view name) {
  return TakeOver(NamedCore(name));
}

NewCore Corestore::NamedCore(std::string_view name) const {
  KeyPair key_pair = DeriveKeyPair(primary_key_, kRootStoreNamespace, name);
  Manifest manifest = Manifest::SingleSigner(key_pair.public_key);
  return NewCore{std::move(manifest),
                 std::move(key_pair),
                 {{std::string(kUserDataName), ToBytes(name)},
                  {std::string(kUserDataNamespace), ToBytes(kRootStoreNamespace.view())}}};
}

Result<std::unique_ptr<Hypercore>> Corestore::OpenOrCreateNamed(std::string_view name) {
  return OpenOrCreate(NamedCore(name));
}

Result<std::unique_ptr<Hypercore>> Corestore::OpenNamed(std::string_view name) {
  const KeyPair key_pair = DeriveKeyPair(primary_key_, kRootStoreNamespace, name);
  return OpenExisting(CoreKeyOf(Manifest::SingleSigner(key_pair.public_key)));
}

}  // namespace hnx::hyper
