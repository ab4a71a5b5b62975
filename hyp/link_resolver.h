// LinkResolver: what an entry of a drive is once links are followed. A link is followed only under
// /nar, in the one form and into the shards that mirror/drive_link.h and /mirror.json allow; every
// other link counts as absent.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <optional>
#include <set>

#include "base/result.h"
#include "hyper/drive/drive_entry.h"
#include "hyper/drive/drive_key.h"
#include "mirror/mirror_view.h"

namespace hnx::hyp {

struct ResolvedFile {
  // Unknown while the shard cannot be looked into, or was not.
  std::optional<std::uint64_t> size_bytes;
  bool executable = false;
  std::optional<hyper::DriveKey> shard;  // where the link leads
  bool here = true;                      // false: its shard is not here, and nobody gave it
};

class LinkResolver {
 public:
  // `mirror` must outlive it.
  explicit LinkResolver(const mirror::MirrorView& mirror);

  // nullopt: absent.
  Result<std::optional<ResolvedFile>> Resolve(const hyper::DriveEntry& entry);
  // By the link's own form: whether the shard has the file is not looked at, its size not known.
  std::optional<ResolvedFile> ResolveByForm(const hyper::DriveEntry& entry) const;

 private:
  const mirror::MirrorView& mirror_;
  std::set<hyper::DriveKey> unreachable_;  // nobody answered for these; not asked again
};

// The file at a path in normal form, ready to be read; nullopt when absent or not here.
Result<std::optional<mirror::MirrorFile>> FindFile(const mirror::MirrorView& mirror,
                                                   const std::string& path);

// No connected peer gave it in time, or there is none.
bool IsNobodyThere(const Error& error);

// A path out of a foreign drive that is in normal form, so that it cannot lead anywhere else.
bool IsNormalPath(const std::string& path);

}  // namespace hnx::hyp
