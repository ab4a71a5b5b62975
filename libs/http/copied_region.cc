#include "http/copied_region.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include <microhttpd.h>
#include <unistd.h>

namespace hnx::http {
namespace {

constexpr std::size_t kCopiedPieceBytes = std::size_t{64} << 10;

ssize_t ReadRegion(void* closure, std::uint64_t position, char* to, std::size_t size_max) {
  const auto& region = *static_cast<const FileRegion*>(closure);
  const std::uint64_t size = std::min<std::uint64_t>(size_max, region.length - position);
  for (;;) {
    const ssize_t read =
        ::pread(region.fd.get(), to, size, static_cast<off_t>(region.offset + position));
    if (read > 0) {
      return read;
    }
    if (read == 0 || errno != EINTR) {
      return MHD_CONTENT_READER_END_WITH_ERROR;
    }
  }
}

void FreeRegion(void* closure) {
  delete static_cast<FileRegion*>(closure);
}

}  // namespace

MHD_Response* CopyRegion(FileRegion region) {
  const std::uint64_t length = region.length;
  auto owner = std::make_unique<FileRegion>(std::move(region));
  MHD_Response* const response = ::MHD_create_response_from_callback(
      length, kCopiedPieceBytes, &ReadRegion, owner.get(), &FreeRegion);
  if (response != nullptr) {
    (void)owner.release();  // FreeRegion deletes it
  }
  return response;
}

}  // namespace hnx::http
