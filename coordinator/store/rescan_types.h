// What a rescan reads out of an index drive and hands to the database (PgRescanStore), and what it
// has to report in the end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "coordinator/store/walk_store.h"

namespace hnx::coordinator {

// The worker that stands for the writers of shards that nobody has reported since a rescan.
inline constexpr std::string_view kUnclaimedWorker = "00000000000000000000000000000000";

// Findings of one kind that are named; all are counted.
inline constexpr std::int64_t kRescanFindingsNamedMax = 1'000;

// How far a rescan has come; rescan.phase. Up to kCheck only the staging tables were written.
enum class RescanPhase : int {
  kIndex = 0,       // next: entries of the index, in order
  kReleases = 1,    // next: folders of releases, one after the other
  kCheck = 2,       // next: whether what was staged fits together
  kShards = 3,      // next: upstreams and shards
  kPaths = 4,       // next: narinfos, NARs and published paths
  kFailed = 5,      // next: missing, set aside and blocked paths
  kReferences = 6,  // next: who refers to whom
  kVanished = 7,    // next: what this database had published and the index has no more
  kMembers = 8,     // next: releases and which paths they consist of
  kPlan = 9,        // next: depths, cycles, who waits, who is blocked, NARs of releases
  kSettle = 10,     // next: the releases' states
  kEnd = 11,        // next: what is left over
  kDone = 12,
};

struct RescanShard {
  Bytes key;
  Bytes content_key;
  std::uint64_t db_length = 0;
  std::uint64_t content_byte_length = 0;
};

struct RescanBlob {
  std::uint64_t byte_offset = 0;
  std::uint64_t block_offset = 0;
  std::uint64_t block_length = 0;
  std::uint64_t byte_length = 0;
};

struct RescanLink {
  std::string file;
  Bytes shard_key;
  std::optional<RescanBlob> blob;  // absent: the link's metadata does not say it
};

struct RescanNarInfo {
  std::string hash;
  std::string upstream;  // its URL
  VerifiedNarInfo info;  // without `path`
};

// `kind` is a stable word: narinfo, link, entry, release, manifest, listing, file, roots, place,
// vanished, retired, leaving.
struct RescanFinding {
  std::string kind;
  std::string object;
  std::string reason;
};

struct RescanReleaseName {
  std::string channel;
  std::string name;
};

// Entries of the index, in order, with the last one's path.
struct RescanEntries {
  std::vector<RescanNarInfo> narinfos;
  std::vector<RescanLink> links;
  std::vector<RescanReleaseName> releases;
  std::vector<RescanFinding> findings;
  std::string last_path;
};

struct RescanMember {
  std::string hash;
  std::string name;  // empty: not known
  std::string state;
  std::string reason;
  std::string blocked_by;  // a hash
  std::string accepted;
};

struct RescanPlace {
  std::string file;
  Bytes shard_key;
  RescanBlob blob;
};

struct RescanFile {
  std::string name;
  Sha256 sha256{};
  std::uint64_t size_bytes = 0;
  ArtifactId artifact = 0;  // 0: not there as it should be
};

// One release as its manifest describes it.
struct RescanReleaseFacts {
  std::string upstream;
  std::string source_url;
  std::string revision;
  std::vector<std::string> match;
  std::vector<std::string> exclude;
  std::uint64_t manifest_revision = 0;
  std::string submitted_at;  // ISO 8601, UTC; empty: not known
  std::string settled_at;
  bool members_known = false;
  bool is_latest = false;
  ArtifactId manifest = 0;
  ArtifactId listing = 0;
  std::vector<RescanFile> files;
};

struct RescanReport {
  struct Kind {
    std::string kind;
    std::uint64_t count = 0;
    std::vector<RescanFinding> named;  // the first ones
  };
  bool dry_run = false;
  std::uint64_t index_length = 0;
  // Read and found good.
  std::uint64_t narinfos_read = 0, links_read = 0, shards_read = 0, releases_read = 0;
  // In the database now; all 0 in a dry run.
  std::uint64_t published = 0, missing = 0, set_aside = 0, blocked = 0;
  std::uint64_t nars = 0, bytes = 0, shards = 0, shards_unclaimed = 0;
  std::uint64_t releases_settled = 0, releases_reopened = 0, unnamed_links = 0;
  std::vector<Kind> findings;
};

}  // namespace hnx::coordinator
