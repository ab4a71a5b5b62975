#include "hyp/link_resolver.h"

#include "hyper/drive/drive_path.h"
#include "mirror/drive_link.h"
#include "mirror/index_layout.h"

namespace hnx::hyp {

LinkResolver::LinkResolver(const mirror::MirrorReader& mirror) : mirror_(mirror) {
  for (const mirror::MirrorShard& shard : mirror.mirror_json()->shards) {
    listed_.insert(shard.key);
  }
}

Result<std::optional<ResolvedFile>> LinkResolver::Resolve(const hyper::DriveEntry& entry) const {
  const std::optional<ResolvedFile> absent;
  if (!entry.linkname) {
    return entry.blob ? std::optional(ResolvedFile{entry.blob->byte_length, entry.executable,
                                                   std::nullopt, true})
                      : absent;
  }
  const auto link = mirror::DriveLink::Parse(entry.path, *entry.linkname);
  if (!link || !listed_.contains(link->shard)) {
    return absent;
  }
  HNX_ASSIGN_OR_RETURN(const auto shard, mirror_.shard(link->shard));
  if (shard == nullptr) {
    return std::optional(ResolvedFile{std::nullopt, false, link->shard, false});
  }
  HNX_ASSIGN_OR_RETURN(const auto target, shard->Entry(entry.path));
  if (!target || target->linkname || !target->blob) {
    return absent;
  }
  return std::optional(
      ResolvedFile{target->blob->byte_length, target->executable, link->shard, true});
}

Result<std::optional<mirror::MirrorFile>> FindFile(const mirror::MirrorReader& mirror,
                                                   const std::string& path) {
  const std::string nar_prefix = mirror::NarPath("");
  return path.starts_with(nar_prefix) ? mirror.ResolveNar(path.substr(nar_prefix.size()))
                                      : mirror.IndexFile(path);
}

bool IsNormalPath(const std::string& path) {
  const auto normal = hyper::NormalizeDrivePath(path);
  return normal && *normal == path;
}

}  // namespace hnx::hyp
