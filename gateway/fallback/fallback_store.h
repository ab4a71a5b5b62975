// FallbackStore: verified NAR files that came from fallbacks, on this machine's disk, each beside
// the narinfo by which it was verified:
//
//   DIR/<hash>-<file of the NAR>      the NAR
//   DIR/<hash>.narinfo                the narinfo, verbatim
//   DIR/<anything>.part               on its way; swept away at the next start
//
// They share the bound of the NarCache, which tells what goes. A file that the cache's record does
// not name is not trusted: it is swept away too.
//
// Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/mutex.h"
#include "base/result.h"
#include "gateway/far/nar_cache.h"

namespace hnx::gateway {

class FallbackStore {
 public:
  // `cache` must outlive the store; it must evict nothing after the store has gone.
  static Result<std::unique_ptr<FallbackStore>> Open(std::filesystem::path folder, NarCache& cache);
  ~FallbackStore();
  FallbackStore(const FallbackStore&) = delete;
  FallbackStore& operator=(const FallbackStore&) = delete;

  struct HeldFile {
    UniqueFd fd;
    std::uint64_t size_bytes = 0;
  };
  // The NAR with this file name; nullopt: it is not here. It counts as used.
  std::optional<HeldFile> OpenNar(std::string_view file) HNX_EXCLUDES(mutex_);
  // The narinfo of a NAR that is here.
  std::optional<std::string> NarInfo(std::string_view hash) const HNX_EXCLUDES(mutex_);

  // A NAR that is about to come.
  class Arrival {
   public:
    Arrival(FallbackStore& store, std::string hash, std::string file, std::uint64_t size_bytes);
    // What was not kept goes.
    ~Arrival();
    Arrival(const Arrival&) = delete;
    Arrival& operator=(const Arrival&) = delete;
    // Once. The file to write it to.
    Result<UniqueFd> Begin();
    // It is whole, verified and synced.
    Result<void> Keep(std::string_view nar_info);

   private:
    FallbackStore& store_;
    const std::string hash_;
    const std::string file_;
    const std::string name_;
    const std::uint64_t size_bytes_;
    const std::filesystem::path part_;
    std::shared_ptr<const void> pin_;
    bool kept_ = false;
  };

 private:
  FallbackStore(std::filesystem::path folder, NarCache& cache)
      : folder_(std::move(folder)), cache_(cache) {}

  Result<void> Load() HNX_EXCLUDES(mutex_);
  Result<void> Remove(const std::string& name) HNX_EXCLUDES(mutex_);
  std::filesystem::path NarInfoFile(std::string_view hash) const;

  struct Held {
    std::string name;
    std::uint64_t size_bytes = 0;
  };
  const std::filesystem::path folder_;
  NarCache& cache_;
  std::atomic<std::uint64_t> parts_{0};  // names of what is on its way
  mutable Mutex mutex_;
  std::map<std::string, Held, std::less<>> by_file_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::gateway
