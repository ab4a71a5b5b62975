#include <fmt/format.h>

#include "coordinator/domain/release_view.h"

namespace hnx::coordinator {
namespace {

std::string ExplainNar(const PathFacts& facts) {
  if (facts.looking_elsewhere) {
    const bool failed = facts.nar_state == "missing" || facts.nar_state == "set_aside";
    return fmt::format("{} {} ({}); the other upstreams are asked for it", facts.upstream,
                       failed ? "could not give its NAR" : "is down, where its NAR is",
                       facts.nar_reason.empty() ? "breaker open" : facts.nar_reason);
  }
  if (facts.nar_state == "leased") {
    return fmt::format("its NAR is being fetched by worker {}", facts.leased_by);
  }
  std::string text = "its NAR waits for a worker";
  if (!facts.held.empty()) {
    text = fmt::format("its NAR waits because {} is paused", facts.held);
  } else if (facts.upstream_paused) {
    text = "its NAR waits because upstream asked for a pause";
  } else if (!facts.nar_waits_until.empty()) {
    text = fmt::format("its NAR is tried again at {} UTC", facts.nar_waits_until);
  }
  if (facts.nar_attempts > 0) {
    text +=
        fmt::format(", after {} failed attempts (last: {})", facts.nar_attempts, facts.nar_reason);
  }
  return text;
}

std::string ExplainLeftOut(const LeftOutFacts& facts) {
  if (facts.unfit) {
    return fmt::format(
        "left out: its NAR, or one that it needs, is larger than the budget of {} bytes",
        facts.budget_bytes);
  }
  if (facts.waits) {
    return fmt::format(
        "left out: inside of the budget of {} bytes, and there is no room before what leaves has "
        "given it back",
        facts.budget_bytes);
  }
  if (!facts.value) {
    return fmt::format("left out: the budget of {} bytes has yet to be chosen for it",
                       facts.budget_bytes);
  }
  return fmt::format(
      "left out: outside of the budget of {} bytes (it is worth {:.2f}, the least that is kept "
      "{:.2f})",
      facts.budget_bytes, *facts.value, facts.kept_value);
}

}  // namespace

std::string ExplainPath(const PathFacts& facts) {
  if (facts.state == "published") {
    if (facts.nar_state != "stored") {
      return "published; the shard with its NAR was lost, and " +
             (facts.nar_state == "missing" || facts.nar_state == "set_aside"
                  ? fmt::format("it could not be brought back ({}); that is tried again every "
                                "hour",
                                facts.nar_reason)
                  : ExplainNar(facts));
    }
    if (facts.batch <= facts.published_batch) {
      return "published: the index drive holds its narinfo and its NAR is in a shard";
    }
    return fmt::format("its narinfo is in publish batch {}, the index drive has come to {}",
                       facts.batch, facts.published_batch);
  }
  if (!facts.blocked_by.empty()) {
    return fmt::format("blocked: it needs {}, which cannot be published", facts.blocked_by);
  }
  if (facts.state == "missing" || facts.state == "set_aside") {
    return fmt::format("{} ({}): {}; submitting its release again tries it again",
                       facts.state == "missing" ? "missing upstream" : "set aside", facts.reason,
                       facts.message);
  }
  if (facts.left_out) {
    return ExplainLeftOut(*facts.left_out);
  }
  if (facts.state == "discovered") {
    return "its narinfo has not been read yet";
  }
  if (!facts.needed) {
    return "its narinfo is verified; no release that is being mirrored needs it";
  }
  if (facts.state == "known") {
    return "its narinfo is verified; " + ExplainNar(facts);
  }
  if (facts.waiting_for > 0) {
    return "its NAR is stored; it waits for references that are not published yet";
  }
  return "its NAR is stored; it is about to be published";
}

}  // namespace hnx::coordinator
