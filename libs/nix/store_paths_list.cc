#include "nix/store_paths_list.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "nix/reject_reason.h"

namespace hnx::nix {

StorePathsList::StorePathsList(OnPath on_path, const StorePathsLimits& limits)
    : on_path_(std::move(on_path)), limits_(limits) {}

Result<void> StorePathsList::Feed(ByteView bytes) {
  std::string_view text = AsText(bytes);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view piece = text.substr(0, end);
    if (partial_.size() + piece.size() > kStorePathLengthMax) {
      ++line_number_;
      return BadLine(fmt::format("it is longer than {} characters", kStorePathLengthMax));
    }
    if (end == std::string_view::npos) {
      partial_.append(piece);
      return {};
    }
    if (partial_.empty()) {
      HNX_TRY(TakeLine(piece));
    } else {
      partial_.append(piece);
      HNX_TRY(TakeLine(partial_));
      partial_.clear();
    }
    text.remove_prefix(end + 1);
  }
  return {};
}

Result<StorePathsSummary> StorePathsList::Finish() {
  if (!partial_.empty()) {
    summary_.final_newline = false;
    HNX_TRY(TakeLine(partial_));
    partial_.clear();
  }
  if (summary_.paths == 0) {
    return Reject(ErrorCode::kInvalidArgument, RejectReason::kStorePathsEmpty,
                  "parse store-paths: the list is empty, which would mean that nothing is wanted");
  }
  summary_.hashes_checked = summary_.sorted || line_number_ <= limits_.remembered_lines_max;
  return summary_;
}

Result<void> StorePathsList::TakeLine(std::string_view line) {
  ++line_number_;
  if (line_number_ > limits_.lines_max) {
    return BadLine(fmt::format("more than {} lines", limits_.lines_max));
  }
  auto path = StorePath::Parse(line);
  if (!path.has_value()) {
    return BadLine(path.error().message);
  }
  if (previous_.has_value()) {
    if (*path == *previous_) {
      ++summary_.duplicates;
      return {};
    }
    if (path->hash_part() == previous_->hash_part()) {
      return BadLine(
          fmt::format("{} and {} have one hash", path->ToString(), previous_->ToString()));
    }
    if (*path < *previous_) {
      summary_.sorted = false;
    }
  }
  HNX_TRY(Remember(*path));
  ++summary_.paths;
  HNX_TRY(on_path_(*path));
  previous_ = *std::move(path);
  return {};
}

Result<void> StorePathsList::Remember(const StorePath& path) {
  if (line_number_ > limits_.remembered_lines_max) {
    return {};
  }
  HashPart part{};
  const std::string_view text = path.hash_part();
  std::copy(text.begin(), text.end(), part.begin());
  const std::size_t name_digest = std::hash<std::string_view>{}(path.name());
  const auto [existing, added] = remembered_.try_emplace(part, name_digest);
  if (!added) {
    if (existing->second != name_digest) {
      return BadLine(
          fmt::format("the hash of {} stood there before, with another name", path.ToString()));
    }
    ++summary_.duplicates;
  }
  return {};
}

Error StorePathsList::BadLine(std::string_view why) const {
  return Reject(ErrorCode::kInvalidArgument, RejectReason::kStorePathsInvalid,
                fmt::format("parse store-paths, line {}: {}", line_number_, why));
}

}  // namespace hnx::nix
