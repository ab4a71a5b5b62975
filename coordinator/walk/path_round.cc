#include "coordinator/walk/path_round.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace hnx::coordinator {

bool PathRound::IsRuledOut(UpstreamId upstream) const {
  return std::find(path_.ruled_out.begin(), path_.ruled_out.end(), upstream) !=
         path_.ruled_out.end();
}

std::optional<std::size_t> PathRound::Next(std::span<const RoundUpstream> upstreams) const {
  HNX_CHECK(upstreams.size() <= 32);
  for (std::size_t place = 0; place < upstreams.size(); ++place) {
    if (upstreams[place].askable && ((asked_ >> place) & 1U) == 0 &&
        !IsRuledOut(upstreams[place].id)) {
      return place;
    }
  }
  return std::nullopt;
}

void PathRound::Note(std::size_t place, const RoundUpstream& upstream, const PathFailure& decided,
                     bool several) {
  asked_ |= std::uint32_t{1} << place;
  changed_ = true;
  last_reason_ = decided.reason;
  last_message_ = several && decided.verdict == PathFailure::Verdict::kSetAside
                      ? upstream.url + ": " + decided.message
                      : decided.message;
  if (decided.verdict != PathFailure::Verdict::kMissing) {
    attempts_ = std::max(attempts_, decided.attempts - path_.attempts);
  }
  if (decided.verdict == PathFailure::Verdict::kLater) {
    retry_in_ = std::max(retry_in_, decided.retry_in);
    return;
  }
  path_.ruled_out.push_back(upstream.id);
  exhausted_ = exhausted_ || decided.verdict == PathFailure::Verdict::kSetAside;
  if (decided.verdict == PathFailure::Verdict::kSetAside && path_.reason.empty()) {
    path_.reason = last_reason_;
    path_.message = last_message_;
  }
}

std::optional<PathFailure> PathRound::End(std::span<const RoundUpstream> upstreams) const {
  PathFailure failure;
  failure.path = path_.path;
  failure.attempts = path_.attempts + attempts_;
  const bool all_ruled_out =
      std::all_of(upstreams.begin(), upstreams.end(),
                  [&](const RoundUpstream& upstream) { return IsRuledOut(upstream.id); });
  if (all_ruled_out && !path_.reason.empty()) {
    failure.verdict = PathFailure::Verdict::kSetAside;
    failure.reason = path_.reason;
    failure.message = path_.message;
    return failure;
  }
  if (all_ruled_out) {
    failure.verdict = PathFailure::Verdict::kMissing;
    failure.attempts += 1;
    failure.reason = last_reason_.empty() ? "http-404" : last_reason_;
    failure.message = last_message_.empty() ? "no upstream has its narinfo" : last_message_;
    return failure;
  }
  if (!changed_) {
    return std::nullopt;
  }
  failure.verdict = PathFailure::Verdict::kLater;
  failure.attempts = exhausted_ ? 0 : failure.attempts;
  failure.reason = last_reason_;
  failure.message = last_message_;
  failure.retry_in = retry_in_;
  failure.ruled_out = path_.ruled_out;
  failure.refused_reason = path_.reason;
  failure.refused_message = path_.message;
  return failure;
}

}  // namespace hnx::coordinator
