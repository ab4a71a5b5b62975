// HostShare: how the cluster's limits at one upstream host are shared out. Pure.
//
// Every user of a host (a worker with leases there, the walk) holds a share, for a while, in SQL. A
// user gets an even part of the limit, but never more than what the others may still be using: so
// the sum never exceeds the limit, also while users come and go. What a user may be using is the
// larger of what it last was given and what it says it has in force (an answer may have got lost).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace hnx::coordinator {

// Of the whole cluster at each host; 0: no limit.
struct HostLimits {
  std::uint64_t bytes_per_second = 0;
  double requests_per_second = 0;
  std::uint32_t transfers_max = 0;

  bool any() const { return bytes_per_second > 0 || requests_per_second > 0 || transfers_max > 0; }
};

struct HostShare {
  std::uint64_t bytes_per_second = 0;
  double requests_per_second = 0;
  std::uint32_t transfers = 0;
};

// All other holders together.
struct OtherShares {
  std::uint32_t holders = 0;
  HostShare held;
};

// How long a share may be used without being given anew.
inline constexpr std::chrono::milliseconds kShareValid{10'000};

HostShare ShareOut(const HostLimits& limits, const OtherShares& others);
// What the holder may be using: field by field the larger one.
HostShare LargerOf(const HostShare& a, const HostShare& b);

// What a user is told. Of what is not limited, the share's number means nothing.
struct HostAllowance {
  std::string host;
  HostLimits limits;
  HostShare share;
  std::chrono::milliseconds pause{0};
  std::chrono::milliseconds valid{0};
};

// What a user says it has in force.
struct HostUseReport {
  std::string host;
  HostShare share;
  std::uint32_t window = 0;
};

}  // namespace hnx::coordinator
