#include "coordinator/rpc/path_to_proto.h"

#include <string>

#include <fmt/format.h>

#include "base/hex.h"
#include "mirror/format/publish_format.h"
#include "nix/hash.h"

namespace hnx::coordinator {
namespace {

namespace pb = hypercore_nixos::v1;

std::string HashText(ByteView digest) {
  return digest.size() == nix::kSha256Size
             ? nix::Hash::FromDigest(nix::HashAlgorithm::kSha256, digest).ToNix32()
             : std::string();
}

std::string DriveText(ByteView key) {
  return key.empty() ? std::string() : mirror::DriveIdOf(key);
}

void NarToProto(const NarFacts& nar, pb::WhyNar& out) {
  out.set_state(nar.state);
  out.set_file(nar.file);
  out.set_compression(nar.compression);
  out.set_nar_hash(HashText(nar.nar_hash));
  out.set_nar_size(nar.nar_size);
  out.set_file_hash(HashText(nar.file_hash));
  out.set_file_size(nar.file_size);
  out.set_file_hash_drift(nar.file_hash_drift);
  out.set_needed(nar.needed);
  out.set_leases(nar.leases);
  out.set_attempts(nar.attempts);
  out.set_next_try_ms(nar.next_try_ms);
  out.set_reason(nar.reason);
  out.set_message(nar.message);
  out.set_since_ms(nar.since_ms);
  out.set_linked_batch(nar.linked_batch);
  out.set_unlisted_at_ms(nar.unlisted_at_ms);
  out.set_lost_shard_z32(DriveText(nar.lost_shard));
  out.set_lost_worker(nar.lost_worker);
}

void LeaseToProto(const LeaseFacts& lease, pb::WhyLease& out) {
  out.set_job_id(static_cast<std::uint64_t>(lease.job));
  out.set_worker_id(lease.worker_id);
  out.set_worker_name(lease.worker_name);
  out.set_attempt(lease.attempt);
  out.set_leased_at_ms(lease.leased_at_ms);
  out.set_expires_at_ms(lease.expires_at_ms);
  out.set_worker_seen_ms(lease.worker_seen_ms);
}

void PlaceToProto(const PlaceFacts& place, pb::WhyPlace& out) {
  out.set_shard_z32(DriveText(place.shard));
  out.set_shard_key_hex(EncodeHex(place.shard));
  out.set_worker_id(place.worker_id);
  out.set_worker_name(place.worker_name);
  out.set_worker_alive(place.worker_alive);
  out.set_sealed(place.sealed);
  out.set_lost(place.lost);
  out.set_shard_length(place.shard_length);
  out.set_content_length(place.content_length);
  out.set_content_bytes(place.content_bytes);
  out.set_block_offset(place.block_offset);
  out.set_block_length(place.block_length);
  out.set_byte_offset(place.byte_offset);
  out.set_byte_length(place.byte_length);
  out.mutable_copies()->Assign(place.copies.begin(), place.copies.end());
  out.mutable_copies_to_come()->Assign(place.copies_to_come.begin(), place.copies_to_come.end());
}

void PublicationToProto(const PublicationFacts& publication, pb::WhyPublication& out) {
  out.set_batch(publication.batch);
  out.set_published_batch(publication.published_batch);
  out.set_planned_at_ms(publication.planned_at_ms);
  out.set_applied_at_ms(publication.applied_at_ms);
  out.set_index_length(publication.index_length);
  out.set_index_z32(DriveText(publication.index_key));
}

void WalkToProto(const WalkFacts& walk, pb::WhyWalk& out) {
  out.set_release_id(static_cast<std::uint64_t>(walk.release));
  out.set_attempts(walk.attempts);
  out.set_next_try_ms(walk.next_try_ms);
  out.mutable_ruled_out()->Assign(walk.ruled_out.begin(), walk.ruled_out.end());
  out.set_reason(walk.reason);
  out.set_message(walk.message);
}

void LeftOutToProto(const LeftOutFacts& left_out, pb::WhyBudget& out) {
  out.set_bytes(left_out.budget_bytes);
  out.set_chosen(left_out.value.has_value());
  out.set_value(left_out.value.value_or(0));
  out.set_kept_value(left_out.kept_value);
  out.set_waits(left_out.waits);
  out.set_too_large(left_out.unfit);
}

void ReleaseToProto(const PathRelease& release, pb::WhyResponse& out) {
  out.add_releases(fmt::format("{}/{} ({})", release.channel, release.name, release.state));
  pb::WhyRelease& message = *out.add_needed_by();
  message.set_id(static_cast<std::uint64_t>(release.id));
  message.set_channel(release.channel);
  message.set_name(release.name);
  message.set_state(release.state);
  message.set_root(release.root);
  message.set_paused(release.paused);
  message.set_message(release.message);
}

void StateToProto(const PathView& view, pb::WhyResponse& out) {
  const PathExplanation explanation = ExplainPath(view);
  out.set_store_path(view.store_path);
  out.set_state(view.state);
  out.set_situation(explanation.situation);
  out.set_explanation(explanation.sentence);
  out.set_advice(explanation.advice);
  out.set_since_ms(view.since_ms);
  out.set_attempts(view.attempts);
  out.set_reason(view.reason);
  out.set_message(view.message);
  out.set_upstream(view.upstream);
  out.set_publish_batch(view.publication.batch);
  out.set_accepted(view.accepted);
  out.set_accepted_at_ms(view.accepted_at_ms);
  if (view.cause) {
    out.set_blocked_by(view.cause->store_path);
  }
}

}  // namespace

pb::WhyResponse PathToProto(const PathView& view) {
  pb::WhyResponse out;
  StateToProto(view, out);
  if (view.nar) {
    out.set_nar_url(view.nar->url);
    NarToProto(*view.nar, *out.mutable_nar());
  }
  if (view.lease) {
    LeaseToProto(*view.lease, *out.mutable_lease());
  }
  if (view.place) {
    out.set_shard_z32(DriveText(view.place->shard));
    PlaceToProto(*view.place, *out.mutable_place());
  }
  PublicationToProto(view.publication, *out.mutable_publication());
  if (view.walk) {
    WalkToProto(*view.walk, *out.mutable_walk());
  }
  if (view.left_out) {
    LeftOutToProto(*view.left_out, *out.mutable_budget());
  }
  out.mutable_waiting_for()->Assign(view.waiting_for.begin(), view.waiting_for.end());
  out.set_waiting_for_count(view.waiting_for_count);
  for (const PathRelease& release : view.releases) {
    ReleaseToProto(release, out);
  }
  out.set_needed_by_count(view.releases_count);
  for (const auto& [at_ms, what] : view.history) {
    pb::WhyEvent& event = *out.add_history();
    event.set_at_ms(at_ms);
    event.set_what(what);
  }
  return out;
}

}  // namespace hnx::coordinator
