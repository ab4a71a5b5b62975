#include "coordinator/doctor/upstream_checks.h"

#include <chrono>

#include <fmt/format.h>

#include "cli/units.h"
#include "http/http_error.h"
#include "http/response_facts.h"
#include "nix/cache_info.h"
#include "nix/nar_info.h"

namespace hnx::coordinator {
namespace {

using std::chrono::milliseconds;

// A Date header counts seconds, and may be a little old in a cache.
constexpr milliseconds kUpstreamClockWarning{60'000};
constexpr milliseconds kUpstreamClockFault{600'000};

std::string RemedyOf(const http::HttpFailure& failure) {
  switch (failure.reason) {
    case http::HttpReason::kDns:
      return "correct its host name, or see /etc/resolv.conf and the network: it is not resolved";
    case http::HttpReason::kConnect:
      return "see firewalls and --proxy, or whether it is down: nothing takes connections there";
    case http::HttpReason::kTls:
      return "see this machine's clock and certificates (ca-certificates), or name its authority "
             "with --ca-file";
    case http::HttpReason::kForbidden:
    case http::HttpReason::kRefusedByUpstream:
      return "it refuses this machine: see --proxy, ask its operator, or name another --upstream";
    case http::HttpReason::kMissing:
      return "correct its URL: there is no binary cache at it";
    case http::HttpReason::kThrottled:
      return "it asks us to slow down: wait, and set --upstream-requests-max";
    case http::HttpReason::kTooSlow:
      return "see the network, firewalls and --proxy: it did not answer in time";
    case http::HttpReason::kServerError:
      return "it is in trouble: wait for its operator, or add another --upstream";
    default:
      return "see its URL and --proxy: what answers is no binary cache";
  }
}

void CheckClock(cli::Checkup& checkup, const std::string& url, const http::HttpResponse& response,
                const Clock& clock) {
  const auto date = http::ServerTime(response.head.headers);
  if (!date) {
    return;  // it does not say
  }
  const auto apart = std::chrono::abs(*date - clock.Wall());
  const std::string what =
      fmt::format("{} says that it is {}, which differs by {} from this machine's clock", url,
                  response.head.headers.Get("date").value_or(""), cli::FormatDuration(apart));
  const std::string remedy =
      "set this machine's clock by NTP (timedatectl); if it is right, the upstream's is not";
  if (apart > kUpstreamClockFault) {
    checkup.Fault("upstream-clock", what, remedy);
  } else if (apart > kUpstreamClockWarning) {
    checkup.Warn("upstream-clock", what, remedy);
  } else {
    checkup.Ok("upstream-clock", fmt::format("{} and this machine agree about the time", url));
  }
}

void CheckHttp2(cli::Checkup& checkup, const std::string& url, const http::HttpResponse& response) {
  if (http::CameOverHttp2(response.head.headers)) {
    checkup.Ok("http2", fmt::format("{} speaks HTTP/2", url));
    return;
  }
  checkup.Warn("http2", fmt::format("{} speaks HTTP/1.1 only: a walk is several times slower", url),
               url.starts_with("https:")
                   ? "have its server, or the proxy on the way, speak HTTP/2"
                   : "use https, over which HTTP/2 is spoken; on a local network HTTP/1.1 does");
}

// True: it is a binary cache that can be mirrored.
bool CheckCacheInfo(cli::Checkup& checkup, http::HttpClient& client, const std::string& url,
                    const Clock& clock) {
  const auto response = client.Fetch({.url = url + "/nix-cache-info",
                                      .body_size_max = nix::kCacheInfoSizeMax,
                                      .encoding = http::EncodingPolicy::kDecode});
  if (!response.has_value()) {
    checkup.Fault("upstream", response.error().message, RemedyOf(response.error()));
    return false;
  }
  CheckClock(checkup, url, *response, clock);
  CheckHttp2(checkup, url, *response);
  const auto info = nix::CacheInfo::Parse(response->body);
  if (!info.has_value()) {
    checkup.Fault("upstream", fmt::format("{}: {}", url, info.error().message),
                  "name a binary cache whose StoreDir is /nix/store: paths of another one cannot "
                  "be mirrored");
    return false;
  }
  checkup.Ok("upstream", fmt::format("{} is a binary cache of /nix/store", url));
  return true;
}

std::string TrustedNames(const nix::TrustedKeys& keys) {
  std::string names;
  for (const auto& [name, key] : keys.keys()) {
    names += (names.empty() ? "" : ", ") + name;
  }
  return names.empty() ? "none" : names;
}

void CheckSignatures(cli::Checkup& checkup, http::HttpClient& client, const Upstream& upstream,
                     const UpstreamProbe& probe) {
  if (probe.path_hash.empty()) {
    checkup.Warn(
        "signatures",
        fmt::format("no path of {} is known, so its signatures were not looked at", upstream.url),
        "name a path that it has: --path /nix/store/...");
    return;
  }
  const auto requested = nix::StorePathHash::Parse(probe.path_hash);
  const auto response = client.Fetch({.url = upstream.url + "/" + probe.path_hash + ".narinfo",
                                      .body_size_max = nix::kNarInfoSizeMax,
                                      .encoding = http::EncodingPolicy::kDecode});
  if (!requested.has_value() || !response.has_value()) {
    checkup.Warn("signatures",
                 response.has_value() ? requested.error().message : response.error().message,
                 "name another path, which it has: --path /nix/store/...");
    return;
  }
  const auto info =
      nix::NarInfo::Parse(response->body, *requested, {.nar_size_max = probe.nar_size_max});
  if (!info.has_value()) {
    checkup.Fault("signatures", fmt::format("{}: {}", upstream.url, info.error().message),
                  "see what stands between: what answers is no sound narinfo");
    return;
  }
  const auto trust = nix::VerifyNarInfo(*info, upstream.keys, probe.trust);
  if (!trust.has_value()) {
    checkup.Fault(
        "signatures",
        fmt::format("{}: {}; trusted keys: {}", upstream.url, trust.error().message,
                    TrustedNames(upstream.keys)),
        "name the key that it signs with, from its operator: --trusted-public-keys NAME:BASE64; "
        "with another one nothing of it is mirrored");
    return;
  }
  checkup.Ok("signatures",
             trust->by == nix::Trust::By::kSignature
                 ? fmt::format("{} signs with {}, which is trusted", upstream.url, trust->key_name)
                 : fmt::format("{}: a content-addressed path is believed", upstream.url));
}

}  // namespace

void CheckUpstream(cli::Checkup& checkup, http::HttpClient& client, const Upstream& upstream,
                   const UpstreamProbe& probe, const Clock& clock) {
  if (upstream.url.starts_with("file:")) {
    checkup.Ok("upstream",
               fmt::format("{} is a folder; it is read when it is imported", upstream.url));
    return;
  }
  if (CheckCacheInfo(checkup, client, upstream.url, clock)) {
    CheckSignatures(checkup, client, upstream, probe);
  }
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
                   RemedyOf(response.error()));
}

}  // namespace hnx::coordinator
