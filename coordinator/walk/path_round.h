// PathRound: one path of a walk on its way through the upstreams: who is asked next for its
// narinfo, and what becomes of it when nobody gave it. Pure.
//
//   lacks it (404), or was refused for good     ruled out in this walk; the next one is asked
//   refused, or failed by itself                the next one is asked; this one again in some time
//   away (held back, paused, out of order)      passed over; the path waits for it
//
// A path is missing when every upstream lacks it, set aside when every one is ruled out and one of
// them was refused (the first one's reason), and waits otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "coordinator/store/walk_store.h"

namespace hnx::coordinator {

// An upstream as a round sees it.
struct RoundUpstream {
  UpstreamId id = 0;
  std::string url;
  bool askable = false;  // not held back, paused or out of order
};

class PathRound {
 public:
  explicit PathRound(FrontierPath path) : path_(std::move(path)) {}

  const FrontierPath& path() const { return path_; }
  // The place of the upstream to ask now; nothing: the round is over (End).
  std::optional<std::size_t> Next(std::span<const RoundUpstream> upstreams) const;
  // What was decided about a failure at that upstream as if there were no other. `several`: there
  // are others, so that messages have to name it.
  void Note(std::size_t place, const RoundUpstream& upstream, const PathFailure& decided,
            bool several);
  // Nothing: the path stays in the frontier as it is there.
  std::optional<PathFailure> End(std::span<const RoundUpstream> upstreams) const;

 private:
  bool IsRuledOut(UpstreamId upstream) const;

  FrontierPath path_;
  std::uint32_t asked_ = 0;  // places, as bits
  bool changed_ = false;
  bool exhausted_ = false;  // one was ruled out after all its attempts; the others have theirs
  int attempts_ = 0;        // counted in this round
  std::chrono::milliseconds retry_in_{0};
  std::string last_reason_;
  std::string last_message_;
};

}  // namespace hnx::coordinator
