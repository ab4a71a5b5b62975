// Of the `doctor` commands: a binary cache as it answers now, and whether its narinfos are signed
// with keys that are believed. All block for the answers.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "cli/checkup.h"
#include "http/http_client.h"
#include "http/http_error.h"
#include "nix/trusted_keys.h"

namespace hnx::doctor {

struct BinaryCache {
  std::string name;  // what the caller uses it for: "upstream"; names the findings
  std::string flag;  // that it was named with: "--upstream"
  std::string url;   // http: or https:, without a slash at its end
};

// What to do about a server that answers like this.
std::string RemedyOf(const http::HttpFailure& failure, const std::string& flag);

// Adds "<name>", "<name>-clock" and "http2". True: it is a binary cache that can be used.
bool CheckCache(cli::Checkup& checkup, http::HttpClient& client, const BinaryCache& cache,
                const Clock& clock);

struct SignatureProbe {
  std::string path_hash;  // hash part of a path that it has
  nix::TrustPolicy trust{};
  std::uint64_t nar_size_max = 0;
};

// Adds "signatures".
void CheckSignatures(cli::Checkup& checkup, http::HttpClient& client, const BinaryCache& cache,
                     const nix::TrustedKeys& keys, const SignatureProbe& probe);

}  // namespace hnx::doctor
