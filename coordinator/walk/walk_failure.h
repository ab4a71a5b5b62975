// What becomes of a path whose narinfo could not be had or was refused. Pure.
//
//   404, 410                      missing
//   refused (syntax, signature)   again twice over some time: a damaged copy may have been served;
//                                 then set aside with its reason word
//   transient                     again with growing waits; set aside after many, but only when the
//                                 upstream answered otherwise meanwhile
#pragma once

#include <random>
#include <string>

#include "base/retry_policy.h"
#include "coordinator/store/walk_store.h"
#include "http/http_error.h"

namespace hnx::coordinator {

struct WalkFailureOptions {
  int refused_retries = 2;
  RetryPolicy refused{.base = std::chrono::milliseconds(2'000),
                      .cap = std::chrono::milliseconds(30'000)};
  RetryPolicy transient{.base = std::chrono::milliseconds(500),
                        .cap = std::chrono::milliseconds(60'000),
                        .retry_after_cap = std::chrono::milliseconds(300'000),
                        .attempts_max = 8};
  // 429 and 503 speak of our rate more than of the path.
  int throttled_attempts_max = 12;
};

// The answer was refused by our checks. `path.attempts` counts what failed before.
PathFailure DecideRefusal(const WalkFailureOptions& options, const FrontierPath& path,
                          const Error& error, std::mt19937_64& random);

// The transfer failed. `counted`: the upstream is well otherwise, so it is this path's own failure.
PathFailure DecideTransferFailure(const WalkFailureOptions& options, const FrontierPath& path,
                                  const http::HttpFailure& failure, bool counted,
                                  std::mt19937_64& random);

// Passing trouble, which says nothing about the path unless the upstream is well.
bool IsTransient(const http::HttpFailure& failure);

// "http-404", "http-503", or the transport's word: "too-slow".
std::string ReasonWord(const http::HttpFailure& failure);

}  // namespace hnx::coordinator
