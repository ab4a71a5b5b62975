// Everything that `coordinator why` tells of one path: plain values between store and rpc, and
// ExplainPath, which says in a sentence what they mean. Times are Unix milliseconds of the
// database's clock, 0: it never was or does not apply.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace hnx::coordinator {

// Its NAR, as its narinfo describes it, and how far it has come.
struct NarFacts {
  std::string state;  // the word in SQL
  std::string url;    // whole
  std::string file;   // below /nar
  std::string compression;
  Bytes nar_hash;
  std::uint64_t nar_size = 0;
  Bytes file_hash;  // empty: the narinfo does not say
  std::uint64_t file_size = 0;
  bool file_hash_drift = false;
  bool needed = false;
  std::uint32_t leases = 0;
  std::uint32_t attempts = 0;
  std::int64_t next_try_ms = 0;
  std::string reason;
  std::string message;
  std::int64_t since_ms = 0;
  std::uint64_t linked_batch = 0;
  std::int64_t unlisted_at_ms = 0;
  bool unlinked = false;  // its link has left the index, or is on its way out
  Bytes lost_shard;       // that it was lost with
  std::string lost_worker;
};

struct LeaseFacts {
  std::int64_t job = 0;
  std::string worker_id;
  std::string worker_name;
  std::uint32_t attempt = 0;
  std::int64_t leased_at_ms = 0;
  std::int64_t expires_at_ms = 0;
  std::int64_t worker_seen_ms = 0;
};

// Where its file lies. Lengths are in blocks but for the bytes.
struct PlaceFacts {
  Bytes shard;
  std::string worker_id;
  std::string worker_name;
  bool worker_alive = false;
  bool sealed = false;
  bool lost = false;
  std::uint64_t shard_length = 0;
  std::uint64_t content_length = 0;
  std::uint64_t content_bytes = 0;
  std::uint64_t block_offset = 0;
  std::uint64_t block_length = 0;
  std::uint64_t byte_offset = 0;
  std::uint64_t byte_length = 0;
  std::vector<std::string> copies{};          // names of workers that hold it too
  std::vector<std::string> copies_to_come{};  // and of those that are to
};

struct PublicationFacts {
  std::uint64_t batch = 0;  // 0: none
  std::uint64_t published_batch = 0;
  std::int64_t planned_at_ms = 0;
  std::int64_t applied_at_ms = 0;
  std::uint64_t index_length = 0;
  Bytes index_key;  // empty: no worker with the role index has come
};

// A walk of a release at work that looks for its narinfo.
struct WalkFacts {
  std::int64_t release = 0;
  std::uint32_t attempts = 0;
  std::int64_t next_try_ms = 0;
  std::vector<std::string> ruled_out{};  // upstreams
  std::string reason;
  std::string message;
};

// Why it is left out.
struct LeftOutFacts {
  std::uint64_t budget_bytes = 0;
  std::optional<double> value;  // unknown until it was chosen with this path
  double kept_value = 0;        // of the least valuable one that is kept
  bool waits = false;           // it is to come in, and there is no room yet
  bool unfit = false;           // it, or what it needs, is larger than the budget
};

struct PathRelease {
  std::int64_t id = 0;
  std::string channel;
  std::string name;
  std::string state;
  bool root = false;
  bool paused = false;
  std::string message;
};

// The failed path at the root of a blocked one.
struct CauseFacts {
  std::string store_path;
  std::string state;
  std::string reason;
};

// What keeps its narinfo, or its NAR, from being fetched.
struct HoldFacts {
  std::string paused;  // what an operator paused: "its release"; empty: nothing
  std::string pause_reason;
  std::int64_t held_back_until_ms = 0;  // upstream asked for a pause
  bool breaker_open = false;
  std::uint32_t mirrors = 0;          // workers with the role mirror that call
  std::uint32_t mirrors_at_work = 0;  // of those, neither paused, nor leaving, nor full
};

struct PathView {
  std::string store_path{};
  std::string state{};  // the word in SQL, or blocked, or left_out
  std::int64_t since_ms = 0;
  std::uint32_t attempts = 0;
  std::string reason{};
  std::string message{};
  std::string upstream{};          // that its narinfo is from
  bool needed = false;             // a release at work has it, and it has yet to be published
  bool looking_elsewhere = false;  // other upstreams are asked for its NAR
  bool leaving = false;            // published, and nothing keeps it in the index
  bool left_out_mark = false;
  std::optional<CauseFacts> cause{};
  std::string accepted{};  // why an operator accepted its failure; empty: nobody did
  std::int64_t accepted_at_ms = 0;
  std::optional<NarFacts> nar{};
  std::optional<LeaseFacts> lease{};
  std::optional<PlaceFacts> place{};
  PublicationFacts publication{};
  std::optional<WalkFacts> walk{};
  std::optional<LeftOutFacts> left_out{};
  HoldFacts hold{};
  std::vector<std::string> waiting_for{};  // the first few
  std::uint64_t waiting_for_count = 0;
  std::vector<PathRelease> releases{};  // the newest few that have it
  std::uint64_t releases_count = 0;
  std::vector<std::pair<std::int64_t, std::string>> history{};
};

// What is going on. `situation` is one of the words in docs/schemas/coordinator-why.schema.json;
// programs go by it.
struct PathExplanation {
  std::string situation;
  std::string sentence;
  std::string advice{};  // what a person can do; empty: nothing has to be done
};
PathExplanation ExplainPath(const PathView& path);

}  // namespace hnx::coordinator
