#include "worker/shard/shard_ledger.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

namespace hnx::worker {

bool SameHead(const hyper::DriveHead& a, const hyper::DriveHead& b) {
  if (a.db_length != b.db_length || a.content_length != b.content_length ||
      a.content_byte_length != b.content_byte_length) {
    return false;
  }
  // The hash of an empty tree is left out on the wire.
  return (a.db_length == 0 || a.db_tree_hash == b.db_tree_hash) &&
         (a.content_length == 0 || a.content_tree_hash == b.content_tree_hash);
}

ShardLedger::ShardLedger(const hyper::DriveHead& head, bool made_now)
    : head_(head), standing_(made_now ? Standing::kWritable : Standing::kUnconfirmed) {
  if (made_now) {
    base_ = hyper::DriveHead{};  // nothing of it is recorded, and that is known
  }
}

std::vector<ShardEntry> ShardLedger::EntriesAboveBase() const {
  std::vector<ShardEntry> entries;
  entries.reserve(unrecorded_);
  for (const Commit& commit : commits_) {
    entries.insert(entries.end(), commit.entries.begin(), commit.entries.end());
  }
  return entries;
}

const ShardEntry* ShardLedger::FindUnrecorded(std::string_view file) const {
  for (const Commit& commit : commits_) {
    for (const ShardEntry& entry : commit.entries) {
      if (entry.file == file && !entry.deleted) {
        return &entry;
      }
    }
  }
  return nullptr;
}

bool ShardLedger::AcceptCommits(const hyper::DriveHead& recorded) {
  const auto last = std::find_if(commits_.rbegin(), commits_.rend(), [&](const Commit& commit) {
    return SameHead(commit.head, recorded);
  });
  if (last == commits_.rend()) {
    return false;
  }
  for (auto accepted = commits_.begin(); accepted != last.base(); ++accepted) {
    unrecorded_ -= accepted->entries.size();
  }
  commits_.erase(commits_.begin(), last.base());
  base_ = recorded;
  tail_was_read_ = false;
  return true;
}

void ShardLedger::Committed(const hyper::DriveHead& head, std::vector<ShardEntry> entries) {
  head_ = head;
  unrecorded_ += entries.size();
  commits_.push_back({head, std::move(entries)});
}

void ShardLedger::Recorded(const hyper::DriveHead& recorded) {
  if (standing_ == Standing::kRefused || AcceptCommits(recorded) ||
      (base_ && SameHead(*base_, recorded))) {
    return;
  }
  if (recorded.db_length > head_.db_length || recorded.content_length > head_.content_length) {
    Refuse(fmt::format(
        "the coordinator recorded lengths {} and {}, the drive has {} and {}: it was "
        "restored from an older state",
        recorded.db_length, recorded.content_length, head_.db_length, head_.content_length));
    return;
  }
  if (SameHead(recorded, head_)) {
    base_ = recorded;
    standing_ = Standing::kWritable;
    return;
  }
  if (recorded.db_length == head_.db_length) {
    Refuse("the coordinator recorded another tree hash at the drive's length");
    return;
  }
  base_ = recorded;
  commits_.clear();
  unrecorded_ = 0;
  standing_ = Standing::kNeedsTail;
}

void ShardLedger::SetTail(std::vector<ShardEntry> entries) {
  commits_.clear();
  unrecorded_ = entries.size();
  commits_.push_back({head_, std::move(entries)});
  tail_was_read_ = true;
  standing_ = Standing::kWritable;
}

void ShardLedger::Cut(const hyper::DriveHead& head) {
  commits_.clear();
  unrecorded_ = 0;
  head_ = head;
  base_ = head;
  tail_was_read_ = false;
  standing_ = Standing::kWritable;
}

void ShardLedger::Refuse(std::string why) {
  standing_ = Standing::kRefused;
  refusal_ = std::move(why);
  commits_.clear();
  unrecorded_ = 0;
}

}  // namespace hnx::worker
