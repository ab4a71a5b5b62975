#include <algorithm>
#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "coordinator/domain/path_view.h"

namespace hnx::coordinator {
namespace {

std::string At(std::int64_t unix_ms) {
  constexpr std::int64_t kMillisecondsPerSecond = 1000;
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC",
                     fmt::gmtime(static_cast<std::time_t>(unix_ms / kMillisecondsPerSecond)));
}

std::string Named(const PathRelease& release) {
  return fmt::format("release {} ({}/{})", release.id, release.channel, release.name);
}

bool Failed(const std::string& state) {
  return state == "missing" || state == "set_aside";
}

bool AtWork(const PathRelease& release) {
  return release.state == "resolving" || release.state == "walking" ||
         release.state == "mirroring" || release.state == "settled";
}

std::string AfterAttempts(std::uint32_t attempts, const std::string& reason) {
  return attempts == 0
             ? ""
             : fmt::format(", after {} failed attempt{}{}", attempts, attempts == 1 ? "" : "s",
                           reason.empty() ? "" : fmt::format(" (last: {})", reason));
}

// A person, or the upstream, holds it up. `what`: "its NAR".
std::optional<PathExplanation> ExplainHold(const HoldFacts& hold, const std::string& what,
                                           const std::string& after) {
  if (!hold.paused.empty()) {
    return PathExplanation{.situation = "paused",
                           .sentence = fmt::format("{} waits because {} is paused: {}{}", what,
                                                   hold.paused, hold.pause_reason, after),
                           .advice = "`coordinator resume` lifts the pause"};
  }
  if (hold.held_back_until_ms > 0) {
    return PathExplanation{
        .situation = "held_back",
        .sentence = fmt::format("{} waits because upstream asked for a pause until {}{}", what,
                                At(hold.held_back_until_ms), after)};
  }
  if (hold.breaker_open) {
    return PathExplanation{
        .situation = "upstream_down",
        .sentence = fmt::format("{} waits because upstream fails time and again{}", what, after),
        .advice = "it is probed until it answers; `coordinator status` shows since when it fails"};
  }
  return std::nullopt;
}

PathExplanation ExplainNar(const PathView& path) {
  const NarFacts& nar = *path.nar;
  if (path.looking_elsewhere) {
    return {.situation = "elsewhere",
            .sentence = fmt::format(
                "{} {} ({}); the other upstreams are asked for it", path.upstream,
                Failed(nar.state) ? "could not give its NAR" : "is down, where its NAR is",
                nar.reason.empty() ? "breaker open" : nar.reason)};
  }
  const std::string after = AfterAttempts(nar.attempts, nar.reason);
  if (path.lease) {
    return {.situation = "fetching",
            .sentence = fmt::format("its NAR is being fetched by worker {}, whose lease runs until "
                                    "{} unless it is renewed{}",
                                    path.lease->worker_name, At(path.lease->expires_at_ms), after)};
  }
  if (auto hold = ExplainHold(path.hold, "its NAR", after)) {
    return *std::move(hold);
  }
  if (nar.next_try_ms > 0) {
    return {.situation = "retrying",
            .sentence = fmt::format("its NAR is tried again at {}{}", At(nar.next_try_ms), after)};
  }
  if (path.hold.mirrors_at_work == 0) {
    return {.situation = "no_worker",
            .sentence = fmt::format(
                "its NAR waits, and {}{}",
                path.hold.mirrors == 0
                    ? "no worker with the role mirror calls"
                    : "every worker with the role mirror is paused, leaving, or without room",
                after),
            .advice =
                "`coordinator workers` lists them; start `worker run`, resume one, or make "
                "room"};
  }
  return {.situation = "nar_wanted", .sentence = "its NAR waits for a worker" + after};
}

PathExplanation ExplainLost(const PathView& path) {
  const NarFacts& nar = *path.nar;
  const std::string lost =
      fmt::format("published; the shard with its NAR was lost{}, and ",
                  nar.lost_worker.empty() ? "" : " with worker " + nar.lost_worker);
  if (Failed(nar.state)) {
    return {.situation = "lost",
            .sentence = fmt::format("{}it could not be brought back ({}); that is tried again "
                                    "every hour",
                                    lost, nar.reason),
            .advice =
                "give back the disk of that worker, or a peer that has the NAR "
                "(`worker run --peer`)"};
  }
  PathExplanation coming = ExplainNar(path);
  return {.situation = "coming_back",
          .sentence = lost + coming.sentence,
          .advice = std::move(coming.advice)};
}

PathExplanation ExplainPublished(const PathView& path) {
  const PublicationFacts& publication = path.publication;
  if (path.nar->state != "stored") {
    return ExplainLost(path);
  }
  if (path.leaving) {
    return {.situation = "leaving",
            .sentence = path.left_out_mark
                            ? "published, and outside of the budget: its narinfo leaves the index "
                              "when nothing that is published needs it"
                            : "published, and no release has it any more: its narinfo leaves the "
                              "index when nothing that is published needs it"};
  }
  if (publication.batch > publication.published_batch) {
    return {.situation = "publishing",
            .sentence = fmt::format("its narinfo is in publish batch {}, the index drive has come "
                                    "to {}",
                                    publication.batch, publication.published_batch),
            .advice =
                "the worker with the role index appends it; `coordinator workers` shows "
                "whether it calls"};
  }
  return {.situation = "published",
          .sentence = "published: the index drive holds its narinfo and its NAR is in a shard"};
}

PathExplanation ExplainFailure(const PathView& path) {
  const std::string failure =
      fmt::format("{} ({}): {}", path.state == "missing" ? "missing upstream" : "set aside",
                  path.reason, path.message);
  if (path.walk) {
    return {.situation = "asked_again",
            .sentence = fmt::format("{}; release {} asks for its narinfo again", failure,
                                    path.walk->release)};
  }
  if (!path.accepted.empty()) {
    return {
        .situation = "accepted",
        .sentence = fmt::format("{}; accepted as it is since {}: {}", failure,
                                At(path.accepted_at_ms), path.accepted),
        .advice = "`coordinator failures ignore --undo --path` has it count as a failure again"};
  }
  return {.situation = path.state,
          .sentence = failure,
          .advice =
              "`coordinator failures retry --path` asks for it again; `coordinator failures "
              "ignore --path` accepts it as it is"};
}

PathExplanation ExplainBlocked(const PathView& path) {
  const CauseFacts& cause = *path.cause;
  return {.situation = "blocked",
          .sentence = fmt::format(
              "blocked: it needs {}, which cannot be published: it {} ({})", cause.store_path,
              cause.state == "missing" ? "is missing upstream" : "was set aside", cause.reason),
          .advice = fmt::format("it is published as soon as that is; `coordinator why {}`",
                                cause.store_path)};
}

PathExplanation ExplainLeftOut(const LeftOutFacts& facts) {
  if (facts.unfit) {
    return {.situation = "left_out_too_large",
            .sentence = fmt::format("left out: its NAR, or one that it needs, is larger than the "
                                    "budget of {} bytes",
                                    facts.budget_bytes),
            .advice = "a larger `coordinator serve --budget` takes it in"};
  }
  if (facts.waits) {
    return {.situation = "left_out_for_now",
            .sentence = fmt::format("left out: inside of the budget of {} bytes, and there is no "
                                    "room before what leaves has given it back",
                                    facts.budget_bytes)};
  }
  if (!facts.value) {
    return {.situation = "left_out_undecided",
            .sentence = fmt::format("left out: the budget of {} bytes has yet to be chosen for it",
                                    facts.budget_bytes)};
  }
  return {
      .situation = "left_out",
      .sentence = fmt::format("left out: outside of the budget of {} bytes (it is worth {:.2f}, "
                              "the least that is kept {:.2f})",
                              facts.budget_bytes, *facts.value, facts.kept_value),
      .advice =
          "a larger `coordinator serve --budget`, or a pin of its release (`coordinator "
          "pin`), takes it in"};
}

// Nothing is done for it, as no release at work has it. `so_far` is what was done.
PathExplanation ExplainIdle(const PathView& path, const std::string& so_far) {
  if (path.releases.empty()) {
    return {.situation = "unneeded",
            .sentence = so_far + "; no release has it (any more)",
            .advice = "a release that has it, when it is submitted, brings it back"};
  }
  const PathRelease& newest = path.releases.front();
  if (newest.state == "planned") {
    return {.situation = "planned",
            .sentence = fmt::format("{}; {} was only planned", so_far, Named(newest)),
            .advice = "submit the same without planning only: `coordinator submit`"};
  }
  return {.situation = "unneeded",
          .sentence =
              fmt::format("{}; no release at work needs it: {} is {}{}", so_far, Named(newest),
                          newest.state, newest.message.empty() ? "" : " (" + newest.message + ")"),
          .advice = "submit it again: `coordinator submit`"};
}

PathExplanation ExplainDiscovered(const PathView& path) {
  if (!path.walk) {
    return ExplainIdle(path, "its narinfo has not been read");
  }
  const std::string after = AfterAttempts(path.walk->attempts, path.walk->reason);
  if (auto hold = ExplainHold(path.hold, "its narinfo", after)) {
    return *std::move(hold);
  }
  if (path.walk->next_try_ms > 0) {
    return {.situation = "retrying",
            .sentence = fmt::format("its narinfo has not been read yet and is asked for again at "
                                    "{}{}",
                                    At(path.walk->next_try_ms), after)};
  }
  return {.situation = "narinfo_wanted",
          .sentence = fmt::format("its narinfo has not been read yet; release {} is being walked{}",
                                  path.walk->release, after)};
}

PathExplanation ExplainKnown(const PathView& path) {
  const std::string so_far = "its narinfo is verified";
  if (!path.needed && std::none_of(path.releases.begin(), path.releases.end(), AtWork)) {
    return ExplainIdle(path, so_far);
  }
  if (!path.needed) {
    return {.situation = "planning",
            .sentence = so_far + "; its release has yet to be walked to its end and planned"};
  }
  PathExplanation nar = ExplainNar(path);
  if (!path.nar->lost_shard.empty()) {
    nar.sentence = fmt::format("it was stored, and lost with a shard of worker {}; {}",
                               path.nar->lost_worker, nar.sentence);
    return nar;
  }
  nar.sentence = so_far + "; " + nar.sentence;
  return nar;
}

PathExplanation ExplainStored(const PathView& path) {
  const std::string so_far = "its NAR is stored";
  if (!path.needed && path.nar->unlisted_at_ms > 0) {
    return {.situation = "retiring",
            .sentence = fmt::format("its narinfo left the index at {}; its NAR stays for "
                                    "--retire-days, as clients may know the narinfo",
                                    At(path.nar->unlisted_at_ms)),
            .advice = "a release that has it, when it is submitted, keeps it"};
  }
  if (!path.needed && path.nar->unlinked) {
    return {.situation = "retiring",
            .sentence =
                "its narinfo and the link to its NAR leave the index; the room of the NAR "
                "is given back"};
  }
  if (!path.needed && std::none_of(path.releases.begin(), path.releases.end(), AtWork)) {
    return ExplainIdle(path, so_far);
  }
  if (!path.needed) {
    return {.situation = "planning",
            .sentence = so_far + "; its release has yet to be walked to its end and planned"};
  }
  if (path.waiting_for_count > 0) {
    return {.situation = "waits_for_references",
            .sentence = fmt::format("{}; it waits for {} reference{} not published yet", so_far,
                                    path.waiting_for_count,
                                    path.waiting_for_count == 1 ? " that is" : "s that are"),
            .advice = fmt::format("`coordinator why {}` tells of the first", path.waiting_for[0])};
  }
  if (path.publication.index_key.empty()) {
    return {
        .situation = "no_index",
        .sentence = so_far + "; no worker with the role index has come, so nothing is published",
        .advice = "start `worker run --role index`"};
  }
  if (path.place && path.place->copies.empty() && !path.place->copies_to_come.empty()) {
    return {.situation = "waits_for_copy",
            .sentence = fmt::format("{}; for a while it waits until worker {} holds it too", so_far,
                                    path.place->copies_to_come[0])};
  }
  return {.situation = "ready", .sentence = so_far + "; it is about to be published"};
}

}  // namespace

PathExplanation ExplainPath(const PathView& path) {
  if (path.state == "published") {
    return ExplainPublished(path);
  }
  if (path.state == "blocked") {
    return ExplainBlocked(path);
  }
  if (Failed(path.state)) {
    return ExplainFailure(path);
  }
  if (path.left_out) {
    return ExplainLeftOut(*path.left_out);
  }
  if (path.state == "discovered") {
    return ExplainDiscovered(path);
  }
  return path.state == "known" ? ExplainKnown(path) : ExplainStored(path);
}

}  // namespace hnx::coordinator
