// Makes signed narinfos: for the generators of tests and demonstrations. A mirror itself signs
// nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nix/compression.h"
#include "nix/content_address.h"
#include "nix/hash.h"
#include "nix/signature.h"
#include "nix/store_path.h"

namespace hnx::nix {

struct NarInfoFields {
  StorePath store_path;
  std::string url;
  Compression compression = Compression::kNone;
  std::optional<Hash> file_hash;
  std::optional<std::uint64_t> file_size;
  Hash nar_hash;
  std::uint64_t nar_size = 0;
  std::vector<StorePath> references;  // in any order
  std::optional<StorePath> deriver;
  std::optional<ContentAddress> ca;
};

// A Sig line's value for these fields.
std::string SignNarInfo(const NarInfoFields& fields, const SecretKey& key);
// The file in upstream's form and order of fields; unsigned when `key` is null.
std::string RenderNarInfo(const NarInfoFields& fields, const SecretKey* key);

}  // namespace hnx::nix
