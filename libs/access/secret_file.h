// Files that hold a secret: private keys, tokens.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace hnx::access {

inline constexpr std::size_t kSecretFileBytesMax = std::size_t{1} << 20;

// The whole file. kFailedPrecondition, with what to do: others may read it. Allowed are 0400 and
// 0600, and reading by the group when root owns the file and this process is not root: that is how
// Kubernetes mounts a Secret for a pod with fsGroup.
Result<std::string> ReadSecretFile(const std::filesystem::path& path, std::string_view what);

}  // namespace hnx::access
