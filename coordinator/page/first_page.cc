#include "coordinator/page/first_page.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include <fmt/format.h>

#include "cli/units.h"
#include "coordinator/page/assets_embedded.h"
#include "coordinator/page/html.h"

namespace hnx::coordinator {
namespace {

constexpr std::string_view kPlace = "<!--first-->";
constexpr double kPercent = 100;
constexpr std::int64_t kShownStepMs = 1'000;

std::string FreshnessText(const Overview& all, const ChannelOverview& channel) {
  if (!channel.followed) {
    return "not followed";
  }
  if (!channel.late_since_ms) {
    return channel.latest.empty() ? "waiting" : "current";
  }
  const std::int64_t late_ms =
      std::max<std::int64_t>(0, all.mirror.now_ms - *channel.late_since_ms);
  return "behind for " +
         cli::FormatDuration(std::chrono::milliseconds(late_ms / kShownStepMs * kShownStepMs));
}

std::string ChannelRow(const Overview& all, const ChannelOverview& channel) {
  std::string progress = "nothing submitted";
  if (const ReleaseOverview* release = all.Release(channel.newest_release)) {
    progress =
        fmt::format("{} ({}): {} of {} paths, {:.1f} %; {} missing, {} set aside, {} blocked",
                    HtmlText(release->name), HtmlText(release->state), release->paths_published,
                    release->paths, release->completeness() * kPercent, release->paths_missing,
                    release->paths_set_aside, release->paths_blocked);
  }
  return fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                     HtmlText(channel.name), HtmlText(FreshnessText(all, channel)),
                     channel.latest.empty() ? "none" : HtmlText(channel.latest), progress);
}

}  // namespace

std::string FirstPage(const OverviewLook& look) {
  std::string text;
  if (!look.trouble.empty()) {
    text += "<p role=\"alert\">The database does not answer: " + HtmlText(look.trouble) + "</p>\n";
  }
  if (look.overview != nullptr) {
    text +=
        "<table><thead><tr><th scope=\"col\">Channel</th>"
        "<th scope=\"col\">Freshness</th><th scope=\"col\">Latest here</th>"
        "<th scope=\"col\">Newest release</th></tr></thead><tbody>\n";
    for (const ChannelOverview& channel : look.overview->channels) {
      text += ChannelRow(*look.overview, channel);
    }
    text += "</tbody></table>\n";
    if (look.overview->channels.empty()) {
      text += "<p>Nothing was submitted yet, and no channel is followed.</p>\n";
    }
  }
  std::string page(assets::kIndexHtml);
  const std::size_t place = page.find(kPlace);
  return place == std::string::npos ? page : page.replace(place, kPlace.size(), text);
}

}  // namespace hnx::coordinator
