// Numbers of the protomux format (docs/formats/protomux.md).
#pragma once

#include <cstdint>

namespace hnx::hyper {

inline constexpr std::uint64_t kControlChannel = 0;

inline constexpr std::uint64_t kControlBatch = 0;
inline constexpr std::uint64_t kControlOpen = 1;
inline constexpr std::uint64_t kControlReject = 2;
inline constexpr std::uint64_t kControlClose = 3;

}  // namespace hnx::hyper
