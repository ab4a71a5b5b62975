// ReleaseScan: reads the folder of one release in an index drive into a PgRescanStore: what its
// manifest says of it, which paths it consists of (listing and manifest), its own files, each
// checked against the manifest's SHA-256, and the roots out of its store-paths.xz. What is not as
// it should be is a finding: without a manifest the release is left out, without the rest it is
// walked or resolved again later. Memory: the manifest, and a few bytes for each NAR of the
// listing.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "coordinator/store/pg_artifacts.h"
#include "coordinator/store/pg_rescan_store.h"
#include "hyper/drive/drive_view.h"
#include "mirror/format/release_proof.h"

namespace hnx::coordinator {

class ReleaseScan {
 public:
  // All must outlive this object. `artifacts` nullptr (a dry run): files are checked and not kept.
  ReleaseScan(const hyper::DriveView& index, PgRescanStore& store, PgArtifacts* artifacts)
      : index_(index), store_(store), artifacts_(artifacts) {}

  Result<void> Run(const PgRescanStore::PendingRelease& release);

 private:
  using Pending = PgRescanStore::PendingRelease;
  std::string PathOf(const std::string& file) const;
  Result<void> Find(std::string_view kind, const std::string& object, const std::string& reason);
  // False: there is none that describes this release; told.
  Result<bool> ReadManifest();
  Result<void> TakeUnpublished(const mirror::UnpublishedPath& path);
  Result<void> FlushMembers();
  // Whether every line was taken.
  Result<bool> ReadListing();
  Result<void> TakeLine(std::string_view line);
  Result<void> ReadFiles();
  Result<void> ReadRoots();
  // Streams a file of the release folder; nullopt: absent. With `sha256`, 0 and a finding when the
  // bytes have another one.
  Result<std::optional<RescanFile>> Keep(const std::string& file);

  const hyper::DriveView& index_;
  PgRescanStore& store_;
  PgArtifacts* const artifacts_;
  Pending release_;
  mirror::ReleaseProof proof_;
  RescanReleaseFacts facts_;
  std::vector<RescanMember> members_;
  std::vector<RescanPlace> places_;
  std::uint64_t named_twice_ = 0;
  std::optional<Error> trouble_;  // of the database, while a manifest is parsed
};

}  // namespace hnx::coordinator
