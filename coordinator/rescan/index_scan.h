// IndexScan: reads the entries of an index drive, in their order, into a PgRescanStore: narinfos,
// parsed strictly and checked against trusted keys; links, by the one form that readers follow; and
// which releases there are. What is not as it should be is a finding and is left out. Memory: one
// batch.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/store/pg_rescan_store.h"
#include "coordinator/walk/narinfo_verifier.h"
#include "hyper/drive/drive_view.h"

namespace hnx::coordinator {

// Entries in one transaction, and bytes of narinfos.
inline constexpr std::size_t kRescanBatchEntries = 2'000;
inline constexpr std::size_t kRescanBatchBytes = std::size_t{8} << 20;

struct RescanUpstream {
  std::string url;
  WalkPolicy policy;
};

class IndexScan {
 public:
  // All must outlive this object. `upstreams`: in the order of preference; a narinfo is held to be
  // from the first one whose keys have signed it.
  IndexScan(const hyper::DriveView& index, PgRescanStore& store,
            const std::vector<RescanUpstream>& upstreams)
      : index_(index), store_(store), upstreams_(upstreams) {}

  // From the entry behind `after` to the end. `progress` is called after each batch, with how many
  // entries were read in all.
  Result<void> Run(const std::string& after, const std::function<void(std::uint64_t)>& progress);

 private:
  Result<void> Take(const hyper::DriveEntry& entry);
  Result<void> TakeNarInfo(const hyper::DriveEntry& entry, const std::string& hash);
  void TakeLink(const hyper::DriveEntry& entry);
  void TakeReleaseFile(const hyper::DriveEntry& entry);
  void Find(std::string_view kind, const std::string& object, std::string reason);
  Result<void> Flush();

  const hyper::DriveView& index_;
  PgRescanStore& store_;
  const std::vector<RescanUpstream>& upstreams_;
  RescanEntries batch_;
  std::size_t batch_entries_ = 0;
  std::size_t batch_bytes_ = 0;
};

// Text for the database and people: what is not printable ASCII becomes '?'.
std::string RescanPrintable(std::string_view text);

}  // namespace hnx::coordinator
