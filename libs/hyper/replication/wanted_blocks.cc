#include "hyper/replication/wanted_blocks.h"

#include <algorithm>
#include <string>

namespace hnx::hyper {

Result<SelectionId> WantedBlocks::Select(Selection selection) {
  if (selections_.size() >= kSelectionsMax) {
    return ResourceExhausted("select blocks: more than " + std::to_string(kSelectionsMax) +
                             " selections");
  }
  const SelectionId id = ++last_id_;
  auto selected = std::make_unique<Selected>();
  selected->next = selection.blocks.begin;
  selection_order_.emplace(-selection.priority, id);
  selected->selection = std::move(selection);
  selections_.emplace(id, std::move(selected));
  return id;
}

bool WantedBlocks::Deselect(SelectionId id) {
  const auto found = selections_.find(id);
  if (found == selections_.end()) {
    return false;
  }
  selection_order_.erase({-found->second->selection.priority, id});
  selections_.erase(found);
  return true;
}

std::vector<std::function<void()>> WantedBlocks::TakeComplete(ReplicaCore& replica) {
  std::vector<std::function<void()>> done;
  for (auto at = selections_.begin(); at != selections_.end();) {
    const Selection& selection = at->second->selection;
    const Result<bool> all =
        selection.to_head ? Result<bool>(false) : replica.HasAll(selection.blocks);
    if (!all || !*all) {
      ++at;
      continue;
    }
    done.push_back(selection.on_complete);
    selection_order_.erase({-selection.priority, at->first});
    at = selections_.erase(at);
  }
  return done;
}

Result<FetchId> WantedBlocks::Fetch(BlockIndex block, int priority, FetchCallback callback) {
  if (fetches_.size() >= kFetchesMax) {
    return ResourceExhausted("fetch block " + std::to_string(block.value()) + ": more than " +
                             std::to_string(kFetchesMax) + " fetches");
  }
  const FetchId id = ++last_id_;
  fetches_.emplace(id, FetchEntry{block, priority, std::move(callback)});
  fetches_by_block_.emplace(block, id);
  unasked_.emplace(-priority, id);
  return id;
}

bool WantedBlocks::CancelFetch(FetchId id) {
  const auto found = fetches_.find(id);
  if (found == fetches_.end()) {
    return false;
  }
  const auto [first, last] = fetches_by_block_.equal_range(found->second.block);
  const auto at = std::find_if(first, last, [id](const auto& entry) { return entry.second == id; });
  if (at != last) {
    fetches_by_block_.erase(at);
  }
  unasked_.erase({-found->second.priority, id});
  fetches_.erase(found);
  return true;
}

std::vector<FetchCallback> WantedBlocks::TakeFetchesOf(BlockIndex block) {
  std::vector<FetchCallback> callbacks;
  const auto [first, last] = fetches_by_block_.equal_range(block);
  for (auto at = first; at != last; ++at) {
    const auto fetch = fetches_.find(at->second);
    unasked_.erase({-fetch->second.priority, at->second});
    callbacks.push_back(std::move(fetch->second.callback));
    fetches_.erase(fetch);
  }
  fetches_by_block_.erase(first, last);
  return callbacks;
}

std::vector<FetchCallback> WantedBlocks::TakeAllFetches() {
  std::vector<FetchCallback> callbacks;
  for (auto& [id, fetch] : fetches_) {
    callbacks.push_back(std::move(fetch.callback));
  }
  fetches_.clear();
  fetches_by_block_.clear();
  unasked_.clear();
  return callbacks;
}

void WantedBlocks::WantAgain(BlockIndex block) {
  for (auto& [id, selected] : selections_) {
    if (selected->selection.blocks.begin <= block && block < selected->next) {
      selected->next = block;
    }
  }
  const auto [first, last] = fetches_by_block_.equal_range(block);
  for (auto at = first; at != last; ++at) {
    unasked_.emplace(-fetches_.at(at->second).priority, at->second);
  }
}

}  // namespace hnx::hyper
