#include "cli/user_cache.h"

#include "cli/environment.h"

namespace hnx::cli {

Result<std::filesystem::path> UserCacheFolder() {
  constexpr const char* kName = "hypercore-nixos";
  if (const auto cache = EnvironmentVariable("XDG_CACHE_HOME")) {
    return std::filesystem::path(*cache) / kName;
  }
  if (const auto home = EnvironmentVariable("HOME")) {
    return std::filesystem::path(*home) / ".cache" / kName;
  }
  return FailedPrecondition("neither HOME nor XDG_CACHE_HOME is set");
}

}  // namespace hnx::cli
