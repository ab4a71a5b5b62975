#include "coordinator/cli/channel_text.h"

#include <chrono>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cli/units.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

namespace pb = ::hypercore_nixos::v1;

std::string Kept(const pb::ChannelStatus& channel) {
  if (channel.keep_releases() == 0 && channel.keep_days() == 0) {
    return "all";
  }
  std::string kept;
  if (channel.keep_releases() > 0) {
    kept = fmt::format("{} releases", channel.keep_releases());
  }
  if (channel.keep_days() > 0) {
    kept += fmt::format("{}{} days", kept.empty() ? "" : " and ", channel.keep_days());
  }
  return kept;
}

}  // namespace

std::string FreshnessWord(const pb::ChannelStatus& channel) {
  if (!channel.followed()) {
    return "not followed";
  }
  if (!channel.error().empty()) {
    return "failing";
  }
  if (channel.seen().empty() || channel.latest().empty()) {
    return "waiting";
  }
  return channel.seen() == channel.latest() ? "current" : "behind";
}

nlohmann::ordered_json ToJson(const pb::ChannelStatus& channel) {
  return {{"name", channel.name()},
          {"followed", channel.followed()},
          {"freshness", FreshnessWord(channel)},
          {"latest", channel.latest()},
          {"latest_settled_at_ms", channel.latest_settled_at_ms()},
          {"seen", channel.seen()},
          {"seen_at_ms", channel.seen_at_ms()},
          {"polled_at_ms", channel.polled_at_ms()},
          {"error", channel.error()},
          {"keep_releases", channel.keep_releases()},
          {"keep_days", channel.keep_days()},
          {"interval_ms", channel.interval_ms()},
          {"debounce_ms", channel.debounce_ms()}};
}

cli::Table ChannelTable() {
  return cli::Table(
      {{"CHANNEL"}, {"FRESHNESS"}, {"LATEST"}, {"SETTLED"}, {"KEPT"}, {"POLLED EVERY"}});
}

void AddChannel(const pb::ChannelStatus& channel, cli::Table& table) {
  std::vector<std::string> remarks;
  if (!channel.seen().empty() && channel.seen() != channel.latest()) {
    remarks.push_back(
        fmt::format("upstream {}, since {}", channel.seen(), FormatTime(channel.seen_at_ms())));
  }
  if (!channel.error().empty()) {
    remarks.push_back(channel.error());
  }
  const std::chrono::milliseconds interval(static_cast<std::int64_t>(channel.interval_ms()));
  table.Add({channel.name(), FreshnessWord(channel), channel.latest(),
             channel.latest().empty() ? "" : FormatTime(channel.latest_settled_at_ms()),
             Kept(channel), channel.followed() ? cli::FormatDuration(interval) : ""},
            std::move(remarks));
}

}  // namespace hnx::coordinator
