#include "gateway/hits/hit_reporter.h"

#include <random>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/retry_policy.h"

namespace hnx::gateway {

HitReporter::HitReporter(HitCounter& counter, std::string gateway, Send send)
    : LoopService("gw-hits"), counter_(counter), send_(std::move(send)) {
  report_.gateway = std::move(gateway);
}

HitReporter::~HitReporter() {
  Stop();
}

std::chrono::milliseconds HitReporter::RunOnce() {
  for (std::size_t round = 0; round < kHitReportsPerRound; ++round) {
    if (report_.hits.empty()) {
      report_.hits = counter_.Take(kHitsPerReport);
      if (report_.hits.empty()) {
        break;
      }
      ++report_.sequence;
    }
    const auto sent = send_(report_);
    const std::string trouble = sent.has_value() ? "" : sent.error().message;
    if (!trouble.empty() && trouble != trouble_) {
      Log("gateway")->warn("cannot report what was asked for: {}", trouble);
    }
    trouble_ = trouble;
    if (!sent.has_value() && IsRetryable(sent.error().code)) {
      break;
    }
    report_.hits.clear();
  }
  return kHitReportInterval;
}

std::string MakeGatewayId() {
  std::random_device random;
  constexpr int kWords = 4;
  std::string id;
  for (int word = 0; word < kWords; ++word) {
    id += fmt::format("{:08x}", random());
  }
  return id;
}

}  // namespace hnx::gateway
