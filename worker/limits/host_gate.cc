#include "worker/limits/host_gate.h"

#include <algorithm>
#include <cctype>
#include <cmath>

namespace hnx::worker {

using std::chrono::milliseconds;

std::string HostOfUrl(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) {
    return {};
  }
  std::string_view host = url.substr(scheme + 3);
  host = host.substr(0, host.find('/'));
  std::string lower(host);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

HostGate::HostGate(const Clock& clock, std::size_t window_max)
    : clock_(clock),
      window_max_(static_cast<double>(std::max<std::size_t>(1, window_max))),
      window_(window_max_),
      bytes_(clock),
      requests_(clock) {}

void HostGate::Apply(const HostLimit& limit, Clock::SteadyTime sent) {
  limit_ = limit;
  valid_until_ = sent + limit.valid;
  paused_until_ = std::max(paused_until_, sent + limit.pause);
  bytes_.SetRate(limit.limits_bytes ? limit.bytes_per_second : 0);
  requests_.SetRate(
      limit.limits_requests ? static_cast<std::uint64_t>(limit.requests_per_second * kMilli) : 0);
}

void HostGate::Unlimit() {
  limit_.reset();
  bytes_.SetRate(0);
  requests_.SetRate(0);
}

bool HostGate::Expired() {
  return limit_ && clock_.Steady() >= valid_until_;
}

bool HostGate::MayRead() {
  if (!limit_) {
    return true;
  }
  return !Expired() && (!limit_->limits_bytes || limit_->bytes_per_second > 0) &&
         bytes_.Wait().count() == 0;
}

bool HostGate::MayStart() {
  if (clock_.Steady() < paused_until_ || static_cast<double>(running_) >= std::floor(window_)) {
    return false;
  }
  if (!limit_) {
    return true;
  }
  const bool transfers_left = limit_->transfers_max == 0 || running_ < limit_->transfers_max;
  const bool requests_left = !limit_->limits_requests || limit_->requests_per_second > 0;
  return MayRead() && transfers_left && requests_left && requests_.Wait().count() == 0;
}

std::optional<milliseconds> HostGate::Wait() {
  const auto now = clock_.Steady();
  milliseconds wait{0};
  if (now < paused_until_) {
    wait = std::chrono::ceil<milliseconds>(paused_until_ - now);
  }
  if (static_cast<double>(running_) >= std::floor(window_) || Expired()) {
    return std::nullopt;
  }
  if (limit_) {
    if ((limit_->limits_bytes && limit_->bytes_per_second == 0) ||
        (limit_->limits_requests && limit_->requests_per_second <= 0)) {
      return std::nullopt;
    }
    wait = std::max({wait, bytes_.Wait(), requests_.Wait()});
  }
  return wait;
}

void HostGate::OnStarted() {
  ++running_;
  (void)requests_.Take(static_cast<std::uint64_t>(kMilli));
}

void HostGate::Shrink() {
  if (running_at_shrink_ > 0) {
    return;
  }
  window_ = std::max(1.0, std::floor(window_ / 2));
  running_at_shrink_ = running_;
}

void HostGate::OnEnded(int further_requests, const http::HttpFailure* failure) {
  --running_;
  if (further_requests > 0) {
    (void)requests_.Take(static_cast<std::uint64_t>(further_requests * kMilli));
  }
  const bool told_before = running_at_shrink_ > 0;
  const bool trouble = failure != nullptr && (failure->reason == http::HttpReason::kThrottled ||
                                              failure->code == ErrorCode::kDeadlineExceeded);
  if (trouble) {
    Shrink();
    if (failure->retry_after) {
      paused_until_ = std::max(paused_until_, clock_.Steady() + *failure->retry_after);
    }
  } else if (failure == nullptr) {
    window_ = std::min(window_max_, window_ + 1 / window_);
  }
  if (told_before) {
    --running_at_shrink_;
  }
}

HostUse HostGate::Use() const {
  HostUse use;
  use.window = static_cast<std::uint32_t>(window_);
  if (limit_) {
    use.host = limit_->host;
    use.bytes_per_second = limit_->bytes_per_second;
    use.requests_per_second = limit_->requests_per_second;
    if (limit_->transfers_max > 0) {
      // Those that began under an earlier, larger share count until they end.
      use.transfers_max = std::max(limit_->transfers_max, static_cast<std::uint32_t>(running_));
    }
  }
  return use;
}

}  // namespace hnx::worker
