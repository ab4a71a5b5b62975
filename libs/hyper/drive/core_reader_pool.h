// CoreReaderPool: live views of one core for any number of threads. A CoreReader serves one thread
// at a time; the pool lends one out, and keeps a few idle ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "hyper/core/core_reader.h"

namespace hnx::hyper {

// Idle views kept per core; each holds a few descriptors and pages.
inline constexpr std::size_t kIdleCoreReadersMax = 4;

class CoreReaderPool {
 public:
  // `folder`: of the core, with its oplog.
  explicit CoreReaderPool(std::filesystem::path folder) : folder_(std::move(folder)) {}
  CoreReaderPool(const CoreReaderPool&) = delete;
  CoreReaderPool& operator=(const CoreReaderPool&) = delete;

  // Returns the view to the pool. The pool must outlive it.
  class Lease {
   public:
    Lease(CoreReaderPool& pool, std::unique_ptr<CoreReader> reader)
        : pool_(&pool), reader_(std::move(reader)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease();

    CoreReader* operator->() const { return reader_.get(); }
    CoreReader& operator*() const { return *reader_; }

   private:
    CoreReaderPool* pool_;
    std::unique_ptr<CoreReader> reader_;
  };

  // A view that stands at `length_min` or later, if the core is that long.
  Result<Lease> Borrow(std::uint64_t length_min);

 private:
  void Return(std::unique_ptr<CoreReader> reader);

  const std::filesystem::path folder_;
  Mutex mutex_;
  std::vector<std::unique_ptr<CoreReader>> idle_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::hyper
