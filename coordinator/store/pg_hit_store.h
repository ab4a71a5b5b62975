// PgHitStore: how often clients of gateways asked for paths, as gateways report it. What a hit is
// worth fades (domain/budget_policy.h). Any replica and thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

inline constexpr std::size_t kHitsPerReportMax = 10'000;
inline constexpr std::uint64_t kHitCountMax = 1'000'000'000;
inline constexpr std::size_t kGatewayIdLength = 32;

struct PathHits {
  std::string hash;  // of the store path
  std::uint64_t count = 0;
};

struct HitReport {
  std::string gateway;         // 32 hexadecimal digits, of one process
  std::uint64_t sequence = 0;  // counts up with each report of that process, from 1 on
  std::vector<PathHits> hits{};
};

class PgHitStore {
 public:
  // `pool` must outlive this object.
  explicit PgHitStore(PgPool& pool) : pool_(pool) {}

  // False: this report, or a later one of the gateway, was counted before. Hashes that nobody knows
  // count for nothing. kInvalidArgument: the report is none.
  Result<bool> Take(const HitReport& report);

 private:
  PgPool& pool_;
};

}  // namespace hnx::coordinator
