#include "worker/peers/accepted_heads.h"

#include <algorithm>
#include <utility>

namespace hnx::worker {
namespace {

bool IsThe(const hyper::DriveHead& recorded, const hyper::SignedDriveHead& head) {
  return recorded.db_length == head.db.length && recorded.db_tree_hash == head.db.tree_hash &&
         recorded.content_length == head.content.length &&
         recorded.content_tree_hash == head.content.tree_hash;
}

}  // namespace

bool AcceptedHeads::Committed(const hyper::DriveKey& key, const hyper::SignedDriveHead& head) {
  const auto [at, added] = waiting_.try_emplace(key);
  std::deque<hyper::SignedDriveHead>& heads = at->second;
  // A tail that was cut off and made anew.
  while (!heads.empty() && (heads.back().db.length >= head.db.length ||
                            heads.back().content.length > head.content.length)) {
    heads.pop_back();
  }
  heads.push_back(head);
  if (heads.size() > kHeadsWaitingMax) {
    heads.pop_front();
  }
  return added;
}

std::optional<hyper::SignedDriveHead> AcceptedHeads::Recorded(const hyper::DriveKey& key,
                                                              const hyper::DriveHead& recorded) {
  const auto drive = waiting_.find(key);
  if (drive == waiting_.end() || recorded.db_length == 0) {
    return std::nullopt;
  }
  std::deque<hyper::SignedDriveHead>& heads = drive->second;
  const auto found = std::find_if(heads.begin(), heads.end(),
                                  [&](const auto& head) { return IsThe(recorded, head); });
  if (found == heads.end()) {
    return std::nullopt;
  }
  hyper::SignedDriveHead accepted = std::move(*found);
  heads.erase(heads.begin(), found + 1);
  return accepted;
}

}  // namespace hnx::worker
