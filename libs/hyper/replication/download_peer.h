// DownloadPeer: one peer as a Downloader sees it: what it owes, how fast it answers, what may not
// be asked of it. Internal to this folder.
//
// Threads: that of the Replicator.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>

#include "base/clock.h"
#include "hyper/replication/core_session.h"

namespace hnx::hyper {

// Block requests in flight at one peer: at first, at least, at most.
inline constexpr std::size_t kPeerWindowStart = 32;
inline constexpr std::size_t kPeerWindowMin = 4;
inline constexpr std::size_t kPeerWindowMax = 512;
// Bytes in flight at one peer, by the mean size of blocks.
inline constexpr std::uint64_t kPeerWindowBytesMax = std::uint64_t{16} << 20;
// Without a byte for so long (or four times the usual, if that is longer) a peer's blocks are asked
// for elsewhere.
inline constexpr std::chrono::milliseconds kPeerOvertakenAfter{1000};
// Without a byte for so long a peer that owes answers is dropped.
inline constexpr std::chrono::milliseconds kPeerDroppedAfter{20'000};
// noData answers after which a peer is asked nothing more.
inline constexpr std::size_t kNoDataMax = 1024;

class DownloadPeer {
 public:
  explicit DownloadPeer(CoreSession& session_in, Clock::SteadyTime now)
      : session(session_in), heard_(now) {}

  const SyncMessage& remote() const { return session.remote().sync; }
  // Whether it may be asked for anything at all now.
  bool MayBeAsked() const;
  // Requests that may be in flight: more while answers come as fast as they ever did, fewer while
  // they queue, never more bytes than kPeerWindowBytesMax.
  std::size_t Window() const;

  void OnAsked(std::uint64_t request, Clock::SteadyTime now);
  void OnAnswered(std::chrono::duration<double, std::milli> took, Clock::SteadyTime now);
  void OnBlock(std::uint64_t bytes) { mean_block_bytes_ = (7 * mean_block_bytes_ + bytes) / 8; }
  // Since its last byte, while it owes something.
  std::chrono::milliseconds Silence(Clock::SteadyTime now);
  // After so long a silence its blocks are asked for elsewhere.
  std::chrono::milliseconds Patience() const;

  CoreSession& session;
  std::set<std::uint64_t> requests;  // in flight
  bool overtaken = false;
  bool forked = false;
  bool probed = false;                           // was asked for the proof of a conflict
  std::optional<std::uint64_t> upgrade_refused;  // at that remote length
  std::set<BlockIndex> denied;                   // it said that it has them, and had not
  std::size_t no_data = 0;

 private:
  static constexpr std::uint64_t kBlockBytesGuess = std::uint64_t{64} << 10;

  std::size_t window_ = kPeerWindowStart;
  double latency_min_ms_ = 0;
  std::uint64_t mean_block_bytes_ = kBlockBytesGuess;
  // When it last showed a sign of life while it owed something.
  Clock::SteadyTime heard_;
  std::uint64_t bytes_seen_ = 0;
};

}  // namespace hnx::hyper
