#include "hyper/replication/download_peer.h"

#include <algorithm>
#include <utility>

namespace hnx::hyper {

using std::chrono::milliseconds;

bool DownloadPeer::MayBeAsked() const {
  return !forked && !overtaken && no_data < kNoDataMax && !session.closed() &&
         session.remote().synced && remote().uploading;
}

std::size_t DownloadPeer::Window() const {
  const auto by_bytes = static_cast<std::size_t>(
      kPeerWindowBytesMax / std::max<std::uint64_t>(mean_block_bytes_, 1) + 1);
  return std::min(window_, by_bytes);
}

void DownloadPeer::OnAsked(std::uint64_t request, Clock::SteadyTime now) {
  if (requests.empty()) {
    heard_ = now;
    bytes_seen_ = session.stream().statistics().bytes_in;
  }
  requests.insert(request);
}

void DownloadPeer::OnAnswered(std::chrono::duration<double, std::milli> took,
                              Clock::SteadyTime now) {
  const double ms = took.count();
  if (latency_min_ms_ == 0 || ms < latency_min_ms_) {
    latency_min_ms_ = ms;
  }
  if (ms <= 2 * latency_min_ms_ + 50) {
    window_ = std::min(window_ + 1, kPeerWindowMax);
  } else if (ms > 8 * latency_min_ms_ + 500) {
    window_ = std::max(window_ - 1, kPeerWindowMin);
  }
  heard_ = now;
}

milliseconds DownloadPeer::Silence(Clock::SteadyTime now) {
  if (requests.empty()) {
    return milliseconds(0);
  }
  const std::uint64_t bytes = session.stream().statistics().bytes_in;
  if (bytes != std::exchange(bytes_seen_, bytes)) {
    heard_ = now;
  }
  return std::chrono::duration_cast<milliseconds>(now - heard_);
}

milliseconds DownloadPeer::Patience() const {
  return std::max(kPeerOvertakenAfter,
                  milliseconds(static_cast<std::int64_t>(4 * latency_min_ms_)));
}

}  // namespace hnx::hyper
