#include "coordinator/doctor/upstream_checks.h"

#include <fmt/format.h>

#include "doctor/cache_checks.h"

namespace hnx::coordinator {
namespace {

constexpr const char* kUpstreamFlag = "--upstream";

}  // namespace

void CheckUpstream(cli::Checkup& checkup, http::HttpClient& client, const Upstream& upstream,
                   const doctor::SignatureProbe& probe, const Clock& clock) {
  if (upstream.url.starts_with("file:")) {
    checkup.Ok("upstream",
               fmt::format("{} is a folder; it is read when it is imported", upstream.url));
    return;
  }
  const doctor::BinaryCache cache{"upstream", kUpstreamFlag, upstream.url};
  if (!doctor::CheckCache(checkup, client, cache, clock)) {
    return;
  }
  if (probe.path_hash.empty()) {
    checkup.Warn(
        "signatures",
        fmt::format("no path of {} is known, so its signatures were not looked at", upstream.url),
        "name a path that it has: --path /nix/store/...");
    return;
  }
  doctor::CheckSignatures(checkup, client, cache, upstream.keys, probe);
}

void CheckChannelServer(cli::Checkup& checkup, http::HttpClient& client, const std::string& url) {
  const auto response = client.Fetch({.url = url + "/",
                                      .redirects = http::RedirectPolicy::kDontFollow,
                                      .encoding = http::EncodingPolicy::kKeep});
  // Any answer will do: what is at its root is its own affair.
  const bool answers = response.has_value() || response.error().status != 0;
  if (answers &&
      (response.has_value() || response.error().reason != http::HttpReason::kServerError)) {
    checkup.Ok("channels", fmt::format("{} answers", url));
    return;
  }
  checkup.Warn("channels", response.error().message,
               "channels cannot be resolved or followed (lists and imports can): " +
                   doctor::RemedyOf(response.error(), kUpstreamFlag));
}

}  // namespace hnx::coordinator
