// Tokens: random text that a client shows, and whose SHA-256 a coordinator knows. In a tokens file
// a line each, "ROLE NAME SHA256" (the hash in hex); # begins a comment. Lines of one hash add
// their roles.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/role.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"

namespace hnx::access {

inline constexpr std::size_t kTokenChars = 64;  // that make-token makes
inline constexpr std::size_t kTokenCharsMin = 32;
inline constexpr std::size_t kTokenCharsMax = 1'024;
inline constexpr std::size_t kTokensMax = 10'000;

// 256 random bits in hex.
std::string MakeToken();
// The line of the tokens file for it.
std::string TokenLine(Role role, std::string_view name, std::string_view token);

// What a client shows: the file's only line. kFailedPrecondition, kInvalidArgument: others may read
// it, or there is no token in it.
Result<std::string> ReadTokenFile(const std::filesystem::path& path);

// The tokens that let in. Thread-safe.
class TokenTable {
 public:
  // How soon a changed file is seen.
  static constexpr std::chrono::seconds kLookInterval{1};

  // Errors name the file, the line and what is wrong.
  static Result<std::unique_ptr<TokenTable>> Open(std::filesystem::path path,
                                                  const Clock& clock = Clock::Real());

  // Compares with each token in constant time. Looks at the file again when it changed; a broken
  // one is logged, and what it said before holds on.
  std::optional<Identity> Find(std::string_view token) HNX_EXCLUDES(mutex_);

 private:
  struct Entry {
    Bytes sha256;
    Identity identity;
  };
  // What tells one content of the file from another without reading it.
  using Stamp = std::array<std::int64_t, 4>;

  TokenTable(std::filesystem::path path, const Clock& clock)
      : path_(std::move(path)), clock_(clock) {}

  static Result<std::vector<Entry>> Parse(std::string_view text);
  Result<Stamp> Look() const;
  Result<void> Read() HNX_REQUIRES(mutex_);

  const std::filesystem::path path_;
  const Clock& clock_;
  Mutex mutex_;
  Stamp stamp_ HNX_GUARDED_BY(mutex_){};
  Clock::SteadyTime looked_ HNX_GUARDED_BY(mutex_){};
  std::vector<Entry> entries_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::access
