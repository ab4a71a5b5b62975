// PgSettleStore: the end of a release. When each of its paths is published, missing, set aside or
// blocked, one publish batch brings its own files, manifest.json and listing.zst into the index,
// and `latest` when enough of it is published; with that batch applied the release is settled. What
// heals later brings a new revision of the manifest. For the leader; one thread.
#pragma once

#include "base/result.h"
#include "coordinator/store/batch_builder.h"
#include "coordinator/store/manifest_writer.h"
#include "coordinator/store/pg_artifacts.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

class PgSettleStore {
 public:
  // All must outlive this object.
  PgSettleStore(PgPool& pool, const PgLeader& leader, const IndexDescription& description)
      : pool_(pool), leader_(leader), description_(description), artifacts_(pool, leader) {}

  // Brings one release to its end; false: there is none at its end.
  Result<bool> SettleOne();
  // Releases whose settling batch has come into the index.
  Result<void> MarkSettled();

 private:
  struct Candidate {
    ReleaseId release = 0;
    std::int64_t changes = 0;
  };
  Result<std::optional<Candidate>> FindCandidate();
  // False: something changed since the manifest was written.
  Result<bool> Publish(const Candidate& candidate, const WrittenManifest& written);
  bool PublishIn(PgTransaction& transaction, const Candidate& candidate,
                 const WrittenManifest& written);

  PgPool& pool_;
  const PgLeader& leader_;
  const IndexDescription& description_;
  PgArtifacts artifacts_;
};

}  // namespace hnx::coordinator
