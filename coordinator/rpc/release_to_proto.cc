#include "coordinator/rpc/release_to_proto.h"

#include <map>
#include <string_view>

#include "base/hex.h"
#include "coordinator/rpc/scrub_messages.h"
#include "mirror/format/publish_format.h"

namespace hnx::coordinator {
namespace {

namespace pb = hypercore_nixos::v1;

pb::ReleaseState StateToProto(std::string_view state) {
  static const std::map<std::string_view, pb::ReleaseState> kStates{
      {"resolving", pb::RELEASE_STATE_RESOLVING}, {"walking", pb::RELEASE_STATE_WALKING},
      {"planned", pb::RELEASE_STATE_PLANNED},     {"mirroring", pb::RELEASE_STATE_MIRRORING},
      {"settled", pb::RELEASE_STATE_SETTLED},     {"refused", pb::RELEASE_STATE_REFUSED},
      {"cancelled", pb::RELEASE_STATE_CANCELLED}, {"retiring", pb::RELEASE_STATE_RETIRING},
      {"retired", pb::RELEASE_STATE_RETIRED}};
  const auto found = kStates.find(state);
  return found == kStates.end() ? pb::RELEASE_STATE_UNSPECIFIED : found->second;
}

void PlanToProto(const PlanView& plan, pb::PlanEstimate& out) {
  out.set_paths(plan.paths);
  out.set_nars_to_fetch(plan.nars_to_fetch);
  out.set_bytes_to_fetch(plan.bytes_to_fetch);
  out.set_nar_bytes(plan.nar_bytes);
  out.set_disk_free_bytes(plan.disk_free_bytes);
  out.set_disk_needed_bytes(plan.disk_needed_bytes);
  out.set_seconds_expected(plan.seconds_expected);
  out.set_missing_upstream(plan.missing_upstream);
  out.set_fits(plan.fits);
}

}  // namespace

pb::Release ReleaseToProto(const ReleaseView& view) {
  pb::Release out;
  out.set_id(static_cast<std::uint64_t>(view.id));
  out.set_channel(view.channel);
  out.set_name(view.name);
  out.set_revision(view.revision);
  out.set_state(StateToProto(view.state));
  out.set_message(view.message);
  pb::PathCounts& paths = *out.mutable_paths();
  paths.set_total(view.paths_total);
  paths.set_published(view.paths_published);
  paths.set_missing(view.paths_missing);
  paths.set_set_aside(view.paths_set_aside);
  paths.set_blocked(view.paths_blocked);
  paths.set_left_out(view.paths_left_out);
  pb::NarCounts& nars = *out.mutable_nars();
  nars.set_total(view.nars_total);
  nars.set_stored(view.nars_stored);
  nars.set_bytes_total(view.bytes_total);
  nars.set_bytes_stored(view.bytes_stored);
  nars.set_bytes_reused(view.bytes_reused);
  nars.set_file_hash_drift(view.file_hash_drift);
  out.set_narinfos_read(view.narinfos_read);
  out.set_submitted_at_ms(view.submitted_at_ms);
  out.set_settled_at_ms(view.settled_at_ms);
  out.set_latest(view.latest);
  out.set_pinned(view.pinned);
  if (view.plan) {
    PlanToProto(*view.plan, *out.mutable_plan());
  }
  out.set_release_files(view.files);
  out.set_release_files_published(view.files_published);
  out.set_priority(view.priority);
  out.set_paused(view.paused);
  out.set_pause_reason(view.pause_reason);
  return out;
}

pb::WorkerStatus WorkerToProto(const WorkerView& worker) {
  pb::WorkerStatus status;
  status.set_id(worker.id);
  status.set_name(worker.name);
  for (const std::string& role : worker.roles) {
    status.add_roles(role == "index" ? pb::WORKER_ROLE_INDEX : pb::WORKER_ROLE_MIRROR);
  }
  status.set_alive(worker.alive);
  status.set_last_seen_ms(worker.last_seen_ms);
  status.set_disk_free_bytes(worker.disk_free_bytes);
  status.set_jobs(worker.jobs);
  status.set_bytes_stored(worker.bytes_stored);
  status.set_paused(worker.paused);
  status.set_pause_reason(worker.pause_reason);
  status.set_draining(worker.draining);
  status.set_removable(worker.removable());
  for (const Bytes& key : worker.lone_shards) {
    status.add_lone_shards(mirror::DriveIdOf(key));
  }
  status.set_lone_index(worker.lone_index);
  status.set_forgotten(worker.forgotten);
  status.set_disk_full(worker.disk_full);
  status.set_shards(worker.shards);
  status.set_shards_lost(worker.shards_lost);
  status.set_version(worker.version);
  status.set_copies(worker.copies);
  status.set_copies_whole(worker.copies_whole);
  status.set_copy_bytes(worker.copy_bytes);
  status.set_failure_domain(worker.failure_domain);
  status.set_peer_address(worker.peer_address);
  status.set_lone_unassigned(worker.lone_unassigned);
  return status;
}

pb::Status StatusToProto(const StatusView& view) {
  pb::Status out;
  if (!view.index_key.empty()) {
    out.set_index_key_hex(EncodeHex(view.index_key));
    out.set_index_key_z32(mirror::DriveIdOf(view.index_key));
  }
  out.set_index_length(view.index_length);
  out.set_index_acknowledged_length(view.index_acknowledged_length);
  out.set_index_acknowledged_batch(view.index_acknowledged_batch);
  out.set_published_batch(view.published_batch);
  out.set_paths_published(view.paths_published);
  out.set_paused(view.paused);
  out.set_pause_reason(view.pause_reason);
  for (const UpstreamView& upstream : view.upstreams) {
    pb::UpstreamStatus& status = *out.add_upstreams();
    status.set_host(upstream.host);
    status.set_paused(upstream.paused);
    status.set_pause_reason(upstream.pause_reason);
    status.set_held_back_ms(upstream.held_back_ms);
    status.set_breaker(upstream.breaker);
    status.set_failures_in_a_row(upstream.failures_in_a_row);
    status.set_bytes_per_second_max(upstream.bytes_per_second);
    status.set_requests_per_second_max(upstream.requests_per_second);
    status.set_transfers_max(upstream.transfers_max);
    status.set_window(upstream.window);
    for (const UpstreamCacheView& cache : upstream.caches) {
      status.add_urls(cache.url);
      pb::UpstreamCache& message = *status.add_caches();
      message.set_url(cache.url);
      message.set_preference(cache.preference);
      for (const std::string& key : cache.public_keys) {
        message.add_public_keys(key);
      }
      message.set_nars_stored(cache.nars_stored);
    }
  }
  if (view.budget) {
    pb::BudgetStatus& budget = *out.mutable_budget();
    budget.set_bytes(view.budget->bytes);
    budget.set_choosing(view.budget->choosing);
    budget.set_kept_paths(view.budget->kept_paths);
    budget.set_kept_bytes(view.budget->kept_bytes);
    budget.set_left_out_paths(view.budget->left_out_paths);
    budget.set_waiting_paths(view.budget->waiting_paths);
    budget.set_kept_value(view.budget->kept_value);
  }
  for (const ReleaseView& release : view.releases) {
    *out.add_releases() = ReleaseToProto(release);
  }
  for (const WorkerView& worker : view.workers) {
    *out.add_workers() = WorkerToProto(worker);
  }
  for (const ShardView& shard : view.shards) {
    pb::ShardStatus& status = *out.add_shards();
    status.set_id_z32(mirror::DriveIdOf(shard.key));
    status.set_worker_name(shard.worker_name);
    status.set_nars(shard.nars);
    status.set_bytes(shard.bytes);
    status.set_sealed(shard.sealed);
    status.set_lost(shard.lost);
    status.set_copies(shard.copies);
    status.set_copies_whole(shard.copies_whole);
    if (shard.scrub) {
      ScrubToProto(*shard.scrub, *status.mutable_scrub());
    }
  }
  return out;
}

pb::Failure FailureToProto(const FailureView& view) {
  pb::Failure out;
  out.set_store_path(view.store_path);
  out.set_state(view.state);
  out.set_reason(view.reason);
  out.set_message(view.message);
  out.set_blocked_by(view.blocked_by);
  out.set_since_ms(view.since_ms);
  out.set_attempts(view.attempts);
  out.set_accepted(view.accepted);
  return out;
}

pb::ReleaseDifference DifferenceToProto(const PathDifference& path) {
  pb::ReleaseDifference out;
  out.mutable_path()->set_added(path.added);
  out.mutable_path()->set_store_path(path.store_path);
  out.mutable_path()->set_state(path.state);
  out.mutable_path()->set_bytes(path.bytes);
  return out;
}

pb::ReleaseDifference TotalsToProto(const DifferenceTotals& totals) {
  pb::ReleaseDifference out;
  pb::DifferenceTotals& message = *out.mutable_totals();
  message.set_paths_added(totals.paths_added);
  message.set_paths_gone(totals.paths_gone);
  message.set_nars_added(totals.nars_added);
  message.set_nars_gone(totals.nars_gone);
  message.set_bytes_added(totals.bytes_added);
  message.set_bytes_gone(totals.bytes_gone);
  return out;
}

}  // namespace hnx::coordinator
