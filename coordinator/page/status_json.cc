#include "coordinator/page/status_json.h"

#include <nlohmann/json.hpp>

#include "base/hex.h"

namespace hnx::coordinator {
namespace {

using Json = nlohmann::ordered_json;

Json OrNull(const TimeMs& time) {
  return time ? Json(*time) : Json(nullptr);
}

Json ToJson(const MirrorOverview& mirror) {
  return {{"key", mirror.index_key.empty() ? Json(nullptr) : Json(EncodeHex(mirror.index_key))},
          {"index_length", mirror.index_length},
          {"index_acknowledged_length", mirror.index_acknowledged_length},
          {"published_batch", mirror.published_batch},
          {"batches_pending", mirror.batches_pending},
          {"batch_pending_since_ms", OrNull(mirror.batch_pending_since_ms)},
          {"paused", mirror.paused},
          {"pause_reason", mirror.pause_reason},
          {"has_leader", mirror.has_leader}};
}

Json ToJson(const QueueOverview& queue) {
  return {{"nars", queue.nars},
          {"paths", queue.paths},
          {"leases", queue.leases},
          {"oldest_lease_ms", OrNull(queue.oldest_lease_ms)},
          {"oldest_wanted_ms", OrNull(queue.oldest_wanted_ms)},
          {"publish_ready", queue.ready},
          {"publish_ready_since_ms", OrNull(queue.oldest_ready_ms)}};
}

// As `coordinator status` calls it.
const char* Freshness(const ChannelOverview& channel) {
  if (!channel.followed) {
    return "not followed";
  }
  if (!channel.error.empty()) {
    return "failing";
  }
  if (channel.seen.empty() || channel.latest.empty()) {
    return "waiting";
  }
  return channel.seen == channel.latest ? "current" : "behind";
}

Json ToJson(const ChannelOverview& channel) {
  return {{"name", channel.name},
          {"followed", channel.followed},
          {"freshness", Freshness(channel)},
          {"seen", channel.seen},
          {"seen_at_ms", OrNull(channel.seen_at_ms)},
          {"late_since_ms", OrNull(channel.late_since_ms)},
          {"polled_at_ms", OrNull(channel.polled_at_ms)},
          {"error", channel.error},
          {"latest", channel.latest},
          {"latest_settled_at_ms", OrNull(channel.latest_settled_at_ms)},
          {"newest_release",
           channel.newest_release == 0 ? Json(nullptr) : Json(channel.newest_release)}};
}

Json ToJson(const ReleaseOverview& release) {
  return {{"id", release.id},
          {"channel", release.channel},
          {"name", release.name},
          {"state", release.state},
          {"message", release.message},
          {"latest", release.latest},
          {"plan_only", release.plan_only},
          {"paused", release.paused},
          {"pause_reason", release.pause_reason},
          {"submitted_at_ms", release.submitted_at_ms},
          {"settled_at_ms", OrNull(release.settled_at_ms)},
          {"completeness", release.completeness()},
          {"paths",
           {{"total", release.paths},
            {"published", release.paths_published},
            {"missing", release.paths_missing},
            {"set_aside", release.paths_set_aside},
            {"blocked", release.paths_blocked},
            {"left_out", release.paths_left_out}}},
          {"narinfos_read", release.narinfos_read},
          {"nars",
           {{"total", release.nars},
            {"stored", release.nars_stored},
            {"bytes_total", release.bytes},
            {"bytes_stored", release.bytes_stored}}},
          {"bytes_per_second", release.bytes_per_second},
          {"expected_end_ms", OrNull(release.expected_end_ms)}};
}

Json ToJson(const WorkerOverview& worker) {
  return {{"name", worker.name},
          {"roles", worker.roles},
          {"alive", worker.alive},
          // Of one that calls it would be another with each look.
          {"last_seen_ms", worker.alive ? Json(nullptr) : Json(worker.last_seen_ms)},
          {"disk_free_bytes", worker.disk_free_bytes},
          {"disk_full", worker.disk_full},
          {"jobs", worker.jobs},
          {"paused", worker.paused},
          {"pause_reason", worker.pause_reason},
          {"draining", worker.draining},
          {"version", worker.version},
          {"shards", worker.shards},
          {"shards_lost", worker.shards_lost},
          {"shard_bytes", worker.shard_bytes},
          {"copies", worker.copies},
          {"copies_whole", worker.copies_whole},
          {"copy_bytes", worker.copy_bytes},
          {"scrubbed_ms", OrNull(worker.scrubbed_at_ms)},
          {"scrub_damaged", worker.scrub_damaged},
          {"scrub_given_up", worker.scrub_given_up}};
}

Json ToJson(const HostOverview& host) {
  return {{"host", host.host},
          {"paused", host.paused},
          {"pause_reason", host.pause_reason},
          {"held_back_until_ms", OrNull(host.held_back_until_ms)},
          {"breaker_open", host.breaker_open},
          {"failures_in_a_row", host.failures_in_a_row}};
}

Json ToJson(const EventOverview& event) {
  return {{"id", event.id},
          {"at_ms", event.at_ms},
          {"what", event.what},
          {"store_path", event.path.empty() ? Json(nullptr) : Json("/nix/store/" + event.path)}};
}

template <class Views>
Json ToArray(const Views& views) {
  Json array = Json::array();
  for (const auto& view : views) {
    array.push_back(ToJson(view));
  }
  return array;
}

}  // namespace

Json StatusJson(const OverviewLook& look) {
  Json status = {{"schema", kStatusSchema},
                 {"database_answers", look.trouble.empty()},
                 {"database_trouble", look.trouble}};
  if (look.overview == nullptr) {
    status["mirror"] = nullptr;
    return status;
  }
  const Overview& all = *look.overview;
  status["mirror"] = ToJson(all.mirror);
  status["channels"] = ToArray(all.channels);
  status["releases"] = ToArray(all.releases);
  status["releases_by_state"] = all.releases_by_state;
  status["queue"] = ToJson(all.queue);
  status["workers"] = ToArray(all.workers);
  status["upstream_hosts"] = ToArray(all.hosts);
  status["events"] = ToArray(all.events);
  return status;
}

Json FailuresJson(std::int64_t release, const std::string& prefix, const FailuresPage& page) {
  Json failures = Json::array();
  for (const FailureView& failure : page.failures) {
    failures.push_back({{"store_path", failure.store_path},
                        {"state", failure.state},
                        {"reason", failure.reason},
                        {"message", failure.message},
                        {"blocked_by", failure.blocked_by},
                        {"since_ms", failure.since_ms},
                        {"attempts", failure.attempts},
                        {"accepted", failure.accepted}});
  }
  return {{"schema", kStatusSchema},
          {"release", release},
          {"prefix", prefix},
          {"failures", failures},
          {"next_page", page.next.empty() ? Json(nullptr) : Json(page.next)}};
}

}  // namespace hnx::coordinator
