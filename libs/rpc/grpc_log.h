// gRPC's own lines (a failed handshake, a frame that makes no sense) as lines of our log, component
// "grpc". Strangers cause most of them, as often as they like: so many a time are written and the
// rest counted, what a stranger sent is cut and made printable, and no such line is an error of
// ours.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"

namespace hnx::rpc {

// A place in gRPC's sources gets one line in so much time.
inline constexpr std::chrono::seconds kGrpcLogInterval{10};
// Places that are told apart; later ones share a line.
inline constexpr std::size_t kGrpcLogPlacesMax = 64;
inline constexpr std::size_t kGrpcLogMessageBytesMax = 500;

// Which lines are written. Thread-safe.
class GrpcLogLimit {
 public:
  // How many lines of that place were left out since its last one; nothing: leave this one out too.
  std::optional<std::uint64_t> Admit(std::string_view file, int line, Clock::SteadyTime now)
      HNX_EXCLUDES(mutex_);

 private:
  struct Place {
    Clock::SteadyTime written;
    std::uint64_t left_out = 0;
  };

  Mutex mutex_;
  std::map<std::pair<std::string, int>, Place> places_ HNX_GUARDED_BY(mutex_);
};

// "FILE:LINE: MESSAGE", FILE without its folders.
std::string GrpcLogText(std::string_view file, int line, std::string_view message);

// From now on, for the whole process; the log must have been set up. Idempotent, thread-safe. Which
// severities gRPC tells at all is its own variable's matter (GRPC_VERBOSITY, by default ERROR).
void RouteGrpcLog();

}  // namespace hnx::rpc
