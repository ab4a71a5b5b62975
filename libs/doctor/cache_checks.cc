#include "doctor/cache_checks.h"

#include <chrono>

#include <fmt/format.h>

#include "cli/units.h"
#include "http/response_facts.h"
#include "nix/cache_info.h"
#include "nix/nar_info.h"

namespace hnx::doctor {
namespace {

using std::chrono::milliseconds;

// A Date header counts seconds, and may be a little old in a cache.
constexpr milliseconds kCacheClockWarning{60'000};
constexpr milliseconds kCacheClockFault{600'000};

void CheckClock(cli::Checkup& checkup, const BinaryCache& cache, const http::HttpResponse& response,
                const Clock& clock) {
  const auto date = http::ServerTime(response.head.headers);
  if (!date) {
    return;  // it does not say
  }
  const std::string check = cache.name + "-clock";
  const auto apart = std::chrono::abs(*date - clock.Wall());
  const std::string what =
      fmt::format("{} says that it is {}, which differs by {} from this machine's clock", cache.url,
                  response.head.headers.Get("date").value_or(""), cli::FormatDuration(apart));
  const std::string remedy = fmt::format(
      "set this machine's clock by NTP (timedatectl); if it is right, the {}'s is not", cache.name);
  if (apart > kCacheClockFault) {
    checkup.Fault(check, what, remedy);
  } else if (apart > kCacheClockWarning) {
    checkup.Warn(check, what, remedy);
  } else {
    checkup.Ok(check, fmt::format("{} and this machine agree about the time", cache.url));
  }
}

void CheckHttp2(cli::Checkup& checkup, const BinaryCache& cache,
                const http::HttpResponse& response) {
  if (http::CameOverHttp2(response.head.headers)) {
    checkup.Ok("http2", fmt::format("{} speaks HTTP/2", cache.url));
    return;
  }
  checkup.Warn(
      "http2",
      fmt::format("{} speaks HTTP/1.1 only: asking for many narinfos is several times slower",
                  cache.url),
      cache.url.starts_with("https:")
          ? "have its server, or the proxy on the way, speak HTTP/2"
          : "use https, over which HTTP/2 is spoken; on a local network HTTP/1.1 does");
}

std::string TrustedNames(const nix::TrustedKeys& keys) {
  std::string names;
  for (const auto& [name, key] : keys.keys()) {
    names += (names.empty() ? "" : ", ") + name;
  }
  return names.empty() ? "none" : names;
}

}  // namespace

std::string RemedyOf(const http::HttpFailure& failure, const std::string& flag) {
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
      return fmt::format(
          "it refuses this machine: see --proxy, ask its operator, or name another {}", flag);
    case http::HttpReason::kMissing:
      return "correct its URL: there is no binary cache at it";
    case http::HttpReason::kThrottled:
      return "it asks us to slow down: wait, and ask it for less";
    case http::HttpReason::kTooSlow:
      return "see the network, firewalls and --proxy: it did not answer in time";
    case http::HttpReason::kServerError:
      return fmt::format("it is in trouble: wait for its operator, or add another {}", flag);
    default:
      return "see its URL and --proxy: what answers is no binary cache";
  }
}

bool CheckCache(cli::Checkup& checkup, http::HttpClient& client, const BinaryCache& cache,
                const Clock& clock) {
  const auto response = client.Fetch({.url = cache.url + "/nix-cache-info",
                                      .body_size_max = nix::kCacheInfoSizeMax,
                                      .encoding = http::EncodingPolicy::kDecode});
  if (!response.has_value()) {
    checkup.Fault(cache.name, response.error().message, RemedyOf(response.error(), cache.flag));
    return false;
  }
  CheckClock(checkup, cache, *response, clock);
  CheckHttp2(checkup, cache, *response);
  const auto info = nix::CacheInfo::Parse(response->body);
  if (!info.has_value()) {
    checkup.Fault(cache.name, fmt::format("{}: {}", cache.url, info.error().message),
                  "name a binary cache whose StoreDir is /nix/store: paths of another one are of "
                  "no use");
    return false;
  }
  checkup.Ok(cache.name, fmt::format("{} is a binary cache of /nix/store", cache.url));
  return true;
}

void CheckSignatures(cli::Checkup& checkup, http::HttpClient& client, const BinaryCache& cache,
                     const nix::TrustedKeys& keys, const SignatureProbe& probe) {
  const auto requested = nix::StorePathHash::Parse(probe.path_hash);
  const auto response = client.Fetch({.url = cache.url + "/" + probe.path_hash + ".narinfo",
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
    checkup.Fault("signatures", fmt::format("{}: {}", cache.url, info.error().message),
                  "see what stands between: what answers is no sound narinfo");
    return;
  }
  const auto trust = nix::VerifyNarInfo(*info, keys, probe.trust);
  if (!trust.has_value()) {
    checkup.Fault("signatures",
                  fmt::format("{}: {}; trusted keys: {}", cache.url, trust.error().message,
                              TrustedNames(keys)),
                  "name the key that it signs with, from its operator: --trusted-public-keys "
                  "NAME:BASE64; with another one nothing of it is taken");
    return;
  }
  checkup.Ok("signatures",
             trust->by == nix::Trust::By::kSignature
                 ? fmt::format("{} signs with {}, which is trusted", cache.url, trust->key_name)
                 : fmt::format("{}: a content-addressed path is believed", cache.url));
}

}  // namespace hnx::doctor
