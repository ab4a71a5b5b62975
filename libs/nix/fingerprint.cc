#include "nix/fingerprint.h"

#include <fmt/format.h>

namespace hnx::nix {

std::string Fingerprint(const StorePath& path, const Hash& nar_hash, std::uint64_t nar_size,
                        std::span<const StorePath> references) {
  std::string text =
      fmt::format("1;{}/{};{};{};", kStoreDir, path.base_name(), nar_hash.ToNix32(), nar_size);
  std::string_view separator;
  for (const StorePath& reference : references) {
    text.append(separator).append(kStoreDir).append("/").append(reference.base_name());
    separator = ",";
  }
  return text;
}

std::string Fingerprint(const NarInfo& info) {
  return Fingerprint(info.store_path(), info.nar_hash(), info.nar_size(), info.references());
}

}  // namespace hnx::nix
