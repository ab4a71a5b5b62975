// Fingerprint: the text that a cache signs for a store path.
//   1;<StorePath>;sha256:<nix32>;<NarSize>;<reference>,<reference>,...
// with full paths, sorted bytewise, each once.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "nix/hash.h"
#include "nix/nar_info.h"
#include "nix/store_path.h"

namespace hnx::nix {

// `references` must be sorted and without repetition.
std::string Fingerprint(const StorePath& path, const Hash& nar_hash, std::uint64_t nar_size,
                        std::span<const StorePath> references);
std::string Fingerprint(const NarInfo& info);

}  // namespace hnx::nix
