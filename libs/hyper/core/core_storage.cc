#include "hyper/core/core_storage.h"

#include <array>

namespace hnx::hyper {

std::string_view CoreFileName(CoreFile file) {
  constexpr std::array<std::string_view, kCoreFileCount> kNames = {"oplog", "tree", "bitfield",
                                                                   "data", "header"};
  return kNames[static_cast<std::size_t>(file)];
}

Result<void> ReadExactly(CoreStorage& storage, CoreFile file, std::uint64_t offset,
                         std::span<std::byte> out) {
  HNX_ASSIGN_OR_RETURN(const std::size_t count, storage.Read(file, offset, out));
  if (count != out.size()) {
    return DataLoss("core " + storage.Name() + ": " + std::string(CoreFileName(file)) +
                    " ends at byte " + std::to_string(offset + count) + ", wanted " +
                    std::to_string(out.size()) + " bytes from " + std::to_string(offset));
  }
  return {};
}

}  // namespace hnx::hyper
