// WorkControl: what operators hold, end, order and accept, as plain values between rpc and store.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hnx::coordinator {

inline constexpr std::size_t kControlReasonMax = 500;
inline constexpr std::size_t kControlPathsMax = 10'000;
inline constexpr int kPriorityMax = 1'000'000;
// A worker that was silent for longer is not counted on.
inline constexpr std::int64_t kWorkerSilenceMs = 15'000;

struct PauseTarget {
  enum class Kind { kEverything, kRelease, kUpstream, kWorker };
  Kind kind = Kind::kEverything;
  std::int64_t release = 0;
  std::string name{};  // a host, or a worker's id or name
};

struct PauseOutcome {
  std::string what;      // "release 3 (nixos-unstable)"
  bool changed = false;  // false: it was so before
};

// Which failed paths of a release are meant.
struct FailureSelection {
  std::int64_t release = 0;           // 0: the newest
  std::string reason{};               // empty: any
  std::vector<std::string> hashes{};  // empty: all
};

struct FailuresChanged {
  std::int64_t release = 0;
  std::uint64_t paths = 0;
};

struct ForgottenWorker {
  std::string id;
  std::string name;
  std::uint64_t shards_lost = 0;
  std::uint64_t nars = 0;
  std::uint64_t bytes = 0;
};

// kInvalidArgument beyond kPriorityMax, up or down.
Result<void> CheckPriority(int priority);

// "https://Cache.nixos.org/x" or "cache.nixos.org" -> "cache.nixos.org", as the schema spells
// hosts.
std::string HostOfUpstream(std::string_view url_or_host);

// May work on a release in this state (the word in SQL) be held, or ended? kFailedPrecondition says
// what is the matter with it.
Result<void> CheckMayPause(std::int64_t release, std::string_view state);
Result<void> CheckMayCancel(std::int64_t release, std::string_view state, bool settling);
Result<void> CheckMayRetry(std::int64_t release, std::string_view state, bool planning);

}  // namespace hnx::coordinator
