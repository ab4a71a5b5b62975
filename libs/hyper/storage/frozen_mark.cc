#include "hyper/storage/frozen_mark.h"

#include <string>
#include <system_error>

#include "base/file.h"

namespace hnx::hyper {
namespace {

constexpr const char* kMarkName = "frozen";

}  // namespace

bool IsMarkedFrozen(const std::filesystem::path& core_folder) {
  std::error_code ignored;
  return std::filesystem::exists(core_folder / kMarkName, ignored);
}

Result<void> MarkFrozen(const std::filesystem::path& core_folder, std::string_view what) {
  return WriteFileDurably(core_folder / kMarkName, AsBytes(what));
}

Error FrozenError(const std::filesystem::path& core_folder, std::string_view core) {
  return DataLoss("core " + std::string(core) +
                  ": its owner signed two different trees, so it is neither read nor served any "
                  "more; " +
                  (core_folder / kMarkName).string() + " tells which. Ask whoever publishes it");
}

}  // namespace hnx::hyper
