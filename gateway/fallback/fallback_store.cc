#include "gateway/fallback/fallback_store.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fcntl.h>

#include "base/log.h"
#include "mirror/index_layout.h"
#include "nix/nar_info.h"

namespace hnx::gateway {
namespace {

constexpr std::size_t kHashChars = 32;
constexpr std::string_view kPartSuffix = ".part";

std::string NameOf(std::string_view hash, std::string_view file) {
  return std::string(hash) + "-" + std::string(file);
}
std::string_view HashOf(std::string_view name) {
  return name.substr(0, kHashChars);
}
std::string_view FileOf(std::string_view name) {
  return name.substr(std::min(name.size(), kHashChars + 1));
}

}  // namespace

Result<std::unique_ptr<FallbackStore>> FallbackStore::Open(std::filesystem::path folder,
                                                           NarCache& cache) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) {
    return Unavailable("make the folder " + folder.string() + ": " + failed.message());
  }
  std::unique_ptr<FallbackStore> store(new FallbackStore(std::move(folder), cache));
  HNX_TRY(store->Load());
  cache.OnEvictFile([raw = store.get()](const std::string& name) { return raw->Remove(name); });
  return store;
}

FallbackStore::~FallbackStore() {
  cache_.OnEvictFile({});
}

Result<void> FallbackStore::Load() {
  std::error_code failed;
  std::set<std::string> kept;
  for (const HeldNar& held : cache_.Files()) {
    const auto path = folder_ / held.file;
    const auto size = std::filesystem::file_size(path, failed);
    if (failed || size != held.blob.byte_length || held.file.size() <= kHashChars + 1) {
      cache_.Forget(held);
      continue;
    }
    kept.insert(held.file);
    kept.insert(std::string(HashOf(held.file)) + std::string(mirror::kNarInfoSuffix));
    MutexLock lock(mutex_);
    by_file_.insert_or_assign(std::string(FileOf(held.file)), Held{held.file, size});
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder_, failed)) {
    if (!kept.contains(entry.path().filename().string())) {
      std::filesystem::remove(entry.path(), failed);
    }
  }
  return failed ? Result<void>(Unavailable("read " + folder_.string() + ": " + failed.message()))
                : Result<void>();
}

std::filesystem::path FallbackStore::NarInfoFile(std::string_view hash) const {
  return folder_ / (std::string(hash) + std::string(mirror::kNarInfoSuffix));
}

std::optional<FallbackStore::HeldFile> FallbackStore::OpenNar(std::string_view file) {
  Held held;
  {
    MutexLock lock(mutex_);
    const auto found = by_file_.find(file);
    if (found == by_file_.end()) {
      return std::nullopt;
    }
    held = found->second;
  }
  auto fd = OpenFile(folder_ / held.name, O_RDONLY);
  if (!fd) {
    return std::nullopt;  // it went a moment ago
  }
  cache_.Used(HeldNar::File(held.name, held.size_bytes));
  return HeldFile{*std::move(fd), held.size_bytes};
}

std::optional<std::string> FallbackStore::NarInfo(std::string_view hash) const {
  auto text = ReadWholeFile(NarInfoFile(hash), nix::kNarInfoSizeMax);
  return text ? std::optional<std::string>(*std::move(text)) : std::nullopt;
}

Result<void> FallbackStore::Remove(const std::string& name) {
  {
    MutexLock lock(mutex_);
    if (const auto found = by_file_.find(FileOf(name)); found != by_file_.end()) {
      by_file_.erase(found);
    }
  }
  // Whoever is sending it has it open.
  std::error_code failed;
  std::filesystem::remove(folder_ / name, failed);
  std::error_code ignored;
  std::filesystem::remove(NarInfoFile(HashOf(name)), ignored);
  return failed ? Result<void>(
                      Unavailable("remove " + (folder_ / name).string() + ": " + failed.message()))
                : Result<void>();
}

// -- What is about to come

FallbackStore::Arrival::Arrival(FallbackStore& store, std::string hash, std::string file,
                                std::uint64_t size_bytes)
    : store_(store),
      hash_(std::move(hash)),
      file_(std::move(file)),
      name_(NameOf(hash_, file_)),
      size_bytes_(size_bytes),
      part_(store_.folder_ /
            (hash_ + "." + std::to_string(++store_.parts_) + std::string(kPartSuffix))) {}

Result<UniqueFd> FallbackStore::Arrival::Begin() {
  if (!mirror::IsSafeName(name_)) {
    return InvalidArgument("keep " + name_ + ": the name is too long");
  }
  pin_ = store_.cache_.Expect(HeldNar::File(name_, size_bytes_));
  return OpenFile(part_, O_RDWR | O_CREAT | O_TRUNC);
}

Result<void> FallbackStore::Arrival::Keep(std::string_view nar_info) {
  HNX_TRY(WriteFileDurably(store_.NarInfoFile(hash_), AsBytes(nar_info)));
  std::error_code failed;
  std::filesystem::rename(part_, store_.folder_ / name_, failed);
  if (failed) {
    return Unavailable("rename " + part_.string() + ": " + failed.message());
  }
  HNX_TRY(SyncDirectory(store_.folder_));
  MutexLock lock(store_.mutex_);
  store_.by_file_.insert_or_assign(file_, Held{name_, size_bytes_});
  kept_ = true;
  return {};
}

FallbackStore::Arrival::~Arrival() {
  if (kept_) {
    return;
  }
  pin_.reset();
  std::error_code ignored;
  std::filesystem::remove(part_, ignored);
  store_.cache_.Forget(HeldNar::File(name_, size_bytes_));
}

}  // namespace hnx::gateway
