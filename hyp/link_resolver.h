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
#include "mirror/mirror_reader.h"

namespace hnx::hyp {

struct ResolvedFile {
  // Unknown while the shard is not in our folders.
  std::optional<std::uint64_t> size_bytes;
  bool executable = false;
  std::optional<hyper::DriveKey> shard;  // where the link leads
  bool here = true;                      // false: its shard is not in our folders
};

class LinkResolver {
 public:
  explicit LinkResolver(const mirror::MirrorReader& mirror);

  // nullopt: absent.
  Result<std::optional<ResolvedFile>> Resolve(const hyper::DriveEntry& entry) const;

 private:
  const mirror::MirrorReader& mirror_;
  std::set<hyper::DriveKey> listed_;
};

// The file at a path in normal form, ready to be read; nullopt when absent or not here.
Result<std::optional<mirror::MirrorFile>> FindFile(const mirror::MirrorReader& mirror,
                                                   const std::string& path);

// A path out of a foreign drive that is in normal form, so that it cannot lead anywhere else.
bool IsNormalPath(const std::string& path);

}  // namespace hnx::hyp
