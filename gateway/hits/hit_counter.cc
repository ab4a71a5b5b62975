#include "gateway/hits/hit_counter.h"

#include <algorithm>
#include <functional>

namespace hnx::gateway {

HitCounter::HitCounter(http::MetricsRegistry& metrics, std::size_t paths_max)
    : part_paths_max_(std::max<std::size_t>(1, paths_max / kParts)),
      overflow_(metrics.Counter("hnx_gateway_hits_uncounted_total",
                                "Requests for narinfos that are not reported to the coordinator: "
                                "too many different paths were asked for")) {}

void HitCounter::Count(std::string_view hash) {
  Part& part = parts_[std::hash<std::string_view>()(hash) % kParts];
  std::string key(hash);
  {
    MutexLock lock(part.mutex);
    if (const auto found = part.counts.find(key); found != part.counts.end()) {
      ++found->second;
      return;
    }
    if (part.counts.size() < part_paths_max_) {
      part.counts.emplace(std::move(key), 1);
      return;
    }
  }
  overflow_.Add();
}

std::vector<Hit> HitCounter::Take(std::size_t max) {
  std::vector<Hit> hits;
  for (Part& part : parts_) {
    MutexLock lock(part.mutex);
    while (!part.counts.empty() && hits.size() < max) {
      auto node = part.counts.extract(part.counts.begin());
      hits.push_back({.hash = std::move(node.key()), .count = node.mapped()});
    }
  }
  return hits;
}

}  // namespace hnx::gateway
