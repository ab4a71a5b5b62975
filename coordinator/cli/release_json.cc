#include "coordinator/cli/release_json.h"

#include <algorithm>
#include <cctype>

#include "coordinator/cli/channel_text.h"
#include "coordinator/cli/scrub_text.h"

namespace hnx::coordinator {
namespace {

namespace pb = ::hypercore_nixos::v1;
using Json = nlohmann::ordered_json;

// "RELEASE_STATE_SETTLED" -> "settled"
std::string EnumWord(const std::string& name, std::string_view prefix) {
  std::string word = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return word;
}

Json CountsJson(const pb::PathCounts& paths) {
  return {{"total", paths.total()},     {"published", paths.published()},
          {"missing", paths.missing()}, {"set_aside", paths.set_aside()},
          {"blocked", paths.blocked()}, {"left_out", paths.left_out()}};
}

Json BudgetJson(const pb::Status& status) {
  if (!status.has_budget()) {
    return nullptr;
  }
  const pb::BudgetStatus& budget = status.budget();
  return {{"bytes", budget.bytes()},
          {"choosing", budget.choosing()},
          {"kept_paths", budget.kept_paths()},
          {"kept_bytes", budget.kept_bytes()},
          {"kept_value", budget.kept_value()},
          {"left_out_paths", budget.left_out_paths()},
          {"waiting_paths", budget.waiting_paths()}};
}

Json CountsJson(const pb::NarCounts& nars) {
  return {{"total", nars.total()},
          {"stored", nars.stored()},
          {"bytes_total", nars.bytes_total()},
          {"bytes_stored", nars.bytes_stored()},
          {"bytes_reused", nars.bytes_reused()},
          {"file_hash_drift", nars.file_hash_drift()}};
}

Json PlanJson(const pb::PlanEstimate& plan) {
  return {{"paths", plan.paths()},
          {"nars_to_fetch", plan.nars_to_fetch()},
          {"bytes_to_fetch", plan.bytes_to_fetch()},
          {"nar_bytes", plan.nar_bytes()},
          {"disk_free_bytes", plan.disk_free_bytes()},
          {"disk_needed_bytes", plan.disk_needed_bytes()},
          {"seconds_expected", plan.seconds_expected()},
          {"missing_upstream", plan.missing_upstream()},
          {"fits", plan.fits()}};
}

Json UpstreamJson(const pb::UpstreamStatus& upstream) {
  Json urls = Json::array();
  for (const std::string& url : upstream.urls()) {
    urls.push_back(url);
  }
  Json caches = Json::array();
  for (const pb::UpstreamCache& cache : upstream.caches()) {
    Json keys = Json::array();
    for (const std::string& key : cache.public_keys()) {
      keys.push_back(key);
    }
    caches.push_back({{"url", cache.url()},
                      {"preference", cache.preference()},
                      {"public_keys", keys},
                      {"nars_stored", cache.nars_stored()}});
  }
  return {{"host", upstream.host()},
          {"paused", upstream.paused()},
          {"pause_reason", upstream.pause_reason()},
          {"held_back_ms", upstream.held_back_ms()},
          {"breaker", upstream.breaker()},
          {"failures_in_a_row", upstream.failures_in_a_row()},
          {"bytes_per_second_max", upstream.bytes_per_second_max()},
          {"requests_per_second_max", upstream.requests_per_second_max()},
          {"transfers_max", upstream.transfers_max()},
          {"window", upstream.window()},
          {"urls", urls},
          {"caches", caches}};
}

Json ShardJson(const pb::ShardStatus& shard) {
  Json json{{"id_z32", shard.id_z32()}, {"worker", shard.worker_name()},
            {"nars", shard.nars()},     {"bytes", shard.bytes()},
            {"sealed", shard.sealed()}, {"lost", shard.lost()},
            {"copies", shard.copies()}, {"copies_whole", shard.copies_whole()}};
  if (shard.has_scrub()) {
    json["scrub"] = ToJson(shard.scrub());
  }
  return json;
}

template <class Messages, class Convert>
Json ToArray(const Messages& messages, Convert convert) {
  Json array = Json::array();
  for (const auto& message : messages) {
    array.push_back(convert(message));
  }
  return array;
}

template <class Texts>
Json TextArray(const Texts& texts) {
  Json array = Json::array();
  for (const auto& text : texts) {
    array.push_back(text);
  }
  return array;
}

}  // namespace

std::string ReleaseStateName(pb::ReleaseState state) {
  return EnumWord(pb::ReleaseState_Name(state), "RELEASE_STATE_");
}

Json ToJson(const pb::WorkerStatus& worker) {
  Json roles = Json::array();
  for (const int role : worker.roles()) {
    roles.push_back(EnumWord(pb::WorkerRole_Name(role), "WORKER_ROLE_"));
  }
  return {{"id", worker.id()},
          {"name", worker.name()},
          {"roles", roles},
          {"alive", worker.alive()},
          {"last_seen_ms", worker.last_seen_ms()},
          {"disk_free_bytes", worker.disk_free_bytes()},
          {"jobs", worker.jobs()},
          {"bytes_stored", worker.bytes_stored()},
          {"paused", worker.paused()},
          {"pause_reason", worker.pause_reason()},
          {"draining", worker.draining()},
          {"removable", worker.removable()},
          {"lone_shards", TextArray(worker.lone_shards())},
          {"lone_index", worker.lone_index()},
          {"forgotten", worker.forgotten()},
          {"disk_full", worker.disk_full()},
          {"shards", worker.shards()},
          {"shards_lost", worker.shards_lost()},
          {"version", worker.version()},
          {"copies", worker.copies()},
          {"copies_whole", worker.copies_whole()},
          {"copy_bytes", worker.copy_bytes()},
          {"failure_domain", worker.failure_domain()},
          {"peer_address", worker.peer_address()},
          {"lone_unassigned", worker.lone_unassigned()}};
}

Json ToJson(const pb::Release& release) {
  Json json{{"id", release.id()},
            {"channel", release.channel()},
            {"name", release.name()},
            {"revision", release.revision()},
            {"state", ReleaseStateName(release.state())},
            {"message", release.message()},
            {"paths", CountsJson(release.paths())},
            {"nars", CountsJson(release.nars())},
            {"narinfos_read", release.narinfos_read()},
            {"submitted_at_ms", release.submitted_at_ms()},
            {"settled_at_ms", release.settled_at_ms()},
            {"latest", release.latest()},
            {"pinned", release.pinned()},
            {"release_files", release.release_files()},
            {"release_files_published", release.release_files_published()},
            {"priority", release.priority()},
            {"paused", release.paused()},
            {"pause_reason", release.pause_reason()}};
  if (release.has_plan()) {
    json["plan"] = PlanJson(release.plan());
  }
  return json;
}

Json ToJson(const pb::Status& status) {
  const auto convert = [](const auto& message) { return ToJson(message); };
  return {{"mirror_key", status.index_key_hex()},
          {"mirror_key_z32", status.index_key_z32()},
          {"index_length", status.index_length()},
          {"index_acknowledged_length", status.index_acknowledged_length()},
          {"index_acknowledged_batch", status.index_acknowledged_batch()},
          {"published_batch", status.published_batch()},
          {"paths_published", status.paths_published()},
          {"paused", status.paused()},
          {"pause_reason", status.pause_reason()},
          {"budget", BudgetJson(status)},
          {"upstreams", ToArray(status.upstreams(), UpstreamJson)},
          {"releases", ToArray(status.releases(), convert)},
          {"channels", ToArray(status.channels(), convert)},
          {"workers", ToArray(status.workers(), convert)},
          {"shards", ToArray(status.shards(), ShardJson)}};
}

Json ToJson(const pb::Failure& failure) {
  return {{"store_path", failure.store_path()}, {"state", failure.state()},
          {"reason", failure.reason()},         {"message", failure.message()},
          {"blocked_by", failure.blocked_by()}, {"since_ms", failure.since_ms()},
          {"attempts", failure.attempts()},     {"accepted", failure.accepted()}};
}

Json ToJson(const pb::ReleaseDifference& difference) {
  if (difference.has_path()) {
    const pb::PathDifference& path = difference.path();
    return {{"change", path.added() ? "added" : "gone"},
            {"store_path", path.store_path()},
            {"state", path.state()},
            {"bytes", path.bytes()}};
  }
  const pb::DifferenceTotals& totals = difference.totals();
  return {{"paths_added", totals.paths_added()}, {"paths_gone", totals.paths_gone()},
          {"nars_added", totals.nars_added()},   {"nars_gone", totals.nars_gone()},
          {"bytes_added", totals.bytes_added()}, {"bytes_gone", totals.bytes_gone()}};
}

}  // namespace hnx::coordinator
