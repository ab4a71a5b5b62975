// Where a channel points: the one redirect that is read, once, and never followed blindly.
#pragma once

#include <string>

#include "base/result.h"

namespace hnx::coordinator {

// The names are those of the options.
struct ChannelRules {
  std::string channel_url = "https://channels.nixos.org";
  // Host that releases must lie on. Empty: releases.nixos.org for channels.nixos.org, else the
  // channel server's own host.
  std::string releases_host;
};

struct ReleaseLocation {
  std::string url;   // of the release directory, without a trailing slash
  std::string name;  // its last component
};

std::string ChannelUrl(const ChannelRules& rules, const std::string& channel);

// `location`: the value of the Location header, which may be relative. kInvalidArgument for
// another host, a scheme other than http and https, https to http, a query, a path without a
// proper name at its end.
Result<ReleaseLocation> CheckReleaseLocation(const ChannelRules& rules, const std::string& channel,
                                             const std::string& location);

}  // namespace hnx::coordinator
