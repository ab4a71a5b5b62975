// ListSubmission: a submitted list of store paths, streamed into the database as it comes; a bad
// line refuses the whole list and leaves nothing behind. Its name is made from its content, so the
// same list is the same release. One thread.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "coordinator/store/pg_release_store.h"
#include "nix/hash.h"
#include "nix/store_paths_list.h"

namespace hnx::coordinator {

class ListSubmission {
 public:
  // `store` must outlive this object.
  static Result<ListSubmission> Begin(PgReleaseStore& store, const NewRelease& submission,
                                      const Caller& caller);

  Result<void> Feed(std::string_view text);
  Result<Submitted> Finish();
  // Forgets what was stored so far.
  void Abandon();

 private:
  struct Roots {
    std::vector<PathName> pending;  // at most kWalkBatchMax
    nix::Sha256 sha256;
  };
  ListSubmission(PgReleaseStore& store, const NewRelease& submission, ReleaseId release,
                 Caller caller);
  Result<void> Flush();

  PgReleaseStore* store_;
  NewRelease submission_;
  ReleaseId release_;
  Caller caller_;
  std::unique_ptr<Roots> roots_;
  nix::StorePathsList list_;
};

}  // namespace hnx::coordinator
