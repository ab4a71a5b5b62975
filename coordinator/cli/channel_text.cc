#include "coordinator/cli/channel_text.h"

#include <fmt/format.h>

#include "cli/terminal.h"
#include "cli/units.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

namespace pb = ::hypercore_nixos::v1;

std::string Kept(const pb::ChannelStatus& channel) {
  if (channel.keep_releases() == 0 && channel.keep_days() == 0) {
    return "all releases are kept";
  }
  std::string kept = "kept:";
  if (channel.keep_releases() > 0) {
    kept += fmt::format(" {} releases", channel.keep_releases());
  }
  if (channel.keep_days() > 0) {
    kept += fmt::format("{} {} days", channel.keep_releases() > 0 ? " and all of" : "",
                        channel.keep_days());
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

std::string ChannelText(const pb::ChannelStatus& channel) {
  std::string text = fmt::format("  {}  {}; {}", cli::Printable(channel.name()),
                                 FreshnessWord(channel), Kept(channel));
  if (channel.followed()) {
    text +=
        fmt::format("; polled every {}", cli::FormatDuration(std::chrono::milliseconds(
                                             static_cast<std::int64_t>(channel.interval_ms()))));
  }
  text += '\n';
  if (!channel.latest().empty()) {
    text += fmt::format("        latest {}, settled {}\n", cli::Printable(channel.latest()),
                        FormatTime(channel.latest_settled_at_ms()));
  }
  if (!channel.seen().empty() && channel.seen() != channel.latest()) {
    text += fmt::format("        upstream {}, since {}\n", cli::Printable(channel.seen()),
                        FormatTime(channel.seen_at_ms()));
  }
  if (!channel.error().empty()) {
    text += fmt::format("        {}\n", cli::Printable(channel.error()));
  }
  return text;
}

}  // namespace hnx::coordinator
