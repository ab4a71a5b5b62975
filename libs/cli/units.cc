#include "cli/units.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace hnx::cli {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr double kKibi = 1024.0;
constexpr double kKilo = 1000.0;
constexpr std::array<Unit, 17> kSizeUnits{{{"", 1},
                                           {"b", 1},
                                           {"k", kKibi},
                                           {"kib", kKibi},
                                           {"m", kKibi* kKibi},
                                           {"mib", kKibi* kKibi},
                                           {"g", kKibi* kKibi* kKibi},
                                           {"gib", kKibi* kKibi* kKibi},
                                           {"t", kKibi* kKibi* kKibi* kKibi},
                                           {"tib", kKibi* kKibi* kKibi* kKibi},
                                           {"p", kKibi* kKibi* kKibi* kKibi* kKibi},
                                           {"pib", kKibi* kKibi* kKibi* kKibi* kKibi},
                                           {"kb", kKilo},
                                           {"mb", kKilo* kKilo},
                                           {"gb", kKilo* kKilo* kKilo},
                                           {"tb", kKilo* kKilo* kKilo* kKilo},
                                           {"pb", kKilo* kKilo* kKilo* kKilo* kKilo}}};
constexpr std::array<Unit, 5> kDurationUnits{
    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// Takes digits with an optional fraction from the front of `text`.
bool TakeNumber(std::string_view& text, double& number) {
  std::size_t length = 0;
  while (length < text.size() &&
         (std::isdigit(static_cast<unsigned char>(text[length])) != 0 || text[length] == '.')) {
    ++length;
  }
  const char* end = text.data() + length;
  const auto parsed = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (length == 0 || parsed.ec != std::errc() || parsed.ptr != end) {
    return false;
  }
  text.remove_prefix(length);
  return true;
}

std::string_view TakeLetters(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && std::isalpha(static_cast<unsigned char>(text[length])) != 0) {
    ++length;
  }
  const std::string_view letters = text.substr(0, length);
  text.remove_prefix(length);
  return letters;
}

template <std::size_t N>
const Unit* FindUnit(const std::array<Unit, N>& units, std::string_view name) {
  const auto* unit = std::find_if(units.begin(), units.end(),
                                  [&](const Unit& candidate) { return candidate.name == name; });
  return unit == units.end() ? nullptr : unit;
}

// Exact for whole numbers, which from_chars would round above 2^53.
bool IsWholeNumber(std::string_view text, std::uint64_t& number) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

}  // namespace

Result<std::uint64_t> ParseByteSize(std::string_view text) {
  std::uint64_t whole = 0;
  if (IsWholeNumber(text, whole)) {
    return whole;
  }
  std::string_view rest = text;
  double number = 0;
  if (!TakeNumber(rest, number)) {
    return InvalidArgument(fmt::format("'{}' is not a size; write 4096, 64MiB or 1.5GB", text));
  }
  while (!rest.empty() && rest.front() == ' ') {
    rest.remove_prefix(1);
  }
  const Unit* unit = FindUnit(kSizeUnits, Lower(rest));
  if (unit == nullptr) {
    return InvalidArgument(fmt::format(
        "'{}' has the unknown unit '{}'; use KiB, MiB, GiB, TiB, KB, MB, GB or TB", text, rest));
  }
  const double bytes = number * unit->factor;
  if (bytes >= static_cast<double>(std::numeric_limits<std::uint64_t>::max())) {
    return InvalidArgument(fmt::format("'{}' is larger than any size", text));
  }
  return static_cast<std::uint64_t>(bytes);
}

Result<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  if (text == "0") {
    return std::chrono::milliseconds(0);
  }
  constexpr double kMillisecondsMax = 1e15;
  std::string_view rest = text;
  double milliseconds = 0;
  do {
    double number = 0;
    const bool has_number = TakeNumber(rest, number);
    const Unit* unit = FindUnit(kDurationUnits, TakeLetters(rest));
    if (!has_number || unit == nullptr) {
      return InvalidArgument(
          fmt::format("'{}' is not a duration; write 250ms, 30s, 5m, 2h, 7d or 1h30m", text));
    }
    milliseconds += number * unit->factor;
  } while (!rest.empty());
  if (milliseconds > kMillisecondsMax) {
    return InvalidArgument(fmt::format("'{}' is longer than any duration here", text));
  }
  return std::chrono::milliseconds(std::llround(milliseconds));
}

std::string FormatBytes(std::uint64_t bytes) {
  constexpr std::array<const char*, 6> kNames{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  std::size_t index = 0;
  while (value >= kKibi && index + 1 < kNames.size()) {
    value /= kKibi;
    ++index;
  }
  return index == 0 ? fmt::format("{} B", bytes)
                    : fmt::format("{:.1f} {}", value, kNames.at(index));
}

std::string FormatByteRate(double bytes_per_second) {
  return FormatBytes(static_cast<std::uint64_t>(std::max(0.0, bytes_per_second))) + "/s";
}

std::string FormatCount(std::uint64_t count) {
  std::string text = std::to_string(count);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

std::string FormatDuration(std::chrono::milliseconds duration) {
  const std::int64_t ms = std::max<std::int64_t>(0, duration.count());
  const std::int64_t seconds = ms / 1000;
  if (seconds == 0) {
    return fmt::format("{} ms", ms);
  }
  if (seconds < 10) {
    return fmt::format("{:.1f}s", static_cast<double>(ms) / 1000.0);
  }
  if (seconds < 60) {
    return fmt::format("{}s", seconds);
  }
  if (seconds < 3600) {
    return fmt::format("{}m {:02}s", seconds / 60, seconds % 60);
  }
  if (seconds < 86'400) {
    return fmt::format("{}h {:02}m", seconds / 3600, seconds / 60 % 60);
  }
  return fmt::format("{}d {:02}h", seconds / 86'400, seconds / 3600 % 24);
}

}  // namespace hnx::cli
