#include "hyper/drive/drive_view.h"

#include <fmt/core.h>

namespace hnx::hyper {

Result<Bytes> DriveView::ReadFile(std::string_view path, std::uint64_t size_max) const {
  HNX_ASSIGN_OR_RETURN(const auto entry, Entry(path));
  if (!entry || !entry->blob) {
    return NotFound(fmt::format("read {}: no such file in drive {}", path, key().id()));
  }
  if (entry->blob->byte_length > size_max) {
    return ResourceExhausted(fmt::format("read {}: {} bytes, more than the limit of {}", path,
                                         entry->blob->byte_length, size_max));
  }
  Bytes content;
  auto read = ReadBlob(*entry->blob, 0, entry->blob->byte_length,
                       [&content](ByteView piece) -> Result<void> {
                         AppendTo(content, piece);
                         return {};
                       });
  if (!read) {
    return read.error().Annotate(fmt::format("read {} of drive {}", path, key().id()));
  }
  return content;
}

}  // namespace hnx::hyper
