// ShardLedger: what of a drive the coordinator has accepted and what it has not. Pure; the owner
// locks.
//
// The coordinator's word is the recorded head. Above it lie commits that are durable here and known
// to nobody else; their entries are reported until a recorded head covers them. Before the first
// word after a start nothing may be appended (unless the drive was made by this process): the drive
// could be older than what was accepted, or its record gone.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hyper/drive/hyperdrive.h"
#include "worker/shard/shard_entry.h"

namespace hnx::worker {

// Entries above the recorded head; the shard takes no more until the coordinator caught up.
inline constexpr std::size_t kShardEntriesMax = 4096;

// The fields that the coordinator compares (not the byte length of the db core).
bool SameHead(const hyper::DriveHead& a, const hyper::DriveHead& b);

class ShardLedger {
 public:
  enum class Standing {
    kUnconfirmed,  // no word yet: read only
    kWritable,
    kNeedsTail,  // recorded is lower than the head, and what lies between is to be read again
    kRefused,    // never appended to again
  };

  // `made_now`: this process made the drive, so nobody can have recorded more of it.
  ShardLedger(const hyper::DriveHead& head, bool made_now);

  Standing standing() const { return standing_; }
  // Why it is refused.
  const std::string& refusal() const { return refusal_; }
  const hyper::DriveHead& head() const { return head_; }
  const std::optional<hyper::DriveHead>& base() const { return base_; }
  std::size_t unrecorded() const { return unrecorded_; }
  // The tail that an earlier process left is read and not recorded yet.
  bool tail_was_read() const { return tail_was_read_; }
  std::vector<ShardEntry> EntriesAboveBase() const;
  // nullptr: no entry above the recorded head has this name.
  const ShardEntry* FindUnrecorded(std::string_view file) const;

  void Committed(const hyper::DriveHead& head, std::vector<ShardEntry> entries);
  // The coordinator's answer.
  void Recorded(const hyper::DriveHead& recorded);
  // kNeedsTail: what lies above the recorded head.
  void SetTail(std::vector<ShardEntry> entries);
  // After the tail was cut back to `head`.
  void Cut(const hyper::DriveHead& head);
  void Refuse(std::string why);

 private:
  struct Commit {
    hyper::DriveHead head;
    std::vector<ShardEntry> entries;
  };

  // Everything up to the last commit with this head is recorded; false when there is none.
  bool AcceptCommits(const hyper::DriveHead& recorded);

  hyper::DriveHead head_;
  std::optional<hyper::DriveHead> base_;
  std::deque<Commit> commits_;
  std::size_t unrecorded_ = 0;
  bool tail_was_read_ = false;
  Standing standing_;
  std::string refusal_;
};

}  // namespace hnx::worker
