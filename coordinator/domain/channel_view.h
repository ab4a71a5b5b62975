// What people see of channels that are followed, and of what is retiring: plain values between
// store and rpc.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace hnx::coordinator {

// How a channel is followed.
struct FollowSettings {
  std::string channel;
  std::vector<std::string> match;
  std::vector<std::string> exclude;
  double max_missing = -1;  // negative: the coordinator's default
  int priority = 0;
  std::chrono::milliseconds interval{300'000};
  std::chrono::milliseconds debounce{60'000};
  // Negative: as it was.
  int keep_releases = -1;
  int keep_days = -1;
};

struct ChannelView {
  std::string name;
  bool followed = false;
  std::uint32_t keep_releases = 0;
  std::uint32_t keep_days = 0;
  std::int64_t interval_ms = 0;
  std::int64_t debounce_ms = 0;
  std::string latest;  // the release that /channels/<name>/latest names
  std::int64_t latest_settled_at_ms = 0;
  std::string seen;  // what the channel points to upstream
  std::int64_t seen_at_ms = 0;
  std::int64_t polled_at_ms = 0;  // when it last answered; 0: never
  std::string error;              // of the last poll

  bool operator==(const ChannelView&) const = default;
};

struct RetiringRelease {
  std::int64_t id = 0;
  std::string channel;
  std::string name;

  bool operator==(const RetiringRelease&) const = default;
};

// What is on its way out of the mirror, and what would be.
struct GarbageView {
  // Beyond their channel's retention and not retired yet, with what only they need.
  std::vector<RetiringRelease> releases;
  std::uint64_t paths = 0;
  std::uint64_t nars = 0;
  std::uint64_t bytes = 0;
  // Named by no narinfo any more.
  std::uint64_t retiring_nars = 0;
  std::uint64_t retiring_bytes = 0;
  std::int64_t next_due_ms = 0;  // 0: nothing is
  // Of these, what was so for long enough: its link, entry and blocks go now.
  std::uint64_t due_nars = 0;
  std::uint64_t due_bytes = 0;
  // Under way: releases, narinfos and links that leave the index, copies that leave shards.
  std::uint64_t leaving_releases = 0;
  std::uint64_t leaving_paths = 0;
  std::uint64_t leaving_links = 0;
  std::uint64_t leaving_copies = 0;
  std::uint64_t leaving_bytes = 0;
  // Of workers that are away: they wait for them.
  std::uint64_t waiting_copies = 0;
  std::uint64_t waiting_bytes = 0;
  // Ever given back.
  std::uint64_t reclaimed_nars = 0;
  std::uint64_t reclaimed_bytes = 0;
  bool running = false;  // a run was asked for, or is due, and is not over

  // Nothing of it is under way, but for workers that are away.
  bool Idle() const {
    return !running && leaving_releases + leaving_paths + leaving_links + leaving_copies == 0;
  }
  bool operator==(const GarbageView&) const = default;
};

}  // namespace hnx::coordinator
