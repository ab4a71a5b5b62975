#include "mirror/mirror_view.h"

#include <string>
#include <utility>

#include "mirror/drive_link.h"
#include "mirror/index_layout.h"

namespace hnx::mirror {

using hyper::DriveKey;
using hyper::DriveView;

namespace {

// An ordinary file at that path; nullopt when absent or a link.
Result<std::optional<MirrorFile>> FileIn(std::shared_ptr<const DriveView> drive,
                                         std::string_view path) {
  HNX_ASSIGN_OR_RETURN(const auto entry, drive->Entry(path));
  if (!entry || entry->linkname || !entry->blob) {
    return std::optional<MirrorFile>();
  }
  return std::optional<MirrorFile>(MirrorFile{std::move(drive), *entry->blob});
}

}  // namespace

Result<std::optional<MirrorFile>> MirrorView::IndexFile(std::string_view path) const {
  return FileIn(index_view(), path);
}

Result<std::optional<Bytes>> MirrorView::ReadIndexFile(std::string_view path,
                                                       std::uint64_t size_max) const {
  auto content = index_view()->ReadFile(path, size_max);
  if (!content) {
    if (content.error().code == ErrorCode::kNotFound) {
      return std::optional<Bytes>();
    }
    return content.error();
  }
  return std::optional<Bytes>(*std::move(content));
}

Result<std::optional<MirrorFile>> MirrorView::ResolveNar(std::string_view file) const {
  if (!IsSafeName(file)) {
    return std::optional<MirrorFile>();
  }
  const std::string path = NarPath(file);
  const auto index = index_view();
  HNX_ASSIGN_OR_RETURN(const auto entry, index->Entry(path));
  if (!entry) {
    return std::optional<MirrorFile>();
  }
  if (!entry->linkname) {
    return FileIn(index, path);
  }
  const auto link = DriveLink::Parse(path, *entry->linkname);
  if (!link || !IsListed(link->shard)) {
    return std::optional<MirrorFile>();
  }
  HNX_ASSIGN_OR_RETURN(const auto shard, shard_view(link->shard));
  if (shard == nullptr) {
    return std::optional<MirrorFile>();
  }
  HNX_ASSIGN_OR_RETURN(auto found, FileIn(shard, path));
  if (!found) {
    // The entry may be newer than this view of the shard.
    HNX_ASSIGN_OR_RETURN(const auto newer, NewerShardView(link->shard));
    if (newer != nullptr) {
      return FileIn(newer, path);
    }
  }
  return found;
}

}  // namespace hnx::mirror
