#include "coordinator/channel/channel_redirect.h"

#include <utility>

#include <fmt/format.h>

namespace hnx::coordinator {
namespace {

constexpr std::size_t kBodyBytesMax = 64 * 1024;
constexpr std::size_t kEtagBytesMax = 1024;
constexpr int kNotModified = 304;
constexpr int kRedirectFirst = 300;
constexpr int kRedirectLast = 399;

}  // namespace

Result<ChannelRedirect> ReadChannelRedirect(http::HttpClient& client, const ChannelRules& rules,
                                            const std::string& channel, const std::string& etag) {
  http::HttpRequest request;
  request.url = ChannelUrl(rules, channel);
  request.redirects = http::RedirectPolicy::kDontFollow;
  request.body_size_max = kBodyBytesMax;
  request.if_none_match = etag;
  const std::string url = request.url;
  const auto response = client.Fetch(std::move(request));
  if (!response) {
    return response.error().ToError().Annotate("resolve channel " + channel);
  }
  ChannelRedirect redirect;
  redirect.etag = std::string(response->head.headers.Get("ETag").value_or(""));
  if (redirect.etag.size() > kEtagBytesMax) {
    redirect.etag.clear();
  }
  const int status = response->head.status;
  if (status == kNotModified && !etag.empty()) {
    redirect.etag = etag;
    return redirect;
  }
  if (status < kRedirectFirst || status > kRedirectLast) {
    return InvalidArgument(fmt::format(
        "resolve {}: answered {} where a redirect to a release is expected", url, status));
  }
  const std::string location(response->head.headers.Get("Location").value_or(""));
  HNX_ASSIGN_OR_RETURN(redirect.location, CheckReleaseLocation(rules, channel, location));
  return redirect;
}

}  // namespace hnx::coordinator
