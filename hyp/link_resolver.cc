#include "hyp/link_resolver.h"

#include "hyper/drive/drive_path.h"
#include "mirror/drive_link.h"
#include "mirror/index_layout.h"

namespace hnx::hyp {

LinkResolver::LinkResolver(const mirror::MirrorView& mirror) : mirror_(mirror) {}

std::optional<ResolvedFile> LinkResolver::ResolveByForm(const hyper::DriveEntry& entry) const {
  if (!entry.linkname) {
    return entry.blob ? std::optional(ResolvedFile{entry.blob->byte_length, entry.executable,
                                                   std::nullopt, true})
                      : std::nullopt;
  }
  const auto link = mirror::DriveLink::Parse(entry.path, *entry.linkname);
  if (!link || !mirror_.IsListed(link->shard)) {
    return std::nullopt;
  }
  return ResolvedFile{std::nullopt, false, link->shard, true};
}

Result<std::optional<ResolvedFile>> LinkResolver::Resolve(const hyper::DriveEntry& entry) {
  auto file = ResolveByForm(entry);
  if (!file || !file->shard) {
    return file;
  }
  const hyper::DriveKey key = *file->shard;
  file->here = false;
  if (unreachable_.contains(key)) {
    return file;
  }
  const auto shard = mirror_.shard_view(key);
  const auto target = shard && *shard != nullptr ? (*shard)->Entry(entry.path)
                                                 : Result<std::optional<hyper::DriveEntry>>();
  if (!shard || !target) {
    const Error& error = shard ? target.error() : shard.error();
    if (!IsNobodyThere(error)) {
      return error;
    }
    unreachable_.insert(key);
    return file;
  }
  if (*shard == nullptr) {
    return file;
  }
  if (!*target || (*target)->linkname || !(*target)->blob) {
    return std::optional<ResolvedFile>();
  }
  return std::optional(
      ResolvedFile{(*target)->blob->byte_length, (*target)->executable, key, true});
}

bool IsNobodyThere(const Error& error) {
  return error.code == ErrorCode::kDeadlineExceeded || error.code == ErrorCode::kUnavailable;
}

Result<std::optional<mirror::MirrorFile>> FindFile(const mirror::MirrorView& mirror,
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
