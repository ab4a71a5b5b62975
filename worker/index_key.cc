#include "worker/index_key.h"

#include <algorithm>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hyper/core/keys.h"
#include "worker/data_directory.h"

namespace hnx::worker {
namespace {

constexpr unsigned kSecretMode = 0600;
constexpr unsigned kOthersMask = 0077;

}  // namespace

Result<void> CreateIndexKeyFile(const std::filesystem::path& path) {
  hyper::PrimaryKey key{};
  HNX_ASSIGN_OR_RETURN(const Bytes random, RandomBytes(key.size()));
  std::copy(random.begin(), random.end(), key.begin());
  // O_EXCL: a key that exists is a mirror that exists.
  HNX_ASSIGN_OR_RETURN(const UniqueFd file,
                       OpenFile(path, O_WRONLY | O_CREAT | O_EXCL, kSecretMode));
  HNX_TRY(WriteAt(file.get(), 0, key));
  if (::fsync(file.get()) != 0) {
    return Errno("fsync", path.string());
  }
  const auto folder = path.parent_path();
  return SyncDirectory(folder.empty() ? std::filesystem::path(".") : folder);
}

Result<hyper::PrimaryKey> ReadIndexKeyFile(const std::filesystem::path& path) {
  hyper::PrimaryKey key{};
  HNX_ASSIGN_OR_RETURN(const UniqueFd file, OpenFile(path, O_RDONLY));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    return Errno("fstat", path.string());
  }
  if ((status.st_mode & kOthersMask) != 0) {
    return FailedPrecondition(
        fmt::format("read index key {}: others may read it (mode {:o}); run chmod 600 {}",
                    path.string(), status.st_mode & 0777U, path.string()));
  }
  if (static_cast<std::uint64_t>(status.st_size) != key.size()) {
    return FailedPrecondition(fmt::format(
        "read index key {}: {} bytes instead of {}; make one with worker create-index-key",
        path.string(), status.st_size, key.size()));
  }
  HNX_TRY(ReadAt(file.get(), 0, key));
  return key;
}

Result<hyper::DriveKey> MirrorKeyOf(const hyper::PrimaryKey& primary_key) {
  const hyper::KeyPair pair = hyper::DeriveKeyPair(primary_key, hyper::kRootStoreNamespace, "db");
  const auto manifest = hyper::Manifest::SingleSigner(pair.public_key);
  return hyper::DriveKey::FromBytes(hyper::CoreKeyOf(manifest).view());
}

}  // namespace hnx::worker
