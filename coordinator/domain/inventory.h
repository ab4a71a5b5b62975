// What a mirror consists of and what is under way, as operators list it. Times are Unix
// milliseconds of the database's clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace hnx::coordinator {

inline constexpr std::uint32_t kLeasesListed = 100;
inline constexpr std::uint32_t kLeasesListedMax = 1'000;

// The index drive or a shard.
struct DriveView {
  Bytes key;
  bool is_index = false;
  std::string worker_id;  // its writer
  std::string worker_name;
  std::string state;   // open, sealed, lost
  std::string reason;  // why it is sealed
  // As recorded.
  std::uint64_t length = 0;  // of the db core
  std::uint64_t bytes = 0;   // of the content
  std::uint64_t nars = 0;
  std::uint32_t copies = 0;
  std::uint32_t copies_whole = 0;
  std::optional<std::int64_t> created_at_ms;    // shards
  std::optional<std::int64_t> published_at_ms;  // the index
};

struct DriveFilter {
  std::string worker;       // its writer or a holder, by id or name; empty: all
  std::string state;        // empty: all
  std::uint32_t limit = 0;  // 0: all
};

struct QueueView {
  std::string state;
  std::uint64_t count = 0;
  std::optional<std::int64_t> oldest_at_ms;
};

struct LeaseView {
  std::uint64_t job_id = 0;
  std::string worker_id;
  std::string worker_name;
  std::uint64_t release_id = 0;  // 0: of none
  std::uint32_t attempt = 0;
  std::uint64_t nars = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_done = 0;
  std::int64_t leased_at_ms = 0;
  std::int64_t expires_at_ms = 0;
  bool late = false;  // expired, and not taken back yet
};

struct JobFilter {
  std::string worker;                   // by id or name; empty: all
  std::string state;                    // of QueueView; empty: all
  std::uint32_t limit = kLeasesListed;  // of leases
};

struct JobsView {
  std::vector<QueueView> queue;
  std::uint64_t leases = 0;  // also those that are not listed
  std::vector<LeaseView> listed;
};

}  // namespace hnx::coordinator
