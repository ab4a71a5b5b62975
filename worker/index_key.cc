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
constexpr std::uint64_t kPredecessorBytesMax = 4096;

std::filesystem::path Beside(const std::filesystem::path& key, std::string_view suffix) {
  return key.string() + std::string(suffix);
}

// As Kubernetes mounts a Secret for a pod with an fsGroup: root's, and for a group that was made
// for this pod. The strictest that it can be.
bool IsMountedSecret(const struct stat& status) {
  constexpr unsigned kMountedMode = 0440;
  return (status.st_mode & 0777U) == kMountedMode && status.st_uid == 0 && ::geteuid() != 0;
}

std::filesystem::path FolderOf(const std::filesystem::path& path) {
  const auto folder = path.parent_path();
  return folder.empty() ? std::filesystem::path(".") : folder;
}

}  // namespace

Result<void> CreateIndexKeyFile(const std::filesystem::path& path,
                                const std::optional<hyper::DriveKey>& predecessor) {
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
  if (predecessor) {
    HNX_TRY(WriteFileDurably(Beside(path, ".predecessor"), AsBytes(predecessor->id() + "\n")));
  }
  HNX_TRY(WriteFileDurably(
      Beside(path, ".new"),
      AsBytes("Nothing was ever published under this key. The first index worker removes this "
              "file.\n")));
  return SyncDirectory(FolderOf(path));
}

bool IsUnusedIndexKey(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(Beside(path, ".new"), error);
}

Result<void> MarkIndexKeyUsed(const std::filesystem::path& path) {
  std::error_code error;
  // First a look: in a folder that is mounted read-only not even what is not there can be removed.
  if (!std::filesystem::exists(Beside(path, ".new"), error) && !error) {
    return {};
  }
  if (!error && !std::filesystem::remove(Beside(path, ".new"), error) && !error) {
    return {};
  }
  if (error) {
    return FailedPrecondition(fmt::format(
        "remove {}.new: {}. While it is there a lost index would be taken for one that never was; "
        "remove it",
        path.string(), error.message()));
  }
  return SyncDirectory(FolderOf(path));
}

Result<std::optional<hyper::DriveKey>> PredecessorOf(const std::filesystem::path& path) {
  auto text = ReadWholeFile(Beside(path, ".predecessor"), kPredecessorBytesMax);
  if (!text.has_value()) {
    if (text.error().code == ErrorCode::kNotFound) {
      return std::optional<hyper::DriveKey>();
    }
    return text.error();
  }
  while (!text->empty() && text->back() == '\n') {
    text->pop_back();
  }
  auto key = hyper::DriveKey::Parse(*text);
  if (!key.has_value()) {
    return key.error().Annotate(fmt::format("read {}.predecessor", path.string()));
  }
  return std::optional(*key);
}

Result<hyper::PrimaryKey> ReadIndexKeyFile(const std::filesystem::path& path) {
  hyper::PrimaryKey key{};
  HNX_ASSIGN_OR_RETURN(const UniqueFd file, OpenFile(path, O_RDONLY));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    return Errno("fstat", path.string());
  }
  if ((status.st_mode & kOthersMask) != 0 && !IsMountedSecret(status)) {
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
