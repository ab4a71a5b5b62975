#include "coordinator/cli/why_json.h"

#include <string>

namespace hnx::coordinator {
namespace {

namespace pb = ::hypercore_nixos::v1;
using Json = nlohmann::ordered_json;

Json Time(std::int64_t unix_ms) {
  return unix_ms == 0 ? Json(nullptr) : Json(unix_ms);
}

Json Word(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

template <class Texts>
Json Array(const Texts& texts) {
  Json array = Json::array();
  for (const std::string& text : texts) {
    array.push_back(text);
  }
  return array;
}

Json NarJson(const pb::WhyResponse& why) {
  if (!why.has_nar()) {
    return nullptr;
  }
  const pb::WhyNar& nar = why.nar();
  return {{"state", nar.state()},
          {"file", nar.file()},
          {"compression", nar.compression()},
          {"nar_hash", nar.nar_hash()},
          {"nar_size", nar.nar_size()},
          {"file_hash", Word(nar.file_hash())},
          {"file_size", nar.file_size()},
          {"file_hash_drift", nar.file_hash_drift()},
          {"needed", nar.needed()},
          {"leases", nar.leases()},
          {"attempts", nar.attempts()},
          {"next_try_ms", Time(nar.next_try_ms())},
          {"reason", Word(nar.reason())},
          {"message", nar.message()},
          {"since_ms", nar.since_ms()},
          {"linked_batch", nar.linked_batch()},
          {"unlisted_at_ms", Time(nar.unlisted_at_ms())},
          {"lost_shard_z32", Word(nar.lost_shard_z32())},
          {"lost_worker", Word(nar.lost_worker())}};
}

Json LeaseJson(const pb::WhyResponse& why) {
  if (!why.has_lease()) {
    return nullptr;
  }
  const pb::WhyLease& lease = why.lease();
  return {{"job_id", lease.job_id()},
          {"worker_id", lease.worker_id()},
          {"worker_name", lease.worker_name()},
          {"attempt", lease.attempt()},
          {"leased_at_ms", lease.leased_at_ms()},
          {"expires_at_ms", lease.expires_at_ms()},
          {"worker_seen_ms", lease.worker_seen_ms()}};
}

Json PlaceJson(const pb::WhyResponse& why) {
  if (!why.has_place()) {
    return nullptr;
  }
  const pb::WhyPlace& place = why.place();
  return {{"shard_z32", place.shard_z32()},
          {"shard_key", place.shard_key_hex()},
          {"worker_id", place.worker_id()},
          {"worker_name", place.worker_name()},
          {"worker_alive", place.worker_alive()},
          {"sealed", place.sealed()},
          {"lost", place.lost()},
          {"shard_length", place.shard_length()},
          {"content_length", place.content_length()},
          {"content_bytes", place.content_bytes()},
          {"block_offset", place.block_offset()},
          {"block_length", place.block_length()},
          {"byte_offset", place.byte_offset()},
          {"byte_length", place.byte_length()},
          {"copies", Array(place.copies())},
          {"copies_to_come", Array(place.copies_to_come())}};
}

Json PublicationJson(const pb::WhyPublication& publication) {
  return {{"batch", publication.batch()},
          {"published_batch", publication.published_batch()},
          {"planned_at_ms", Time(publication.planned_at_ms())},
          {"applied_at_ms", Time(publication.applied_at_ms())},
          {"index_length", publication.index_length()},
          {"index_z32", Word(publication.index_z32())}};
}

Json WalkJson(const pb::WhyResponse& why) {
  if (!why.has_walk()) {
    return nullptr;
  }
  const pb::WhyWalk& walk = why.walk();
  return {{"release_id", walk.release_id()},         {"attempts", walk.attempts()},
          {"next_try_ms", Time(walk.next_try_ms())}, {"ruled_out", Array(walk.ruled_out())},
          {"reason", Word(walk.reason())},           {"message", walk.message()}};
}

Json BudgetJson(const pb::WhyResponse& why) {
  if (!why.has_budget()) {
    return nullptr;
  }
  const pb::WhyBudget& budget = why.budget();
  return {{"bytes", budget.bytes()},
          {"value", budget.chosen() ? Json(budget.value()) : Json(nullptr)},
          {"kept_value", budget.kept_value()},
          {"waits", budget.waits()},
          {"too_large", budget.too_large()}};
}

Json ReleaseJson(const pb::WhyRelease& release) {
  return {{"id", release.id()},          {"channel", release.channel()},
          {"name", release.name()},      {"state", release.state()},
          {"root", release.root()},      {"paused", release.paused()},
          {"message", release.message()}};
}

}  // namespace

Json ToJson(const pb::WhyResponse& why) {
  Json releases = Json::array();
  for (const pb::WhyRelease& release : why.needed_by()) {
    releases.push_back(ReleaseJson(release));
  }
  Json history = Json::array();
  for (const pb::WhyEvent& event : why.history()) {
    history.push_back({{"at_ms", event.at_ms()}, {"what", event.what()}});
  }
  return {{"schema", 1},
          {"store_path", why.store_path()},
          {"state", why.state()},
          {"situation", why.situation()},
          {"explanation", why.explanation()},
          {"advice", why.advice()},
          {"since_ms", why.since_ms()},
          {"attempts", why.attempts()},
          {"reason", Word(why.reason())},
          {"message", why.message()},
          {"blocked_by", Word(why.blocked_by())},
          {"accepted", Word(why.accepted())},
          {"accepted_at_ms", Time(why.accepted_at_ms())},
          {"upstream", why.upstream()},
          {"nar_url", why.nar_url()},
          {"shard_z32", why.shard_z32()},
          {"publish_batch", why.publish_batch()},
          {"nar", NarJson(why)},
          {"lease", LeaseJson(why)},
          {"place", PlaceJson(why)},
          {"publication", PublicationJson(why.publication())},
          {"walk", WalkJson(why)},
          {"budget", BudgetJson(why)},
          {"waiting_for", Array(why.waiting_for())},
          {"waiting_for_count", why.waiting_for_count()},
          {"releases", Array(why.releases())},
          {"needed_by", std::move(releases)},
          {"needed_by_count", why.needed_by_count()},
          {"history", std::move(history)}};
}

}  // namespace hnx::coordinator
