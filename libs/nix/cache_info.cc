#include "nix/cache_info.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "nix/reject_reason.h"
#include "nix/store_path.h"

namespace hnx::nix {
namespace {

Error InvalidCacheInfo(std::string_view why) {
  return Reject(ErrorCode::kInvalidArgument, RejectReason::kCacheInfoInvalid,
                fmt::format("parse nix-cache-info: {}", why));
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

Result<int> ParsePriority(std::string_view text) {
  int value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || value < 0) {
    return InvalidCacheInfo("Priority is not a number; clients crash on it");
  }
  return value;
}

}  // namespace

Result<CacheInfo> CacheInfo::Parse(std::string_view text) {
  if (text.size() > kCacheInfoSizeMax) {
    return InvalidCacheInfo(fmt::format("{} bytes, over {}", text.size(), kCacheInfoSizeMax));
  }
  CacheInfo info;
  bool has_store_dir = false;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
      continue;  // clients ignore what they do not know; so does this
    }
    const std::string_view key = line.substr(0, colon);
    const std::string_view value = Trim(line.substr(colon + 1));
    if (key == "StoreDir") {
      if (value != kStoreDir) {
        return InvalidCacheInfo("StoreDir is not /nix/store; this cache is for another store");
      }
      has_store_dir = true;
    } else if (key == "WantMassQuery") {
      info.want_mass_query = value == "1";
    } else if (key == "Priority") {
      HNX_ASSIGN_OR_RETURN(info.priority, ParsePriority(value));
    }
  }
  if (!has_store_dir) {
    return InvalidCacheInfo("no StoreDir; this is not the root of a binary cache");
  }
  return info;
}

std::string CacheInfo::Render() const {
  std::string text =
      fmt::format("StoreDir: {}\nWantMassQuery: {}\n", kStoreDir, want_mass_query ? 1 : 0);
  if (priority.has_value()) {
    text.append(fmt::format("Priority: {}\n", *priority));
  }
  return text;
}

}  // namespace hnx::nix
