// ChannelRedirect: where a channel points, read once without following it.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "coordinator/channel/release_location.h"
#include "http/http_client.h"

namespace hnx::coordinator {

struct ChannelRedirect {
  // nullopt: as when the server gave `etag`.
  std::optional<ReleaseLocation> location;
  std::string etag;  // for the next time; empty: the server gives none
};

// `etag`: of an earlier answer, or empty. kInvalidArgument: no redirect to a release.
Result<ChannelRedirect> ReadChannelRedirect(http::HttpClient& client, const ChannelRules& rules,
                                            const std::string& channel, const std::string& etag);

}  // namespace hnx::coordinator
