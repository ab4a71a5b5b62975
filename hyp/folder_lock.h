// FolderLock: one process at a time in a folder of ours.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/result.h"

namespace hnx::hyp {

class FolderLock {
 public:
  // Makes PARENT/NAME when missing, never through a link. kFailedPrecondition, with `taken` as its
  // reason: another process has it.
  static Result<FolderLock> Take(const std::filesystem::path& parent, const std::string& name,
                                 std::string_view taken);

  const std::filesystem::path& folder() const { return folder_; }

 private:
  FolderLock(std::filesystem::path folder, UniqueFd fd)
      : folder_(std::move(folder)), fd_(std::move(fd)) {}

  std::filesystem::path folder_;
  UniqueFd fd_;
};

}  // namespace hnx::hyp
