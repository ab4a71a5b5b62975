// ReleaseAudit: the proof of completeness of one release against the drives: manifest.json and
// listing.zst agree with each other; every path that they call published has its narinfo in the
// index and its NAR where listing.zst says; the release's own files have the hashes that the
// manifest names; and every root of store-paths.xz, with all that it refers to, is either published
// or named with the reason why it is not.
//
// Memory: 40 bytes for each path of the release.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "hyp/findings.h"
#include "mirror/format/release_proof.h"
#include "mirror/mirror_view.h"

namespace hnx::hyp {

class ReleaseAudit {
 public:
  // All must outlive the audit. `on_path` is told how many paths were checked, now and then.
  ReleaseAudit(const mirror::MirrorView& mirror, Findings& findings,
               std::function<void(std::uint64_t)> on_path)
      : mirror_(mirror), findings_(findings), on_path_(std::move(on_path)) {}

  // "CHANNEL/RELEASE", or "CHANNEL" for the channel's latest. What is wrong goes to the findings;
  // an Error: nothing could be checked (no such release), or peers went away.
  Result<void> Check(const std::string& release);

  std::uint64_t paths() const { return proof_.listed(); }
  std::uint64_t unpublished() const { return unpublished_.size(); }
  // Of those: outside of the budget of the mirror's operator.
  std::uint64_t left_out() const { return proof_.manifest().left_out; }
  // NARs in shards that are not here: their place was not checked.
  std::uint64_t not_here() const { return not_here_; }

 private:
  using HashKey = std::array<char, 32>;  // the hash part of a store path

  static HashKey KeyOf(std::string_view hash);
  bool Knows(std::string_view hash) const;
  std::string PathOf(std::string_view file) const;
  Result<void> ReadManifest();
  Result<void> ReadListing(const std::function<Result<void>(std::string_view)>& on_line);
  Result<void> CheckListed(const mirror::ListedPath& path);
  Result<void> CheckNarInfo(const mirror::ListedPath& path);
  Result<void> CheckNar(const mirror::ListedPath& path);
  Result<void> CheckFiles();
  Result<void> CheckFile(const mirror::ManifestFile& file);
  Result<void> CheckRoots();

  const mirror::MirrorView& mirror_;
  Findings& findings_;
  const std::function<void(std::uint64_t)> on_path_;
  mirror::ReleaseProof proof_;
  std::string channel_;
  std::string release_;
  std::vector<HashKey> published_;    // ascending
  std::vector<HashKey> unpublished_;  // ascending
  std::uint64_t not_here_ = 0;
};

}  // namespace hnx::hyp
