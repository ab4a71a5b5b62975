// WorkerReport and DesiredState: the two halves of Synchronize, as plain values. rpc/ makes them
// from the protocol's messages, whose comments say what each field means.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "coordinator/domain/drive_head.h"
#include "coordinator/domain/host_share.h"

namespace hnx::coordinator {

// Entries of one shard in one call; the protocol's kShardEntriesMax.
inline constexpr std::size_t kShardEntriesMax = 4096;
inline constexpr std::size_t kWorkerJobsMax = 256;
inline constexpr std::size_t kWorkerDrivesMax = 1024;
inline constexpr std::size_t kPublishedShardsMax = 65'536;
inline constexpr std::size_t kPublishedChannelsMax = 1024;
inline constexpr std::size_t kWorkerHostsMax = 64;
inline constexpr std::size_t kWorkerCopiesMax = 4096;
inline constexpr std::size_t kWorkerNameMax = 255;
inline constexpr std::size_t kFailureMessageMax = 2000;
inline constexpr std::size_t kWorkerIdChars = 32;

struct BlobPlace {
  std::uint64_t byte_offset = 0;
  std::uint64_t block_offset = 0;
  std::uint64_t block_length = 0;
  std::uint64_t byte_length = 0;
};

struct ShardEntry {
  std::string file;
  BlobPlace blob;
  Bytes nar_hash;
  std::uint64_t nar_size = 0;
  bool file_hash_drift = false;
  bool deleted = false;
};

// What an index worker knows of the index beyond its own disk (IndexStanding of the protocol).
struct PublishedShard {
  Bytes key;
  Bytes content_key;
  std::uint64_t db_length = 0;
  std::uint64_t content_byte_length = 0;
};
struct PublishedChannel {
  std::string channel;
  std::string latest;
  std::int64_t submitted_at_ms = 0;  // 0: unknown
};
struct PublishedIndex {
  std::vector<PublishedShard> shards;
  std::vector<PublishedChannel> channels;
};
struct IndexStanding {
  std::uint64_t known_db_length = 0;
  std::uint64_t known_content_length = 0;
  std::optional<std::uint64_t> accept_length;
  std::uint64_t acknowledged_db_length = 0;
  std::uint64_t acknowledged_content_length = 0;
  Bytes predecessor;
  std::optional<PublishedIndex> published;
};

struct DriveReport {
  Bytes key;
  Bytes content_key;
  DriveHead head;
  std::optional<DriveHead> base;
  std::vector<ShardEntry> entries;  // shards
  bool is_index = false;
  std::uint64_t publish_batch = 0;  // the index
  std::uint64_t publish_plan = 0;   // of that batch; 0: it was told none
  // Shards: block offsets of blobs whose blocks were cleared as asked.
  std::vector<std::uint64_t> cleared{};
  IndexStanding index{};  // the index
};

struct NarFailureReport {
  std::int64_t nar_id = 0;
  std::string reason;
  std::string message;
  ErrorCode code = ErrorCode::kUnknown;
  std::chrono::milliseconds retry_after{0};
};

struct JobReport {
  std::int64_t job_id = 0;
  std::uint32_t attempt = 0;
  std::uint64_t bytes_done = 0;
  std::vector<NarFailureReport> failures;
};

// A read-only copy of another worker's shard that the worker has on its disk.
struct CopyReport {
  Bytes key;
  std::uint64_t version = 0;         // whole at this one; 0: none so far, or not known
  std::uint64_t content_length = 0;  // in blocks: where the last blob of that version ends
  std::uint64_t bytes = 0;           // on the disk
};

struct WorkerReport {
  std::string worker_id;
  std::string worker_name;
  std::uint64_t incarnation = 0;
  std::uint64_t nonce = 0;
  std::uint64_t sequence = 0;
  bool mirrors = false;  // role mirror
  bool indexes = false;  // role index
  bool draining = false;
  // `drives` and `unread_drives` are all that is on the worker's disk.
  bool lists_all_drives = false;
  bool disk_full = false;
  bool scrubs_nothing = false;
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t capacity_bytes = 0;
  std::vector<JobReport> jobs;
  std::vector<DriveReport> drives;
  std::string version;
  std::vector<HostUseReport> hosts{};
  std::vector<Bytes> unread_drives{};
  std::string failure_domain{};
  std::string peer_address{};  // empty: peers cannot dial it
  std::vector<CopyReport> copies{};
  // What the call's certificate or token proves; empty: the door is open.
  std::string identity{};
};

// Where a NAR lay in a shard that its writer lost.
struct LostPlace {
  Bytes shard_key;
  BlobPlace blob;
};

struct NarUnit {
  std::int64_t nar_id = 0;
  std::string url;  // absolute
  std::string file;
  std::string compression;
  Bytes nar_hash;
  std::uint64_t nar_size = 0;
  Bytes file_hash;
  std::uint64_t file_size = 0;
  Bytes nar_info;
  std::string store_path;
  // Where it lay before that shard was lost; absent: it was never stored, or nobody knows.
  std::optional<LostPlace> lost{};
};

struct DesiredJob {
  std::int64_t job_id = 0;
  std::uint32_t attempt = 1;
  std::vector<NarUnit> nars{};
};

struct DesiredDrive {
  Bytes key;
  DriveHead recorded;
  bool cut_tail = false;
  bool sealed = false;
  std::vector<std::string> drop_files{};
  std::vector<std::string> delete_files{};
  std::vector<BlobPlace> clear_blobs{};
};

struct DesiredCopy {
  Bytes key;
  std::uint64_t version = 0;  // recorded; of a lost one: what a copy holds
  std::uint64_t bytes = 0;    // of its content
  std::vector<std::string> peers{};
  std::uint64_t content_end = 0;  // blobs that end beyond do not count; 0: all count
};

struct DesiredPublish {
  std::uint64_t batch = 0;
  DriveHead base;
  std::uint64_t plan = 0;  // which planning of the batch it is
};

struct DesiredState {
  std::vector<DesiredJob> jobs;
  std::vector<DesiredDrive> drives;
  std::optional<DesiredPublish> publish;
  std::optional<Bytes> index_key;
  std::vector<DesiredCopy> copies{};
  // Work may be there soon: call again quickly.
  bool idle = false;
  // An operator has the worker drained.
  bool drain = false;
  std::vector<HostAllowance> hosts{};
};

}  // namespace hnx::coordinator
