// Sizes and durations as people write them, and back.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hnx::cli {

// "4096", "64KiB", "1.5GiB", "10MB": digits, an optional fraction, an optional unit of B, KiB, MiB,
// GiB, TiB, PiB (powers of 1024; K, M, G, T, P alone mean the same) or kB, KB, MB, GB, TB, PB
// (powers of 1000). Case does not matter.
Result<std::uint64_t> ParseByteSize(std::string_view text);

// "250ms", "30s", "1.5m", "2h", "7d"; several may follow each other: "1h30m". "0" needs no unit,
// anything else does.
Result<std::chrono::milliseconds> ParseDuration(std::string_view text);

std::string FormatBytes(std::uint64_t bytes);                    // "1.4 GiB"
std::string FormatByteRate(double bytes_per_second);             // "1.4 GiB/s"
std::string FormatCount(std::uint64_t count);                    // "1,234,567"
std::string FormatDuration(std::chrono::milliseconds duration);  // "2h 05m", "1m 20s", "350 ms"

}  // namespace hnx::cli
