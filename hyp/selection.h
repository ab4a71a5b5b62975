// Selection: which files of a mirror are copied: all, those of one release of a channel, or those
// of store paths whose name matches a pattern, with everything that they refer to. What a
// substituter needs besides (nix-cache-info, mirror.json, README.txt) is always taken.
//
// Of a drive that is no mirror, a pattern selects files by their path.
//
// Threads: one makes it; then any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/result.h"
#include "mirror/mirror_view.h"

namespace hnx::hyp {

// A listing, or a set of matching paths, beyond this is refused.
inline constexpr std::size_t kSelectedPathsMax = 4'000'000;
inline constexpr std::uint64_t kListingBytesMax = std::uint64_t{1} << 30;

struct SelectionOptions {
  std::string release;  // "CHANNEL" (its newest release), "CHANNEL/RELEASE"; empty: not by release
  std::string match;    // a regular expression (ECMAScript); empty: all
};

class Selection {
 public:
  // Reads what it needs to know from the mirror: of a release its listing, for a pattern the
  // narinfos. kNotFound: the mirror has no such release.
  static Result<Selection> Make(const mirror::MirrorView& view, const SelectionOptions& options);

  bool everything() const { return everything_; }
  // A path of the index drive, or of the only drive there is.
  bool TakesOfIndex(std::string_view path) const;
  // A path of a shard.
  bool TakesOfShard(std::string_view path) const;

 private:
  Selection() = default;

  Result<void> ReadRelease(const mirror::MirrorView& view, const std::string& name);
  Result<void> ReadListing(const mirror::MirrorView& view, const std::string& path);
  Result<void> TakeListingLine(std::string_view line);
  Result<void> ReadMatches(const mirror::MirrorView& view, const std::regex& pattern);

  bool everything_ = true;
  bool mirror_ = false;
  std::optional<std::regex> path_pattern_;  // of a drive that is no mirror
  std::string release_folder_;              // "/channels/<channel>/<release>/"
  std::string latest_path_;
  std::unordered_set<std::string> hashes_;  // of store paths
  std::unordered_set<std::string> nars_;    // "/nar/<file>"
};

}  // namespace hnx::hyp
