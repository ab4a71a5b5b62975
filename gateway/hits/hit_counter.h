// HitCounter: how often each narinfo was asked for since the counts were last taken. Bounded: when
// so many paths were asked for, further ones are not counted, only how many requests that were.
// Thread-safe; a request costs one look-up.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "http/metrics.h"

namespace hnx::gateway {

// Between two reports; about 10 MiB.
inline constexpr std::size_t kHitPathsMax = 65'536;

struct Hit {
  std::string hash;  // of a store path
  std::uint64_t count = 0;
};

class HitCounter {
 public:
  explicit HitCounter(http::MetricsRegistry& metrics, std::size_t paths_max = kHitPathsMax);

  void Count(std::string_view hash);
  // At most `max` paths, which are then counted from zero on.
  std::vector<Hit> Take(std::size_t max);

 private:
  static constexpr std::size_t kParts = 16;
  // Requests come from several threads.
  struct Part {
    Mutex mutex;
    std::unordered_map<std::string, std::uint64_t> counts HNX_GUARDED_BY(mutex);
  };

  const std::size_t part_paths_max_;
  std::array<Part, kParts> parts_;
  http::MetricCounter overflow_;
};

}  // namespace hnx::gateway
