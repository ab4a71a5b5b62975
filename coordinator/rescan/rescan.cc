#include "coordinator/rescan/rescan.h"

#include <utility>

#include <fmt/format.h>

#include "coordinator/rescan/index_scan.h"
#include "coordinator/rescan/release_scan.h"
#include "coordinator/store/pg_artifacts.h"
#include "coordinator/store/pg_rescan_store.h"
#include "coordinator/upstream/upstream_set.h"
#include "mirror/index_layout.h"
#include "mirror/mirror_json.h"

namespace hnx::coordinator {
namespace {

const char* PhaseText(RescanPhase phase) {
  switch (phase) {
    case RescanPhase::kIndex:
      return "reading the index";
    case RescanPhase::kReleases:
      return "reading releases";
    case RescanPhase::kCheck:
      return "checking what was read";
    case RescanPhase::kShards:
      return "shards";
    case RescanPhase::kPaths:
      return "paths and NARs";
    case RescanPhase::kFailed:
      return "missing paths";
    case RescanPhase::kReferences:
      return "references";
    case RescanPhase::kVanished:
      return "what left the index";
    case RescanPhase::kMembers:
      return "paths of releases";
    case RescanPhase::kPlan:
      return "depths";
    case RescanPhase::kSettle:
      return "states of releases";
    case RescanPhase::kEnd:
    case RescanPhase::kDone:
      break;
  }
  return "the rest";
}

Result<mirror::MirrorJson> ReadMirrorJson(const hyper::DriveView& index) {
  const auto text = index.ReadFile(mirror::kMirrorJsonPath, mirror::kMirrorJsonBytesMax);
  if (!text) {
    return text.error().Annotate("read /mirror.json of the index (nothing can be told without it)");
  }
  return mirror::MirrorJson::Parse(AsText(*text));
}

Result<std::vector<RescanUpstream>> Upstreams(const mirror::MirrorJson& mirror,
                                              const RescanOptions& options) {
  std::vector<std::string> urls = options.upstreams;
  if (urls.empty()) {
    urls = mirror.upstreams.empty() ? std::vector<std::string>{mirror.upstream} : mirror.upstreams;
  }
  HNX_ASSIGN_OR_RETURN(const UpstreamSet set,
                       UpstreamSet::Parse(urls, options.trusted_public_keys));
  std::vector<RescanUpstream> upstreams;
  for (const Upstream& upstream : set.upstreams()) {
    upstreams.push_back(
        {upstream.url, WalkPolicy{.keys = upstream.keys,
                                  .trust = {.accept_unsigned_content_addressed =
                                                options.accept_unsigned_content_addressed},
                                  .nar_info = {}}});
  }
  return upstreams;
}

std::vector<RescanShard> Shards(const mirror::MirrorJson& mirror) {
  std::vector<RescanShard> shards;
  for (const mirror::MirrorShard& shard : mirror.shards) {
    const auto bytes = [](const hyper::DriveKey& key) {
      return Bytes(key.bytes().begin(), key.bytes().end());
    };
    shards.push_back({bytes(shard.key), bytes(shard.content_key), shard.length, shard.bytes});
  }
  return shards;
}

class Rescan {
 public:
  Rescan(const hyper::DriveView& index, PgPool& pool, const PgLeader& leader,
         const RescanOptions& options)
      : index_(index),
        options_(options),
        pool_(pool),
        leader_(leader),
        store_(pool, leader),
        artifacts_(pool, leader) {}

  Result<RescanReport> Run() {
    HNX_ASSIGN_OR_RETURN(const mirror::MirrorJson mirror, ReadMirrorJson(index_));
    HNX_ASSIGN_OR_RETURN(const std::vector<RescanUpstream> upstreams, Upstreams(mirror, options_));
    HNX_ASSIGN_OR_RETURN(
        const RescanPosition position,
        store_.Begin(index_.key().bytes(), index_.version(), options_.merge, options_.caller));
    if (options_.dry_run && position.phase >= RescanPhase::kShards) {
      return FailedPrecondition("a rescan was begun in earnest here: finish it without --dry-run");
    }
    if (position.phase == RescanPhase::kIndex) {
      HNX_TRY(store_.StageShards(Shards(mirror)));
      HNX_TRY(
          IndexScan(index_, store_, upstreams).Run(position.position, [&](std::uint64_t entries) {
            Tell(RescanPhase::kIndex, entries);
          }));
      HNX_TRY(store_.EndPhase(RescanPhase::kReleases));
    }
    if (position.phase <= RescanPhase::kReleases) {
      HNX_TRY(ReadReleases());
      HNX_TRY(store_.EndPhase(RescanPhase::kCheck));
    }
    return options_.dry_run ? Foresee() : Fill();
  }

 private:
  void Tell(RescanPhase phase, std::uint64_t done) const {
    if (options_.progress) {
      options_.progress(PhaseText(phase), done);
    }
  }

  Result<void> ReadReleases() {
    for (std::uint64_t done = 0;; ++done) {
      HNX_ASSIGN_OR_RETURN(const auto release, store_.NextRelease());
      if (!release) {
        return {};
      }
      HNX_TRY(ReleaseScan(index_, store_, options_.dry_run ? nullptr : &artifacts_).Run(*release));
      Tell(RescanPhase::kReleases, done + 1);
    }
  }

  Result<RescanReport> Foresee() {
    PgRescanFiller filler(pool_, leader_, options_.fill);
    HNX_TRY(filler.Step());  // kCheck, which changes what was staged only
    HNX_ASSIGN_OR_RETURN(RescanReport report, store_.Report(index_.version(), true));
    HNX_TRY(store_.Abandon());
    return report;
  }

  Result<RescanReport> Fill() {
    PgRescanFiller filler(pool_, leader_, options_.fill);
    std::uint64_t steps = 0;
    for (RescanPhase last = RescanPhase::kCheck;;) {
      HNX_ASSIGN_OR_RETURN(const bool more, filler.Step());
      if (!more) {
        break;
      }
      steps = filler.phase() == last ? steps + 1 : 1;
      last = filler.phase();
      Tell(last, steps);
    }
    HNX_ASSIGN_OR_RETURN(RescanReport report, store_.Report(index_.version(), false));
    HNX_TRY(store_.Abandon());
    return report;
  }

  const hyper::DriveView& index_;
  const RescanOptions& options_;
  PgPool& pool_;
  const PgLeader& leader_;
  PgRescanStore store_;
  PgArtifacts artifacts_;
};

}  // namespace

Result<RescanReport> RunRescan(const hyper::DriveView& index, PgPool& pool, const PgLeader& leader,
                               const RescanOptions& options) {
  return Rescan(index, pool, leader, options).Run();
}

}  // namespace hnx::coordinator
