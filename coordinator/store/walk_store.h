// WalkStore: all that channel resolution and the walk need of the database, as an interface, so
// that both can be read and tested without SQL. PgWalkStore implements it.
//
// The life of a release as seen from here:
//
//   resolving --PinRelease, AddReleaseFile, AddRoots, BeginWalk--> walking
//   walking   --NextFrontier, SaveWalkResults, FinishWalk--> planned or mirroring (or refused)
//   resolving, walking --RefuseRelease--> refused
//
// Everything is resumable: each call is one transaction (ArtifactWriter excepted), a repeated call
// changes nothing more, and nothing that a caller holds in memory is needed after a crash. Lists
// are bounded by the caller; nothing here grows with the number of paths.
//
// Errors: kUnavailable when the database cannot be reached or the transaction must be repeated;
// kAborted when this replica is not the leader any more: the caller drops what it holds and begins
// again from the store. Thread-safe: the walk saves from one thread while it reads from another.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "coordinator/domain/host_share.h"

namespace hnx::coordinator {

using ReleaseId = std::int64_t;
using PathId = std::int64_t;
using UpstreamId = std::int64_t;
using ArtifactId = std::int64_t;
using Sha256 = std::array<std::byte, 32>;

// A chunk of an artifact; the schema's limit.
inline constexpr std::size_t kArtifactChunkBytesMax = std::size_t{1} << 20;
// Rows in one AddRoots, NextFrontier or SaveWalkResults.
inline constexpr std::size_t kWalkBatchMax = 16'384;

// ---------------------------------------------------------------------------------------------
// Releases

// What was asked for, and what is known of it.
struct WalkRelease {
  ReleaseId id = 0;
  std::string channel;
  std::string name;  // '' until pinned
  std::string
      source_url;  // the pinned release directory, without a trailing slash; '' until pinned
  std::string revision;
  UpstreamId upstream_id = 0;
  std::string upstream_url;  // without a trailing slash; file:///... for an import
  std::vector<std::string> match;
  std::vector<std::string> exclude;
  bool force = false;
};

struct ReleasePin {
  std::string name;
  std::string source_url;
  std::string revision;
};

// What the channel had before; for the checks that a list does not shrink and a channel does not
// go back. Refused releases and those that are still resolving do not count.
struct PreviousRelease {
  std::string name;  // of the newest other release of the channel
  // Roots of the newest other release of the channel with equal `match` and `exclude`; 0: none.
  std::uint64_t roots = 0;
};

struct ReleaseFileRow {
  std::string name;
  Sha256 sha256{};
  std::uint64_t size_bytes = 0;
  std::optional<ArtifactId> artifact;  // absent until fetched and checked
};

// One file being written into the database, in chunks; the only thing here that is more than one
// transaction. One thread. Destroyed before Finish, or never finished after a crash: its rows are
// garbage, which PgWalkStore removes.
class ArtifactWriter {
 public:
  virtual ~ArtifactWriter() = default;
  // Any size; cut into chunks of kArtifactChunkBytesMax by the writer.
  virtual Result<void> Append(ByteView bytes) = 0;
  // The caller has checked the bytes against `sha256`.
  virtual Result<ArtifactId> Finish(const Sha256& sha256) = 0;
};

// ---------------------------------------------------------------------------------------------
// The walk

struct PathName {
  std::string hash;  // 32 characters of nix32
  std::string name;  // what follows the dash
};

// Two names for one hash, found by AddRoots.
struct RootConflict {
  std::string hash;
  std::string listed_name;
  std::string known_name;
  // The other name is a root of this very release: the list contradicts itself.
  bool in_this_release = false;
};

struct AddRootsOutcome {
  std::uint64_t added = 0;              // rows that were not there
  std::vector<RootConflict> conflicts;  // the first few, at most 20; the known name was kept
};

struct FrontierPath {
  PathId path = 0;
  std::string hash;
  std::string name;
  int attempts = 0;  // failures counted so far in this release's walk
  // Upstreams that need not be asked again in this walk, and why the first of them was refused;
  // empty: they lack it.
  std::vector<UpstreamId> ruled_out{};
  std::string reason{};
  std::string message{};
};

struct Frontier {
  // In ascending order of `path`.
  std::vector<FrontierPath> paths;
  // Nothing was ready: the time until the earliest path that waits for its next attempt. Absent as
  // well, and nothing waits for other upstreams: the frontier is empty, the walk has ended.
  std::optional<std::chrono::milliseconds> next_ready;
  // There are paths that none of the upstreams asked now has; only others can have them.
  bool waits_for_others = false;
};

// A narinfo whose signature (or content address) was verified.
struct VerifiedNarInfo {
  PathId path = 0;
  std::string name;     // the signed one; replaces what a list or a referrer claimed
  std::string content;  // verbatim
  std::string url;      // as in the narinfo: nar/<file>
  std::string file;     // <file>, also for a URL with a query
  std::string compression;
  Sha256 nar_hash{};
  std::uint64_t nar_size = 0;
  std::optional<Sha256> file_hash;
  std::uint64_t file_size = 0;       // 0: upstream did not say
  std::vector<PathName> references;  // unique, without the path itself
  UpstreamId upstream = 0;           // where it came from; 0: the release's own upstream
};

struct PathFailure {
  enum class Verdict {
    kMissing,   // upstream has no narinfo
    kSetAside,  // refused for good
    kLater,     // attempts = `attempts`, not before now + `retry_in`; stays in the frontier
  };
  PathId path = 0;
  Verdict verdict = Verdict::kLater;
  std::string reason;  // stable word
  std::string message;
  int attempts = 0;
  std::chrono::milliseconds retry_in{0};
  // kLater: what the frontier remembers of it (FrontierPath); `reason` above may be another one.
  std::vector<UpstreamId> ruled_out{};
  std::string refused_reason{};
  std::string refused_message{};
};

struct SaveOutcome {
  std::uint64_t saved = 0;
  // A narinfo of the path was stored before: other bytes with the same NarHash, or another NarHash.
  std::uint64_t narinfos_changed = 0;
  std::uint64_t nar_hashes_changed = 0;
  std::uint64_t paths_discovered = 0;  // rows added to the release by the references
  // Of these, those that nobody knew before: they stand in the frontier and can be asked for
  // without reading it. Bounded by what the batch refers to.
  std::vector<FrontierPath> discovered;
};

struct ConfiguredUpstream {
  std::string url;  // without a trailing slash
  std::vector<std::string> public_keys;
};

class WalkStore {
 public:
  virtual ~WalkStore() = default;

  // --- Releases

  // The first by priority, then by age; nothing when there is none. A release whose last attempt
  // failed in passing (DeferRelease) is not returned before its time.
  virtual Result<std::optional<WalkRelease>> NextReleaseToResolve() = 0;
  virtual Result<std::optional<WalkRelease>> NextReleaseToWalk() = 0;

  // kAlreadyExists when it is pinned to something else: a pin never moves.
  virtual Result<void> PinRelease(ReleaseId release, const ReleasePin& pin) = 0;
  virtual Result<PreviousRelease> FindPreviousRelease(ReleaseId release) = 0;
  // From resolving or walking; its roots and frontier go, `message` stays.
  virtual Result<void> RefuseRelease(ReleaseId release, const std::string& message) = 0;
  // Not this release's fault: `message` shows what it waits for; NextReleaseTo... leaves it out for
  // `retry_in`. The time may live in memory: after a restart it is simply tried at once.
  virtual Result<void> DeferRelease(ReleaseId release, const std::string& message,
                                    std::chrono::milliseconds retry_in) = 0;

  // --- The release's own files

  virtual Result<std::unique_ptr<ArtifactWriter>> NewArtifact() = 0;
  // A finished one with these bytes, of any release.
  virtual Result<std::optional<ArtifactId>> FindArtifact(const Sha256& sha256,
                                                         std::uint64_t size_bytes) = 0;
  // Chunk after chunk; an error of `sink` ends the reading and is returned.
  virtual Result<void> ReadArtifact(ArtifactId artifact,
                                    const std::function<Result<void>(ByteView)>& sink) = 0;
  // Adds the row or sets its artifact. kAlreadyExists when it is there with another hash.
  virtual Result<void> AddReleaseFile(ReleaseId release, const ReleaseFileRow& file) = 0;
  virtual Result<std::vector<ReleaseFileRow>> ListReleaseFiles(ReleaseId release) = 0;

  // --- Roots

  // Paths that do not exist are made (discovered); each becomes a root, in the frontier unless it
  // is taken over, planned, from the release's base.
  virtual Result<AddRootsOutcome> AddRoots(ReleaseId release, std::span<const PathName> roots) = 0;
  virtual Result<std::uint64_t> CountRoots(ReleaseId release) = 0;
  // resolving -> walking.
  virtual Result<void> BeginWalk(ReleaseId release) = 0;

  // --- The walk

  // Expands frontier paths whose narinfo is stored (known, stored, published) within the database:
  // their references join the release. At most `limit` paths; the answer says how many, so 0 means
  // that only paths are left whose narinfo must be read. When there are none of those either, what
  // the release took over from its base (release.base_id) is closed under References.
  virtual Result<std::uint64_t> ExpandKnown(ReleaseId release, std::size_t limit) = 0;
  // Frontier paths that need their narinfo read (discovered; and missing or set aside ones, asked
  // again once per release), ready now, above `after`, at most `limit`. The caller starts again at
  // 0 when it has reached the end, and leaves out by itself what it has in flight. `askable`: the
  // upstreams that can be asked now; paths for which all of them are ruled out are left out. Empty:
  // none is left out.
  virtual Result<Frontier> NextFrontier(ReleaseId release, PathId after, std::size_t limit,
                                        std::span<const UpstreamId> askable) = 0;
  // One transaction: narinfos with their NARs and references, new frontier rows, failures; then the
  // paths are expanded (kLater excepted). A path that was stored or published in the meantime keeps
  // its narinfo. NARs that are stored already are taken over, missing or set aside ones are wanted
  // again.
  virtual Result<SaveOutcome> SaveWalkResults(ReleaseId release,
                                              std::span<const VerifiedNarInfo> narinfos,
                                              std::span<const PathFailure> failures) = 0;
  // The frontier is empty: depths, counters, blocked paths, then planned or mirroring.
  // kFailedPrecondition when the frontier is not empty.
  virtual Result<void> FinishWalk(ReleaseId release) = 0;

  // --- Upstreams

  // These and no others are configured, in this order of preference. Their ids.
  virtual Result<std::vector<UpstreamId>> ConfigureUpstreams(
      std::span<const ConfiguredUpstream> upstreams) = 0;
  // Holds back everything that goes to this upstream, on all replicas and workers; never shortens.
  virtual Result<void> PauseUpstream(UpstreamId upstream, std::chrono::milliseconds pause) = 0;
  // Renews the walk's share of what the cluster may do at the upstream's host. `use`: what the walk
  // has in force (its host is not read). The answer's pause is what is left of one; zero for none;
  // some seconds as long as an operator pauses the host.
  virtual Result<HostAllowance> ClaimShare(UpstreamId upstream, const HostUseReport& use) = 0;
};

}  // namespace hnx::coordinator
