// FollowPolicy: when a channel that is followed has what it points to mirrored. Pure.
#pragma once

#include <chrono>

namespace hnx::coordinator {

// A release that could not even be pinned is submitted again after so long.
inline constexpr std::chrono::milliseconds kResubmitAfter{3'600'000};

struct FollowFacts {
  // A submission of what the channel points to is there, whatever became of it.
  bool release_known = false;
  // A submission of this channel has not been pinned yet: it will be what the channel points to.
  bool pinning = false;
  // Since the channel was first seen to point there.
  std::chrono::milliseconds seen_for{0};
  std::chrono::milliseconds debounce{0};
  // It was submitted, so long ago; negative: it was not.
  std::chrono::milliseconds submitted_for{-1};
};

enum class FollowStep {
  kNothing,
  kWait,  // it may move again: look once more when `debounce` is over
  kSubmit,
};

FollowStep DecideFollow(const FollowFacts& facts);

}  // namespace hnx::coordinator
