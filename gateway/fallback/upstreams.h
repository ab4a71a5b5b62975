// Upstreams: ordinary binary caches that are asked for what a mirror lacks, in the order in which
// they were given. A narinfo of theirs is believed by its signature only.
//
// One that cannot be reached, or fails, is left alone for a while, so that clients do not wait for
// it again and again.
//
// Errors: kAborted: none that was asked has it, and at least one did not answer (now);
// kUnauthenticated: one answered with a narinfo that no trusted key has signed.
//
// Threads: any; the methods block.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "http/http_client.h"
#include "nix/nar_file_verifier.h"
#include "nix/nar_info.h"
#include "nix/trusted_keys.h"

namespace hnx::gateway {

inline constexpr std::size_t kUpstreamsMax = 16;
inline constexpr std::chrono::milliseconds kUpstreamConnectMax{2000};
inline constexpr std::chrono::milliseconds kUpstreamHeadMax{4000};
// One that failed is not asked for so long, or for as long as it says itself.
inline constexpr std::chrono::milliseconds kUpstreamRest{10'000};

struct UpstreamsOptions {
  std::vector<std::string> urls;                 // http:// or https://, each a binary cache
  std::vector<std::string> trusted_public_keys;  // NAME:BASE64
  std::string proxy{};                           // empty: the usual environment variables
  std::string ca_file{};                         // empty: the system's
};

// A narinfo that a trusted key has signed.
struct SignedNarInfo {
  nix::NarInfo info;
  nix::NarExpectation expectation;
};

// Where a NAR can be had now.
struct NarPlace {
  std::string url;
  std::uint64_t size_bytes = 0;  // as the server says, or the narinfo
};

class Upstreams {
 public:
  // kInvalidArgument: a URL or a key is malformed, or no key is given.
  static Result<std::unique_ptr<Upstreams>> Create(const UpstreamsOptions& options,
                                                   const Clock& clock = Clock::Real());

  // Whatever it comes from: `text` as the narinfo of that path. kUnauthenticated: see above.
  Result<SignedNarInfo> Check(std::string_view text, std::string_view hash) const;
  // nullopt: all say that they lack it.
  Result<std::optional<SignedNarInfo>> FindNarInfo(std::string_view hash);
  Result<std::optional<NarPlace>> FindNar(const nix::NarInfo& info);
  // A download from there failed for its server's sake.
  void Blame(const std::string& nar_url, const http::HttpFailure& failure);

  http::HttpClient& client() { return client_; }

 private:
  struct Upstream {
    std::string url;  // without a slash at its end
    std::optional<Clock::SteadyTime> rests_until{};
  };

  Upstreams(const UpstreamsOptions& options, nix::TrustedKeys keys, const Clock& clock);

  bool Rests(std::size_t number) const HNX_EXCLUDES(mutex_);
  void Rest(std::size_t number, const http::HttpFailure& failure) HNX_EXCLUDES(mutex_);
  Error Failed(std::size_t number, const http::HttpFailure& failure) HNX_EXCLUDES(mutex_);
  Error Resting(std::size_t number) const HNX_EXCLUDES(mutex_);
  std::string Url(std::size_t number, std::string_view path) const HNX_EXCLUDES(mutex_);

  const nix::TrustedKeys keys_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::vector<Upstream> upstreams_ HNX_GUARDED_BY(mutex_);
  const std::size_t count_;
  http::HttpClient client_;
};

}  // namespace hnx::gateway
