// Rescan: fills an empty or an older database from a mirror's index drive, with nothing fetched
// from upstreams: what is published, from where, where its NAR lies, which releases there are and
// what is missing in them. Resumes one that was killed. docs/RECOVERY.md.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/domain/audit_view.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"
#include "coordinator/store/pg_rescan_filler.h"
#include "coordinator/store/rescan_types.h"
#include "coordinator/walk/narinfo_verifier.h"
#include "hyper/drive/drive_view.h"

namespace hnx::coordinator {

struct RescanOptions {
  // As in `coordinator serve`; none: those of /mirror.json, in its order.
  std::vector<std::string> upstreams;
  std::vector<std::string> trusted_public_keys;
  bool accept_unsigned_content_addressed = false;
  bool merge = false;
  bool dry_run = false;
  Caller caller{};  // for the audit
  RescanFillOptions fill{};
  // Called now and then: what is being done, and how much of it is done.
  std::function<void(const std::string& what, std::uint64_t done)> progress = {};
};

// `leader` leads, and is renewed by somebody else. kFailedPrecondition: not into this database; the
// message says what to do.
Result<RescanReport> RunRescan(const hyper::DriveView& index, PgPool& pool, const PgLeader& leader,
                               const RescanOptions& options);

}  // namespace hnx::coordinator
