// Keys of cores and how they follow from one another (docs/formats/manifest-and-keys.md).
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/core/crypto.h"
#include "hyper/core/manifest.h"

namespace hnx::hyper {

CoreKey CoreKeyOf(const Manifest& manifest);
DiscoveryKey DiscoveryKeyOf(const CoreKey& key);

// Namespaces of Hypercore by number.
Namespace TreeNamespace();           // 0: domain of tree signatures
Namespace ManifestNamespace();       // 3: domain of manifest hashes
Namespace DefaultSignerNamespace();  // 4: signers that name no namespace of their own

// The key pair of the core `name` of a Corestore: everything follows from the store's primary key
// (32 bytes; the file `primary-key`).
KeyPair DeriveKeyPair(std::span<const std::byte, 32> primary_key, const Namespace& store_namespace,
                      std::string_view name);

// The root store's namespace is all zeros; a child's is Hash(parent || name).
inline constexpr Namespace kRootStoreNamespace{};
Namespace ChildStoreNamespace(const Namespace& parent, std::string_view name);

// A core key as people write it: 64 hex digits or 52 characters of z-base-32.
Result<CoreKey> ParseCoreKey(std::string_view text);
std::string CoreKeyId(const CoreKey& key);  // z-base-32

}  // namespace hnx::hyper
