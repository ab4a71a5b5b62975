#include "gateway/fallback/upstreams.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "http/redirect_rules.h"
#include "mirror/index_layout.h"

namespace hnx::gateway {
namespace {

constexpr std::uint64_t kNarInfoBytesMax = std::uint64_t{1} << 20;

std::string WithoutTrailingSlash(std::string url) {
  while (url.ends_with('/')) {
    url.pop_back();
  }
  return url;
}

http::HttpClientOptions ClientOptions(const UpstreamsOptions& options) {
  http::HttpClientOptions client;
  client.proxy = options.proxy;
  client.ca_file = options.ca_file;
  client.connect_timeout = kUpstreamConnectMax;
  client.head_timeout = kUpstreamHeadMax;
  // A bucket that may not be listed says so of what it lacks.
  client.status_rules.forbidden_means_missing = true;
  return client;
}

}  // namespace

Result<std::unique_ptr<Upstreams>> Upstreams::Create(const UpstreamsOptions& options,
                                                     const Clock& clock) {
  if (options.urls.empty() || options.urls.size() > kUpstreamsMax) {
    return InvalidArgument("--fallback: 1 to " + std::to_string(kUpstreamsMax) + " binary caches");
  }
  for (const std::string& url : options.urls) {
    if (const auto parts = http::ParseHttpUrl(url); !parts) {
      return parts.error().Annotate("--fallback");
    }
  }
  auto keys = nix::TrustedKeys::Parse(options.trusted_public_keys);
  if (!keys) {
    return keys.error().Annotate("--trusted-public-keys");
  }
  if (keys->empty()) {
    return InvalidArgument(
        "--fallback needs --trusted-public-keys NAME:BASE64: whose signatures are believed");
  }
  return std::unique_ptr<Upstreams>(new Upstreams(options, *std::move(keys), clock));
}

Upstreams::Upstreams(const UpstreamsOptions& options, nix::TrustedKeys keys, const Clock& clock)
    : keys_(std::move(keys)),
      clock_(clock),
      count_(options.urls.size()),
      client_(ClientOptions(options)) {
  MutexLock lock(mutex_);
  for (const std::string& url : options.urls) {
    upstreams_.push_back({.url = WithoutTrailingSlash(url)});
  }
}

bool Upstreams::Rests(std::size_t number) const {
  MutexLock lock(mutex_);
  const auto& until = upstreams_.at(number).rests_until;
  return until && clock_.Steady() < *until;
}

void Upstreams::Rest(std::size_t number, const http::HttpFailure& failure) {
  const auto rest = std::max(kUpstreamRest, failure.retry_after.value_or(kUpstreamRest));
  MutexLock lock(mutex_);
  upstreams_.at(number).rests_until = clock_.Steady() + rest;
}

Error Upstreams::Failed(std::size_t number, const http::HttpFailure& failure) {
  Rest(number, failure);
  Log("gateway")->warn("fallback: {}; it is not asked for a while", failure.message);
  return Error{ErrorCode::kAborted, "fallback: " + failure.message};
}

Error Upstreams::Resting(std::size_t number) const {
  MutexLock lock(mutex_);
  return Error{ErrorCode::kAborted,
               "fallback " + upstreams_.at(number).url + ": it failed a moment ago"};
}

std::string Upstreams::Url(std::size_t number, std::string_view path) const {
  MutexLock lock(mutex_);
  return upstreams_.at(number).url + std::string(path);
}

Result<SignedNarInfo> Upstreams::Check(std::string_view text, std::string_view hash) const {
  HNX_ASSIGN_OR_RETURN(const auto requested, nix::StorePathHash::Parse(hash));
  nix::NarInfoPolicy policy;
  policy.allow_url_hash_query = true;
  HNX_ASSIGN_OR_RETURN(auto info, nix::NarInfo::Parse(text, requested, policy));
  if (!mirror::IsSafeName(info.nar_file_name())) {
    return InvalidArgument("the narinfo of " + info.store_path().ToString() +
                           ": the name of its NAR's file cannot be served");
  }
  HNX_ASSIGN_OR_RETURN(const auto trust, nix::VerifyNarInfo(info, keys_));
  auto expectation = nix::NarExpectation::Of(info, trust);
  return SignedNarInfo{std::move(info), expectation};
}

Result<std::optional<SignedNarInfo>> Upstreams::FindNarInfo(std::string_view hash) {
  std::optional<Error> trouble;
  for (std::size_t number = 0; number < count_; ++number) {
    if (Rests(number)) {
      trouble = trouble.value_or(Resting(number));
      continue;
    }
    http::HttpRequest request;
    request.url = Url(number, mirror::NarInfoPath(hash));
    request.body_size_max = kNarInfoBytesMax;
    request.encoding = http::EncodingPolicy::kDecode;
    const auto response = client_.Fetch(std::move(request));
    if (!response) {
      if (response.error().code != ErrorCode::kNotFound) {
        trouble = trouble.value_or(Failed(number, response.error()));
      }
      continue;
    }
    auto checked = Check(response->body, hash);
    if (checked) {
      return std::optional<SignedNarInfo>(*std::move(checked));
    }
    const auto why = checked.error().Annotate("fallback " + Url(number, ""));
    Log("gateway")->error("{}", why.ToString());
    const bool untrusted = why.code == ErrorCode::kUnauthenticated;
    trouble = trouble.value_or(
        Error{untrusted ? ErrorCode::kUnauthenticated : ErrorCode::kAborted, why.message});
  }
  return trouble ? Result<std::optional<SignedNarInfo>>(*trouble) : std::optional<SignedNarInfo>();
}

Result<std::optional<NarPlace>> Upstreams::FindNar(const nix::NarInfo& info) {
  std::optional<Error> trouble;
  for (std::size_t number = 0; number < count_; ++number) {
    if (Rests(number)) {
      trouble = trouble.value_or(Resting(number));
      continue;
    }
    http::HttpRequest request;
    request.url = Url(number, "/" + info.url());
    request.method = http::HttpMethod::kHead;
    const auto response = client_.Fetch(request);
    if (!response) {
      if (response.error().code != ErrorCode::kNotFound) {
        trouble = trouble.value_or(Failed(number, response.error()));
      }
      continue;
    }
    const auto size =
        response->head.content_length ? response->head.content_length : info.file_size();
    if (!size || *size == 0) {
      trouble = trouble.value_or(
          Error{ErrorCode::kAborted, request.url + ": nobody says how long it is"});
      continue;
    }
    return std::optional<NarPlace>(NarPlace{request.url, *size});
  }
  return trouble ? Result<std::optional<NarPlace>>(*trouble) : std::optional<NarPlace>();
}

void Upstreams::Blame(const std::string& nar_url, const http::HttpFailure& failure) {
  for (std::size_t number = 0; number < count_; ++number) {
    if (nar_url.starts_with(Url(number, "/"))) {
      Rest(number, failure);
      return;
    }
  }
}

}  // namespace hnx::gateway
