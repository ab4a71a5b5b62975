#include "coordinator/channel/release_location.h"

#include <fmt/format.h>

#include "coordinator/channel/release_name.h"
#include "http/redirect_rules.h"

namespace hnx::coordinator {
namespace {

constexpr std::size_t kLocationLengthMax = 2048;

std::string WithoutTrailingSlash(std::string url) {
  while (url.ends_with('/')) {
    url.pop_back();
  }
  return url;
}

// scheme://host[:port]
std::string Origin(const std::string& url) {
  const std::size_t host = url.find("://") + 3;
  return url.substr(0, url.find('/', host));
}

std::string RequiredHost(const ChannelRules& rules, const std::string& channel_host) {
  if (!rules.releases_host.empty()) {
    return rules.releases_host;
  }
  return channel_host == "channels.nixos.org" ? "releases.nixos.org" : channel_host;
}

}  // namespace

std::string ChannelUrl(const ChannelRules& rules, const std::string& channel) {
  return WithoutTrailingSlash(rules.channel_url) + "/" + channel;
}

Result<ReleaseLocation> CheckReleaseLocation(const ChannelRules& rules, const std::string& channel,
                                             const std::string& location) {
  const std::string from = ChannelUrl(rules, channel);
  const auto refuse = [&](std::string_view why) {
    return InvalidArgument(fmt::format("resolve {}: its redirect to '{}' is refused: {}", from,
                                       location.substr(0, kLocationLengthMax), why));
  };
  if (location.empty() || location.size() > kLocationLengthMax) {
    return refuse("no proper Location");
  }
  if (location.find_first_of("?#\\ \t\r\n") != std::string::npos) {
    return refuse("a plain path is expected");
  }
  if (location.starts_with("//")) {
    return refuse("it names no scheme");
  }
  const std::string url =
      WithoutTrailingSlash(location.starts_with('/') ? Origin(from) + location : location);
  HNX_ASSIGN_OR_RETURN(const http::UrlParts channel_parts, http::ParseHttpUrl(from));
  const auto parts = http::ParseHttpUrl(url);
  if (!parts) {
    return refuse(parts.error().message);
  }
  const std::string host = RequiredHost(rules, channel_parts.host);
  if (!http::IsListedHost(*parts, host, channel_parts)) {
    return refuse(fmt::format(
        "releases must lie on {}, on the port of the channel server or the usual one (option "
        "--releases-host)",
        host));
  }
  if (channel_parts.scheme == "https" && parts->scheme != "https") {
    return refuse("it leaves https");
  }
  const std::string path = url.substr(Origin(url).size());
  const std::string name = path.substr(path.rfind('/') + 1);
  if (path.empty() || !IsSafeName(name) || path.find("/../") != std::string::npos ||
      path.find('%') != std::string::npos) {
    return refuse("its path does not end in a release's name");
  }
  if (url == from) {
    return refuse("it points to itself");
  }
  return ReleaseLocation{url, name};
}

}  // namespace hnx::coordinator
