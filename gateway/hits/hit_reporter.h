// HitReporter: tells the mirror's coordinator once a minute, and when it is stopped, how often
// which narinfos were asked for: hashes and counts, nothing of who asked. A report that was not
// answered is sent again under the same number, so that it counts once; meanwhile the counter goes
// on counting. Nothing that goes wrong here is seen by a client of the gateway.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "access/access_options.h"
#include "base/result.h"
#include "base/service.h"
#include "gateway/hits/hit_counter.h"

namespace hnx::gateway {

inline constexpr std::chrono::milliseconds kHitReportInterval{60'000};
inline constexpr std::size_t kHitsPerReport = 10'000;  // a coordinator takes as many
inline constexpr std::size_t kHitReportsPerRound = 8;  // all that the counter can hold

struct HitReport {
  std::string gateway;         // 32 hexadecimal digits, made at each start
  std::uint64_t sequence = 0;  // from 1 on
  std::vector<Hit> hits;
};

class HitReporter final : public LoopService {
 public:
  // kInvalidArgument and other errors that do not pass: the report is given up.
  using Send = std::function<Result<void>(const HitReport&)>;

  // `counter` must outlive this object.
  HitReporter(HitCounter& counter, std::string gateway, Send send);
  ~HitReporter() override;
  HitReporter(const HitReporter&) = delete;
  HitReporter& operator=(const HitReporter&) = delete;
  HitReporter(HitReporter&&) = delete;
  HitReporter& operator=(HitReporter&&) = delete;

  // Sends what was counted.
  std::chrono::milliseconds RunOnce() override;

 private:
  HitCounter& counter_;
  const Send send_;
  HitReport report_;  // on its way, while it has hits
  std::string trouble_;
};

// To any of the coordinators, over gRPC. kInvalidArgument: one is no HOST:PORT, or `access` is half
// given; other errors name the file that is wrong.
Result<HitReporter::Send> MakeHitSender(const std::vector<std::string>& coordinators,
                                        const access::ClientAccess& access = {});

// A name for this process.
std::string MakeGatewayId();

}  // namespace hnx::gateway
