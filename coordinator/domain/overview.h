// Overview: what operators look at all the time, as one plain value: read every second or so from
// the database (pg_overview_store), shown by metrics and by the status page. Times are milliseconds
// since 1970 by the database's clock; nothing: it never was, or does not apply. Of everything there
// are at most so many as the limits say, however large the mirror.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace hnx::coordinator {

inline constexpr std::int64_t kOverviewChannelsMax = 100;
inline constexpr std::int64_t kOverviewReleasesMax = 20;  // beside the newest of each channel
inline constexpr std::int64_t kOverviewWorkersMax = 200;
inline constexpr std::int64_t kOverviewHostsMax = 100;
inline constexpr std::int64_t kOverviewEventsMax = 20;
// Of paths that could be published now so many are counted and looked at.
inline constexpr std::int64_t kOverviewReadyMax = 1'000;
// Of NARs that were lost.
inline constexpr std::int64_t kOverviewLostMax = 1'000;

using TimeMs = std::optional<std::int64_t>;

struct MirrorOverview {
  std::int64_t now_ms = 0;
  Bytes index_key;  // empty: no worker with the role index has come
  std::uint64_t index_length = 0;
  std::uint64_t index_acknowledged_length = 0;
  std::uint64_t published_batch = 0;
  std::uint64_t batches_pending = 0;  // planned, and not in the index yet
  TimeMs batch_pending_since_ms;      // the first of these
  bool paused = false;
  std::string pause_reason;
  bool has_leader = false;
  std::string schema_lacks;  // the first migration that the database lacks; empty: none
};

struct QueueOverview {
  // By state; NARs that nobody needs now are "idle" and not "wanted".
  std::map<std::string, std::uint64_t> nars;
  std::map<std::string, std::uint64_t> paths;
  std::uint64_t leases = 0;
  TimeMs oldest_lease_ms;
  TimeMs oldest_wanted_ms;
  std::uint64_t ready = 0;  // paths that could be published now, at most kOverviewReadyMax
  TimeMs oldest_ready_ms;
  // NARs of lost shards that are not linked elsewhere yet, at most kOverviewLostMax together.
  std::uint64_t lost_coming = 0;  // they are, or will be, brought back
  std::uint64_t lost_gone = 0;    // nobody has them
};

struct ChannelOverview {
  std::string name;
  bool followed = false;
  std::int64_t newest_release = 0;  // 0: none
  std::string seen;                 // where it points upstream
  TimeMs seen_at_ms;
  TimeMs late_since_ms;  // since when it points to what is not `latest` here
  TimeMs polled_at_ms;   // when it last answered
  std::string error;     // of the last poll
  std::string latest;
  TimeMs latest_settled_at_ms;
};

struct ReleaseOverview {
  std::int64_t id = 0;
  std::string channel;
  std::string name;
  std::string state;  // the word in SQL
  std::string message;
  bool latest = false;
  bool plan_only = false;
  bool paused = false;
  std::string pause_reason;
  std::int64_t submitted_at_ms = 0;
  TimeMs settled_at_ms;
  std::uint64_t paths = 0;
  std::uint64_t paths_published = 0;
  std::uint64_t paths_missing = 0;
  std::uint64_t paths_set_aside = 0;
  std::uint64_t paths_blocked = 0;
  std::uint64_t paths_left_out = 0;  // outside of the budget
  std::uint64_t narinfos_read = 0;
  std::uint64_t nars = 0;
  std::uint64_t nars_stored = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_stored = 0;
  // By what was seen in the last minute; nothing: nothing moves.
  std::uint64_t bytes_per_second = 0;
  TimeMs expected_end_ms;

  bool at_work() const {
    return state == "resolving" || state == "walking" || state == "mirroring";
  }
  // 0 to 1; 1 of no paths at all.
  double completeness() const {
    return paths == 0 ? 1 : static_cast<double>(paths_published) / static_cast<double>(paths);
  }
};

struct WorkerOverview {
  std::string name;
  std::vector<std::string> roles;
  bool alive = false;
  std::int64_t last_seen_ms = 0;
  std::uint64_t disk_free_bytes = 0;
  bool disk_full = false;
  std::uint64_t jobs = 0;
  bool paused = false;
  std::string pause_reason;
  bool draining = false;
  std::string version;
  std::uint64_t shards = 0;
  std::uint64_t shards_lost = 0;
  std::uint64_t shard_entries = 0;
  std::uint64_t shard_bytes = 0;
  std::uint64_t copies = 0;
  std::uint64_t copies_whole = 0;
  std::uint64_t copy_bytes = 0;
  // Of the last scrub of each of its drives: when the oldest one ended, nothing before there was
  // any; damage found and damage that could not be repaired.
  TimeMs scrubbed_at_ms{};
  std::uint64_t scrub_damaged = 0;
  std::uint64_t scrub_given_up = 0;
};

struct HostOverview {
  std::string host;
  bool paused = false;
  std::string pause_reason;
  TimeMs held_back_until_ms;
  bool breaker_open = false;
  std::uint64_t failures_in_a_row = 0;
};

struct EventOverview {
  std::int64_t id = 0;
  std::int64_t at_ms = 0;
  std::string what;
  std::string path;  // hash-name; empty: of none that is there
};

struct Overview {
  MirrorOverview mirror;
  QueueOverview queue;
  std::map<std::string, std::uint64_t> releases_by_state;
  std::vector<ChannelOverview> channels;
  std::vector<ReleaseOverview> releases;  // newest first
  std::vector<WorkerOverview> workers;
  std::vector<HostOverview> hosts;
  std::vector<EventOverview> events;  // newest first

  const ReleaseOverview* Release(std::int64_t id) const {
    for (const ReleaseOverview& release : releases) {
      if (release.id == id) {
        return &release;
      }
    }
    return nullptr;
  }
};

}  // namespace hnx::coordinator
