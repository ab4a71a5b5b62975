#include "hyper/storage/memory_core_storage.h"

#include <algorithm>
#include <cstring>

namespace hnx::hyper {
namespace {

std::ptrdiff_t Position(std::uint64_t offset) {
  return static_cast<std::ptrdiff_t>(offset);
}

}  // namespace

Result<std::size_t> MemoryCoreStorage::Read(CoreFile file, std::uint64_t offset,
                                            std::span<std::byte> out) {
  const Bytes& content = files_->of(file);
  if (offset >= content.size()) {
    return std::size_t{0};
  }
  const std::size_t count = std::min<std::size_t>(out.size(), content.size() - offset);
  std::copy_n(content.begin() + Position(offset), count, out.begin());
  return count;
}

Result<std::uint64_t> MemoryCoreStorage::Size(CoreFile file) {
  return std::uint64_t{files_->of(file).size()};
}

Result<void> MemoryCoreStorage::Write(CoreFile file, std::uint64_t offset, ByteView bytes) {
  Bytes& content = files_->of(file);
  if (content.size() < offset + bytes.size()) {
    content.resize(offset + bytes.size());
  }
  std::copy(bytes.begin(), bytes.end(), content.begin() + Position(offset));
  return {};
}

Result<void> MemoryCoreStorage::Truncate(CoreFile file, std::uint64_t size) {
  files_->of(file).resize(size);
  return {};
}

Result<void> MemoryCoreStorage::PunchHole(CoreFile file, std::uint64_t offset,
                                          std::uint64_t length) {
  Bytes& content = files_->of(file);
  const std::uint64_t end = std::min<std::uint64_t>(offset + length, content.size());
  if (offset < end) {
    std::fill(content.begin() + Position(offset), content.begin() + Position(end), std::byte{0});
  }
  return {};
}

Result<DataLock> MemoryCoreStorage::LockData(LockKind /*kind*/, ByteRange /*range*/,
                                             LockWait /*wait*/) {
  return DataLock();
}

}  // namespace hnx::hyper
