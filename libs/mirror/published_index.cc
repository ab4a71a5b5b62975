#include "mirror/published_index.h"

#include <ctime>
#include <optional>

#include <nlohmann/json.hpp>

#include "mirror/index_layout.h"

namespace hnx::mirror {
namespace {

constexpr std::uint64_t kLatestBytesMax = 4096;
// A manifest lists every path that is not published; the times stand in each.
constexpr std::uint64_t kManifestBytesMax = std::uint64_t{64} << 20;
constexpr std::int64_t kMillisecondsPerSecond = 1000;

// "/channels/<channel>/latest": the channel.
std::optional<std::string> ChannelOfLatest(std::string_view path) {
  const std::string begin = std::string(kChannelsFolder) + "/";
  const std::string end = "/" + std::string(kLatestFile);
  if (!path.starts_with(begin) || !path.ends_with(end) ||
      path.size() <= begin.size() + end.size()) {
    return std::nullopt;
  }
  std::string channel(path.substr(begin.size(), path.size() - begin.size() - end.size()));
  return IsSafeName(channel) ? std::optional(std::move(channel)) : std::nullopt;
}

// "2026-11-01T12:00:00Z"; 0 when it is no such text.
std::int64_t ParseTime(const std::string& text) {
  std::tm time{};
  const char* const end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &time);
  return end == nullptr || *end != '\0'
             ? 0
             : static_cast<std::int64_t>(::timegm(&time)) * kMillisecondsPerSecond;
}

Result<std::optional<std::string>> ReadIfThere(const hyper::DriveView& index,
                                               const std::string& path, std::uint64_t size_max) {
  const Result<Bytes> bytes = index.ReadFile(path, size_max);
  if (bytes.has_value()) {
    return std::optional(ToString(*bytes));
  }
  if (bytes.error().code == ErrorCode::kNotFound) {
    return std::optional<std::string>();
  }
  return bytes.error();
}

Result<std::int64_t> SubmittedAt(const hyper::DriveView& index, const std::string& channel,
                                 const std::string& release) {
  HNX_ASSIGN_OR_RETURN(
      const auto manifest,
      ReadIfThere(index, ReleaseFilePath(channel, release, kManifestFile), kManifestBytesMax));
  if (!manifest) {
    return 0;
  }
  const auto json = nlohmann::json::parse(*manifest, nullptr, false);
  if (!json.is_object() || !json.contains("submittedAt") || !json["submittedAt"].is_string()) {
    return 0;
  }
  return ParseTime(json["submittedAt"].get<std::string>());
}

}  // namespace

Result<PublishedIndex> ReadPublishedIndex(const hyper::DriveView& index) {
  PublishedIndex published;
  HNX_ASSIGN_OR_RETURN(const auto text,
                       ReadIfThere(index, std::string(kMirrorJsonPath), kMirrorJsonBytesMax));
  if (text) {
    HNX_ASSIGN_OR_RETURN(MirrorJson json, MirrorJson::Parse(*text));
    published.shards = std::move(json.shards);
  }
  HNX_ASSIGN_OR_RETURN(const auto list, index.List(kChannelsFolder));
  for (;;) {
    HNX_ASSIGN_OR_RETURN(const auto entry, list->Next());
    if (!entry || published.channels.size() >= kPublishedChannelsMax) {
      return published;
    }
    const auto channel = ChannelOfLatest(entry->path);
    if (!channel) {
      continue;
    }
    HNX_ASSIGN_OR_RETURN(auto latest, ReadIfThere(index, entry->path, kLatestBytesMax));
    while (latest && latest->ends_with('\n')) {
      latest->pop_back();
    }
    if (latest && IsSafeName(*latest)) {
      HNX_ASSIGN_OR_RETURN(const std::int64_t submitted, SubmittedAt(index, *channel, *latest));
      published.channels.push_back({*channel, *std::move(latest), submitted});
    }
  }
}

}  // namespace hnx::mirror
