#include "hyper/drive/core_reader_pool.h"

#include "hyper/storage/flat_core_storage.h"

namespace hnx::hyper {

CoreReaderPool::Lease::~Lease() {
  if (reader_ != nullptr) {
    pool_->Return(std::move(reader_));
  }
}

Result<CoreReaderPool::Lease> CoreReaderPool::Borrow(std::uint64_t length_min) {
  std::unique_ptr<CoreReader> reader;
  {
    const MutexLock lock(mutex_);
    if (!idle_.empty()) {
      reader = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (reader == nullptr) {
    HNX_ASSIGN_OR_RETURN(auto storage, FlatCoreStorage::OpenReadOnly(folder_));
    HNX_ASSIGN_OR_RETURN(reader, CoreReader::Open(std::move(storage)));
  } else if (reader->length() < length_min) {
    HNX_TRY(reader->Refresh());
  }
  return Lease(*this, std::move(reader));
}

void CoreReaderPool::Return(std::unique_ptr<CoreReader> reader) {
  const MutexLock lock(mutex_);
  if (idle_.size() < kIdleCoreReadersMax) {
    idle_.push_back(std::move(reader));
  }
}

}  // namespace hnx::hyper
