#include "worker/data_directory.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/crash_point.h"
#include "base/hex.h"
#include "hyper/drive/hyperdrive.h"

namespace hnx::worker {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kWorkerIdBytes = 16;
constexpr std::uint64_t kSmallFileBytesMax = 4096;
constexpr std::string_view kNewDrivePrefix = ".new-";

Error FromFilesystem(std::string_view operation, const fs::path& path, const std::error_code& why) {
  const bool full = why == std::errc::no_space_on_device;
  return {full ? ErrorCode::kResourceExhausted : ErrorCode::kInternal,
          fmt::format("{} {}: {}", operation, path.string(), why.message())};
}

std::string Trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

Result<UniqueFd> TakeLock(const fs::path& path) {
  HNX_ASSIGN_OR_RETURN(UniqueFd lock, OpenFile(path, O_RDWR | O_CREAT));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return FailedPrecondition(fmt::format(
        "lock {}: another worker runs on this data directory; stop it or give another --data",
        path.string()));
  }
  return lock;
}

Result<std::string> ReadOrMakeWorkerId(const fs::path& path) {
  auto known = ReadWholeFile(path, kSmallFileBytesMax);
  if (known.has_value()) {
    std::string id = Trimmed(*std::move(known));
    if (!DecodeHex(id).has_value() || id.size() != 2 * kWorkerIdBytes) {
      return DataLoss(fmt::format("read {}: not 32 hex digits; restore the file", path.string()));
    }
    return id;
  }
  if (known.error().code != ErrorCode::kNotFound) {
    return known.error();
  }
  HNX_ASSIGN_OR_RETURN(const Bytes random, RandomBytes(kWorkerIdBytes));
  std::string id = EncodeHex(random);
  HNX_TRY(WriteFileDurably(path, AsBytes(id + "\n")));
  return id;
}

Result<std::uint64_t> ParseNumber(const fs::path& path, std::string_view text,
                                  std::string_view remedy) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return DataLoss(fmt::format("read {}: \"{}\" is no number; {}", path.string(), text, remedy));
  }
  return number;
}

Result<std::uint64_t> CountIncarnation(const fs::path& path) {
  std::uint64_t last = 0;
  auto known = ReadWholeFile(path, kSmallFileBytesMax);
  if (known.has_value()) {
    HNX_ASSIGN_OR_RETURN(last,
                         ParseNumber(path, Trimmed(*std::move(known)),
                                     "write a number there that is higher than any this worker "
                                     "used"));
  } else if (known.error().code != ErrorCode::kNotFound) {
    return known.error();
  }
  HNX_TRY(WriteFileDurably(path, AsBytes(std::to_string(last + 1) + "\n")));
  return last + 1;
}

Result<void> RemoveHalfMadeDrives(const fs::path& drives) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(drives, error)) {
    if (entry.path().filename().string().starts_with(kNewDrivePrefix)) {
      std::error_code ignored;
      fs::remove_all(entry.path(), ignored);
    }
  }
  if (error) {
    return FromFilesystem("list", drives, error);
  }
  return {};
}

}  // namespace

Result<Bytes> RandomBytes(std::size_t count) {
  Bytes bytes(count);
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(count)) {
    return Errno("getrandom", fmt::format("{} bytes", count));
  }
  return bytes;
}

DataDirectory::DataDirectory(fs::path root, UniqueFd lock)
    : root_(std::move(root)), lock_(std::move(lock)) {}

Result<std::unique_ptr<DataDirectory>> DataDirectory::Open(const fs::path& root) {
  HNX_TRY(MakeFolders(root / "drives"));
  HNX_ASSIGN_OR_RETURN(UniqueFd lock, TakeLock(root / "lock"));
  std::unique_ptr<DataDirectory> data(new DataDirectory(root, std::move(lock)));
  HNX_ASSIGN_OR_RETURN(data->worker_id_, ReadOrMakeWorkerId(root / "worker-id"));
  HNX_ASSIGN_OR_RETURN(data->incarnation_, CountIncarnation(root / "incarnation"));
  HNX_ASSIGN_OR_RETURN(const Bytes nonce, RandomBytes(sizeof data->nonce_));
  data->nonce_ = LoadLe64(nonce);
  HNX_TRY(RemoveHalfMadeDrives(root / "drives"));
  HNX_ASSIGN_OR_RETURN(data->drives_, OpenFile(root / "drives", O_RDONLY | O_DIRECTORY));
  return data;
}

Result<void> DataDirectory::CheckThere() const {
  for (const auto& [file, path] :
       {std::pair(lock_.get(), root_ / "lock"), std::pair(drives_.get(), root_ / "drives")}) {
    struct stat held = {};
    struct stat named = {};
    if (::fstat(file, &held) != 0 || ::stat(path.c_str(), &named) != 0 ||
        held.st_dev != named.st_dev || held.st_ino != named.st_ino) {
      return DataLoss(fmt::format(
          "{} was deleted, replaced or unmounted while this worker ran: nothing that it holds can "
          "be counted on; start it again on the disk that it is to have",
          path.string()));
    }
  }
  return {};
}

fs::path DataDirectory::DriveFolder(const hyper::DriveKey& key) const {
  return root_ / "drives" / key.id();
}

Result<std::vector<hyper::DriveKey>> DataDirectory::ListDrives() const {
  std::vector<hyper::DriveKey> keys;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root_ / "drives", error)) {
    auto key = hyper::DriveKey::Parse(entry.path().filename().string());
    if (key.has_value()) {
      keys.push_back(*key);
    }
  }
  if (error) {
    return FromFilesystem("list", root_ / "drives", error);
  }
  std::sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.id() < b.id(); });
  return keys;
}

Result<hyper::DriveKey> DataDirectory::CreateDrive(
    const std::optional<hyper::PrimaryKey>& primary_key) {
  HNX_ASSIGN_OR_RETURN(const Bytes random, RandomBytes(sizeof(std::uint64_t)));
  const fs::path temporary = root_ / "drives" / (std::string(kNewDrivePrefix) + EncodeHex(random));
  std::optional<hyper::DriveKey> key;
  {
    HNX_ASSIGN_OR_RETURN(auto store, primary_key ? hyper::Corestore::Create(temporary, *primary_key)
                                                 : hyper::Corestore::Create(temporary));
    HNX_ASSIGN_OR_RETURN(const auto drive, hyper::Hyperdrive::OpenOrCreate(*store));
    key = drive->key();
  }
  std::error_code error;
  fs::rename(temporary, DriveFolder(*key), error);
  if (error) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    return FromFilesystem("rename new drive to", DriveFolder(*key), error);
  }
  HNX_TRY(SyncDirectory(root_ / "drives"));
  return *key;
}

Result<std::optional<hyper::DriveKey>> DataDirectory::IndexDrive() const {
  auto text = ReadWholeFile(root_ / "index-drive", kSmallFileBytesMax);
  if (!text.has_value()) {
    if (text.error().code == ErrorCode::kNotFound) {
      return std::optional<hyper::DriveKey>();
    }
    return text.error();
  }
  HNX_ASSIGN_OR_RETURN(const auto key, hyper::DriveKey::Parse(Trimmed(*text)));
  return std::optional(key);
}

Result<void> DataDirectory::SetIndexDrive(const hyper::DriveKey& key) {
  return WriteFileDurably(root_ / "index-drive", AsBytes(key.id() + "\n"));
}

Result<void> DataDirectory::PutRecoveredDrive(const hyper::DriveKey& key) {
  // Removed as a half-made drive is, at the latest at the next start.
  const fs::path replaced = root_ / "drives" / (std::string(kNewDrivePrefix) + "replaced");
  std::error_code error;
  fs::remove_all(replaced, error);
  if (fs::exists(DriveFolder(key))) {
    fs::rename(DriveFolder(key), replaced, error);
    if (error) {
      return FromFilesystem("move away", DriveFolder(key), error);
    }
  }
  CrashPoint("index.between_renames");
  fs::rename(RecoveryFolder(), DriveFolder(key), error);
  if (error) {
    return FromFilesystem("rename the recovered index to", DriveFolder(key), error);
  }
  HNX_TRY(SyncDirectory(root_ / "drives"));
  HNX_TRY(SyncDirectory(root_));
  fs::remove_all(replaced, error);
  return {};
}

Result<DataDirectory::IndexLengths> DataDirectory::AcceptedIndex() const {
  const fs::path path = root_ / "index-accepted";
  auto known = ReadWholeFile(path, kSmallFileBytesMax);
  if (!known.has_value()) {
    if (known.error().code == ErrorCode::kNotFound) {
      return IndexLengths{};
    }
    return known.error();
  }
  const std::string text = Trimmed(*std::move(known));
  const std::size_t space = std::min(text.find(' '), text.size());
  constexpr std::string_view kRemedy = "restore the file";
  IndexLengths lengths;
  HNX_ASSIGN_OR_RETURN(lengths.db, ParseNumber(path, text.substr(0, space), kRemedy));
  HNX_ASSIGN_OR_RETURN(lengths.content,
                       ParseNumber(path, text.substr(std::min(space + 1, text.size())), kRemedy));
  return lengths;
}

Result<void> DataDirectory::SetAcceptedIndex(IndexLengths lengths) {
  return WriteFileDurably(root_ / "index-accepted",
                          AsBytes(fmt::format("{} {}\n", lengths.db, lengths.content)));
}

}  // namespace hnx::worker
