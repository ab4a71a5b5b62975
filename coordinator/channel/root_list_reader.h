// RootListReader: a store-paths list on its way into a release: parsed strictly, filtered, added in
// batches. Memory does not grow with the list. One thread.
//
//   RootListReader reader(store, release, filter);
//   HNX_TRY(reader.Feed(bytes));  ...
//   HNX_ASSIGN_OR_RETURN(RootListSummary summary, reader.Finish());
//
// A bad line anywhere refuses the list (kInvalidArgument); roots that were added before are then
// dropped with the release (WalkStore::RefuseRelease).
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "coordinator/channel/root_filter.h"
#include "coordinator/store/walk_store.h"
#include "nix/store_paths_list.h"

namespace hnx::coordinator {

struct RootListSummary {
  std::uint64_t listed = 0;  // paths in the list
  std::uint64_t wanted = 0;  // that the filter lets through
  bool sorted = true;
  bool final_newline = true;
};

class RootListReader {
 public:
  // All must outlive the reader.
  RootListReader(WalkStore& store, ReleaseId release, const RootFilter& filter);
  RootListReader(const RootListReader&) = delete;
  RootListReader& operator=(const RootListReader&) = delete;

  Result<void> Feed(ByteView bytes);
  // kInvalidArgument as well when nothing is listed, or nothing is wanted.
  Result<RootListSummary> Finish();

 private:
  Result<void> Take(const nix::StorePath& path);
  Result<void> Flush();

  WalkStore& store_;
  const ReleaseId release_;
  const RootFilter& filter_;
  nix::StorePathsList list_;
  std::vector<PathName> batch_;
  std::uint64_t wanted_ = 0;
};

}  // namespace hnx::coordinator
