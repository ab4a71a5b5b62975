// What people see of releases, workers and shards: plain values between store and rpc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "coordinator/domain/scrub_view.h"

namespace hnx::coordinator {

struct PlanView {
  std::uint64_t paths = 0;
  std::uint64_t nars_to_fetch = 0;
  std::uint64_t bytes_to_fetch = 0;
  std::uint64_t nar_bytes = 0;
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t disk_needed_bytes = 0;
  double seconds_expected = 0;
  std::uint64_t missing_upstream = 0;
  bool fits = false;

  bool operator==(const PlanView&) const = default;
};

struct ReleaseView {
  std::int64_t id = 0;
  std::string channel;
  std::string name;
  std::string revision;
  std::string state;  // the word in SQL
  std::string message;
  bool latest = false;
  bool pinned = false;  // never retired
  std::int64_t submitted_at_ms = 0;
  std::int64_t settled_at_ms = 0;
  std::uint64_t paths_total = 0;
  std::uint64_t paths_published = 0;
  std::uint64_t paths_missing = 0;
  std::uint64_t paths_set_aside = 0;
  std::uint64_t paths_blocked = 0;
  std::uint64_t paths_left_out = 0;  // by the budget
  std::uint64_t narinfos_read = 0;
  std::uint64_t nars_total = 0;
  std::uint64_t nars_stored = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_stored = 0;
  std::uint64_t bytes_reused = 0;
  std::uint64_t file_hash_drift = 0;
  std::uint64_t files = 0;
  std::uint64_t files_published = 0;
  int priority = 0;
  bool paused = false;
  std::string pause_reason{};
  std::optional<PlanView> plan;

  bool operator==(const ReleaseView&) const = default;
};

struct WorkerView {
  std::string id;
  std::string name;
  std::vector<std::string> roles;
  bool alive = false;
  std::int64_t last_seen_ms = 0;
  std::uint64_t disk_free_bytes = 0;
  std::uint32_t jobs = 0;
  std::uint64_t bytes_stored = 0;
  bool paused = false;
  std::string pause_reason{};
  bool draining = false;
  // Of a draining one: what would be lost with it.
  std::vector<Bytes> lone_shards{};
  bool lone_index = false;
  // An operator said that its disk is gone.
  bool forgotten = false;
  bool disk_full = false;
  std::uint32_t shards = 0;       // with content, lost ones too
  std::uint32_t shards_lost = 0;  // of which its disk does not hold what was recorded
  std::string version{};
  // Of other workers' shards: that it is to hold, that are whole; bytes on its disk.
  std::uint32_t copies = 0;
  std::uint32_t copies_whole = 0;
  std::uint64_t copy_bytes = 0;
  std::string failure_domain{};
  std::string peer_address{};
  std::uint32_t lone_unassigned = 0;  // lone shards that nobody is to hold a copy of

  bool removable() const { return draining && jobs == 0 && lone_shards.empty() && !lone_index; }
};

// One binary cache that paths come from.
struct UpstreamCacheView {
  std::string url;
  std::uint32_t preference = 0;  // from 1 on; 0: not configured (any more)
  std::vector<std::string> public_keys;
  std::uint64_t nars_stored = 0;
};

struct UpstreamView {
  std::string host;
  bool paused = false;
  std::string pause_reason;
  std::uint64_t held_back_ms = 0;
  std::string breaker;  // closed, open, half_open
  std::uint32_t failures_in_a_row = 0;
  std::uint64_t bytes_per_second = 0;  // limits of the cluster; 0: none
  double requests_per_second = 0;
  std::uint32_t transfers_max = 0;
  std::uint32_t window = 0;
  std::vector<UpstreamCacheView> caches;
};

struct ShardView {
  Bytes key;
  std::string worker_name;
  std::uint64_t nars = 0;
  std::uint64_t bytes = 0;
  bool sealed = false;
  bool lost = false;
  std::uint32_t copies = 0;        // other workers that are to hold it
  std::uint32_t copies_whole = 0;  // and do
  std::optional<ScrubView> scrub;  // by its writer
};

// Of bytes of NAR files, and what the last choice came to.
struct BudgetView {
  std::uint64_t bytes = 0;  // 0: there is none any more
  bool choosing = false;
  std::uint64_t kept_paths = 0;
  std::uint64_t kept_bytes = 0;
  std::uint64_t left_out_paths = 0;
  std::uint64_t waiting_paths = 0;  // inside of it, once there is room
  double kept_value = 0;            // of the least valuable one that is kept
};

struct StatusView {
  Bytes index_key;  // empty: no worker with the role index has come
  std::uint64_t index_length = 0;
  std::uint64_t published_batch = 0;
  // What another holder has whole.
  std::uint64_t index_acknowledged_length = 0;
  std::uint64_t index_acknowledged_batch = 0;
  std::uint64_t paths_published = 0;
  bool paused = false;
  std::string pause_reason;
  // There is one, or something is left out still.
  std::optional<BudgetView> budget;
  std::vector<UpstreamView> upstreams;
  std::vector<ReleaseView> releases;
  std::vector<WorkerView> workers;
  std::vector<ShardView> shards;
};

// A path that one release has and another lacks.
struct PathDifference {
  bool added = false;  // else gone
  std::string store_path;
  std::string state;        // the word in SQL
  std::uint64_t bytes = 0;  // of its NAR file; others may share it
};

// NARs count once, however many paths share them.
struct DifferenceTotals {
  std::uint64_t paths_added = 0;
  std::uint64_t paths_gone = 0;
  std::uint64_t nars_added = 0;
  std::uint64_t nars_gone = 0;
  std::uint64_t bytes_added = 0;
  std::uint64_t bytes_gone = 0;
};

struct FailureView {
  std::string store_path;
  std::string state;
  std::string reason;
  std::string message;
  std::string blocked_by;
  std::int64_t since_ms = 0;
  std::uint32_t attempts = 0;
  std::string accepted{};  // why; empty: nobody did
};

}  // namespace hnx::coordinator
