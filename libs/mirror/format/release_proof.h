// The proof of completeness of a release as readers see it: manifest.json and the lines of
// listing.zst (docs/formats/manifest.md), and whether they agree with each other. Written by
// coordinator/store/manifest_writer.
//
//   ReleaseProof proof;
//   HNX_TRY(proof.ReadManifest(text, on_unpublished));
//   for each line: HNX_ASSIGN_OR_RETURN(ListedPath path, proof.TakeLine(line));
//   for (const std::string& finding : proof.Findings()) ...
//
// Memory: a few bytes for each NAR of the listing. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/result.h"

namespace hnx::mirror {

inline constexpr std::size_t kManifestBytesMax = std::size_t{256} << 20;
inline constexpr std::size_t kListingLineBytesMax = 4096;
inline constexpr std::uint64_t kListedPathsMax = 4'000'000;

struct ManifestFile {
  std::string name;
  std::uint64_t size = 0;
  std::string sha256;  // hexadecimal
};

struct UnpublishedPath {
  std::string path;        // /nix/store/...
  std::string state;       // missing, set_aside, left_out, blocked
  std::string reason;      // of the first three
  std::string blocked_by;  // of the fourth
  std::string accepted;    // why an operator accepted the failure
};

struct ReleaseManifest {
  std::string channel;
  std::string release;
  std::string revision;
  std::string source_url;
  std::string upstream;
  std::string submitted_at;  // ISO 8601, UTC
  std::string settled_at;
  std::vector<std::string> match;
  std::vector<std::string> exclude;
  std::uint64_t manifest_revision = 0;
  std::uint64_t total = 0;
  std::uint64_t published = 0;
  std::uint64_t missing = 0;
  std::uint64_t set_aside = 0;
  std::uint64_t blocked = 0;
  std::uint64_t left_out = 0;      // by the operator's budget
  std::uint64_t budget_bytes = 0;  // 0: there was none
  std::uint64_t nars = 0;
  std::uint64_t nar_bytes = 0;
  std::vector<ManifestFile> files;
};

// One line of listing.zst.
struct ListedPath {
  std::string hash;  // of the store path
  std::string file;  // /nar/<file>
  std::uint64_t size = 0;
  std::string shard;  // id in z-base-32
  std::uint64_t byte_offset = 0;
  std::uint64_t block_offset = 0;
  std::uint64_t block_length = 0;
  std::uint64_t byte_length = 0;

  // kDataLoss: the line has another form.
  static Result<ListedPath> Parse(std::string_view line);
};

class ReleaseProof {
 public:
  // The unpublished paths as they come. kInvalidArgument: not a manifest that we can read.
  Result<void> ReadManifest(std::string_view text,
                            const std::function<void(const UnpublishedPath&)>& on_unpublished);
  // kDataLoss: not a line of a listing, or not in the order of hashes.
  Result<ListedPath> TakeLine(std::string_view line);

  const ReleaseManifest& manifest() const { return manifest_; }
  std::uint64_t listed() const { return listed_; }
  // After the last line: what does not add up, one sentence each.
  std::vector<std::string> Findings() const;

 private:
  ReleaseManifest manifest_;
  std::uint64_t missing_ = 0;
  std::uint64_t set_aside_ = 0;
  std::uint64_t blocked_ = 0;
  std::uint64_t left_out_ = 0;
  std::uint64_t listed_ = 0;
  std::uint64_t listed_bytes_ = 0;          // each NAR once
  std::unordered_set<std::uint64_t> nars_;  // where they lie
  std::string last_hash_;
};

}  // namespace hnx::mirror
