#include "gateway/substituter/mirror_file.h"

#include <utility>

#include <fcntl.h>

namespace hnx::gateway {

std::string ETagOf(const mirror::MirrorFile& file) {
  constexpr std::size_t kKeyChars = 16;
  return "\"" + file.drive->content_key().id().substr(0, kKeyChars) + "-" +
         std::to_string(file.blob.byte_offset) + "-" + std::to_string(file.blob.byte_length) + "\"";
}

Result<http::FileRegion> OpenRegion(const mirror::MirrorFile& file) {
  HNX_ASSIGN_OR_RETURN(const auto extent, file.Locate());
  // The duplicate shares the open file description and with it the lock on the range.
  UniqueFd fd(::fcntl(extent.fd(), F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) {
    return Errno("duplicate", "the descriptor of a drive's data file");
  }
  return http::FileRegion{std::move(fd), extent.offset(), extent.length()};
}

}  // namespace hnx::gateway
