// RemoteDrive: a drive known by its key only, read from peers. What was fetched stays in a folder
// (an ordinary corestore, sparse), is there again after a restart, and is served to other peers.
//
//   auto drive = node->OpenRemote(key, {.folder = cache / key.id()});
//   HNX_TRY((*drive)->WaitForHead(ReadLimits::Within(5s)));
//   auto view = (*drive)->View(ReadLimits::Within(30s));
//   view->Entry("/nix-cache-info"), view->ReadBlob(...)
//
// Reads take what is on the disk from there and ask peers for the rest: entries block by block,
// blobs with a window of blocks read ahead, in order, so that the first byte comes before the last
// block. Blocks that arrive are kept.
//
// Threads: every method may be called from any thread but the node's loop. Those that take
// ReadLimits block. When the node has stopped, or the drive is frozen, they return kCancelled.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hyper/core/core_head.h"
#include "hyper/drive/drive_key.h"
#include "hyper/drive/drive_reader.h"
#include "hyper/drive/drive_view.h"
#include "hyper/node/read_limits.h"
#include "hyper/replication/replicator.h"

namespace hnx::hyper {

// A blob is asked for so far ahead of what was handed out.
inline constexpr std::uint64_t kReadAheadBytes = std::uint64_t{4} << 20;
inline constexpr std::size_t kReadAheadBlocksMax = 256;

struct RemoteDriveOptions {
  // A corestore; made when missing. One RemoteDrive, and one process, at a time.
  std::filesystem::path folder;
  // Look for peers in the swarm / be found there by others.
  bool lookup = true;
  bool announce = true;
  // Ask for every longer head. Without it the drive stays at the version that is held.
  bool follow = true;
  // Files never change: an entry of an older version counts when the newest version's are out of
  // reach (VersionInReach). That nothing is there is still said of the newest version only.
  bool older_entries = false;
  std::size_t cache_bytes_max = kDriveReaderCacheBytesDefault;
};

struct RemoteCoreStatus {
  CoreHead head;  // verified and durable
  std::uint64_t contiguous_length = 0;
  bool frozen = false;  // its owner signed two trees
  CoreSessionStatistics traffic;
  DownloaderStatistics download;
  std::vector<CorePeer> peers;
};

struct RemoteDriveStatus {
  RemoteCoreStatus db;
  std::optional<RemoteCoreStatus> content;  // none until the first entry of the db is known
  // Since a connected peer last said that ours is its newest head, or proved a newer one; none:
  // never in this process.
  std::optional<std::chrono::milliseconds> head_age;
  std::uint64_t bytes_on_disk = 0;  // of the content that is held
};

struct DownloadProgress {
  std::uint64_t blocks_held = 0;
  std::uint64_t blocks_total = 0;
  std::uint64_t bytes_fetched = 0;  // since the drive was opened
};

// What FetchLive brought onto this disk.
struct LiveVersion {
  std::uint64_t version = 0;         // length of the db core
  std::uint64_t content_length = 0;  // in blocks: where the last blob that it reaches ends
  // False: some of the rest is being sent to somebody and still here. Ask again later.
  bool nothing_else = true;

  friend bool operator==(const LiveVersion&, const LiveVersion&) = default;
};

enum class Availability {
  kHeld,     // every block is on this disk
  kAtPeers,  // connected peers say that they have what is missing
  kUnknown,  // peers were asked, and have not answered yet
  kNowhere,  // no connected peer has it
};

class RemoteDrive {
 public:
  virtual ~RemoteDrive() = default;
  RemoteDrive(const RemoteDrive&) = delete;
  RemoteDrive& operator=(const RemoteDrive&) = delete;

  virtual const DriveKey& key() const = 0;
  virtual const std::filesystem::path& folder() const = 0;

  // Returns when some version is known, from peers or from the folder, and the content's key with
  // it. kDeadlineExceeded; kUnavailable: the swarm was searched and nobody was there.
  virtual Result<void> WaitForHead(const ReadLimits& limits) = 0;
  // Returns when a peer has confirmed the head in this process, or gave a newer one.
  virtual Result<void> WaitForFreshHead(const ReadLimits& limits) = 0;
  // Returns when the version is greater than `version`.
  virtual Result<void> WaitForVersion(std::uint64_t version, const ReadLimits& limits) = 0;
  // Length of the db core; 0: no head yet.
  virtual std::uint64_t version() const = 0;
  // The longest version whose entries are here or with connected peers: version(), unless these are
  // known not to have all of them. A writer that dies may have told of entries that nobody has got.
  virtual Result<std::uint64_t> VersionInReach() = 0;

  // The drive at its version now, with these limits for all reads made through it. It keeps the
  // drive alive. kFailedPrecondition: no head yet.
  virtual Result<std::shared_ptr<const DriveView>> View(const ReadLimits& limits) = 0;

  // Whether the blob can be had now. Asks peers of which this is not known; ask again a little
  // later then, or give limits to WaitForAvailability, which returns anything but kUnknown, or
  // kUnknown at the deadline.
  virtual Result<Availability> AvailabilityOf(const BlobId& blob) = 0;
  virtual Result<Availability> WaitForAvailability(const BlobId& blob,
                                                   const ReadLimits& limits) = 0;

  // Returns when the whole blob is on this disk and durable. Resumes where an earlier one stopped.
  using OnProgress = std::function<void(const DownloadProgress&)>;
  virtual Result<void> Fetch(const BlobId& blob, const ReadLimits& limits,
                             const OnProgress& progress = {}) = 0;
  // Level-triggered: fetch all of the db / of both cores, and what is added to them.
  enum class Keep { kSparse, kEntries, kWhole };
  virtual void SetKeep(Keep keep) = 0;
  // Returns when all of the version that is known at the call is on this disk (kEntries: of the
  // db). SetKeep must have asked for it.
  virtual Result<void> WaitUntilHeld(Keep what, const ReadLimits& limits,
                                     const OnProgress& progress = {}) = 0;
  // Returns when the version that is known at the call is whole on this disk, durable: its entries,
  // and every blob that they name, in the order of the content core. The room of all other blocks
  // of the content is given back: what was deleted. Resumes where an earlier one stopped. For a
  // drive with SetKeep(kEntries). When nobody sends entries of it, the version in reach is taken
  // instead, and no room is given back.
  // `content_end`: blobs that end beyond do not count; they stay as they are.
  // `admit` is asked before each piece of at most so many bytes; its error ends the call.
  // kUnavailable: the content's head is behind the entries; ask again.
  using Admit = std::function<Result<void>(std::uint64_t bytes_max)>;
  virtual Result<LiveVersion> FetchLive(const ReadLimits& limits, const Admit& admit,
                                        std::optional<std::uint64_t> content_end) = 0;
  // Gives the blob's room on this disk back; peers are told. kUnavailable: somebody is sending it.
  virtual Result<void> Evict(const BlobId& blob) = 0;

  virtual Result<RemoteDriveStatus> Status() = 0;

 protected:
  RemoteDrive() = default;
};

}  // namespace hnx::hyper
