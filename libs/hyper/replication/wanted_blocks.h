// WantedBlocks: what a Downloader was told to get: single blocks that somebody waits for (fetches),
// and ranges (selections). By priority; fetches of one priority in the order of their age, the
// lowest block of a selection first. Internal to this folder.
//
// Threads: that of the Replicator.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/codec/index_types.h"
#include "hyper/core/replica_core.h"

namespace hnx::hyper {

inline constexpr std::size_t kFetchesMax = 65'536;
inline constexpr std::size_t kSelectionsMax = 4096;

using SelectionId = std::uint64_t;
using FetchId = std::uint64_t;

struct Selection {
  BlockRange blocks;
  // Follows the head instead of ending at blocks.end.
  bool to_head = false;
  int priority = 0;
  // Every block of it is committed (once; never for one that follows the head).
  std::function<void()> on_complete;
};

// The block, verified: perhaps not durable yet. kCancelled: the Downloader is going away or the
// core is frozen. Everything else is trouble of our own.
using FetchCallback = std::function<void(Result<Bytes>)>;

class WantedBlocks {
 public:
  bool empty() const { return selections_.empty() && fetches_.empty(); }

  // -- Selections. kResourceExhausted beyond kSelectionsMax.
  Result<SelectionId> Select(Selection selection);
  // False: there is none.
  bool Deselect(SelectionId id);
  // Takes out those of which every block is committed; their callbacks.
  std::vector<std::function<void()>> TakeComplete(ReplicaCore& replica);

  struct Selected {
    Selection selection;
    // All before are here, in flight or were asked for once.
    BlockIndex next;
  };
  // `use` is called in order until it returns true.
  template <class Use>
  bool AnyOfSelections(const Use& use) {
    return std::ranges::any_of(selection_order_, [&](const auto& ordered) {
      return use(*selections_.at(ordered.second));
    });
  }

  // -- Fetches. kResourceExhausted beyond kFetchesMax.
  Result<FetchId> Fetch(BlockIndex block, int priority, FetchCallback callback);
  // False: there is none.
  bool CancelFetch(FetchId id);
  // Those of a block, or all, are over: their callbacks.
  std::vector<FetchCallback> TakeFetchesOf(BlockIndex block);
  std::vector<FetchCallback> TakeAllFetches();

  enum class Pick { kLeave, kUnderWay, kTake };
  struct Picked {
    BlockIndex block;
    int priority = 0;
  };
  // The first fetch that nobody was asked for and that `judge` takes; it counts as asked for then.
  // At most kFetchTriesMax are judged.
  template <class Judge>
  std::optional<Picked> PickFetch(const Judge& judge) {
    int tries = 0;
    for (auto at = unasked_.begin(); at != unasked_.end() && ++tries <= kFetchTriesMax;) {
      const FetchEntry& fetch = fetches_.at(at->second);
      const Pick pick = judge(fetch.block);
      if (pick == Pick::kLeave) {
        ++at;
        continue;
      }
      const Picked picked{fetch.block, fetch.priority};
      at = unasked_.erase(at);
      if (pick == Pick::kTake) {
        return picked;
      }
    }
    return std::nullopt;
  }

  // It was asked for and did not come.
  void WantAgain(BlockIndex block);

 private:
  // Fetches that one peer is tried for before its turn goes to selections.
  static constexpr int kFetchTriesMax = 256;

  struct FetchEntry {
    BlockIndex block;
    int priority = 0;
    FetchCallback callback;
  };

  std::uint64_t last_id_ = 0;
  std::map<SelectionId, std::unique_ptr<Selected>> selections_;
  std::set<std::pair<int, SelectionId>> selection_order_;  // by -priority
  std::map<FetchId, FetchEntry> fetches_;
  std::multimap<BlockIndex, FetchId> fetches_by_block_;
  std::set<std::pair<int, FetchId>> unasked_;  // by -priority, then age
};

}  // namespace hnx::hyper
