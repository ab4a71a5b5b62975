// GeneratedCache: a binary cache that needs no disk: path, references and narinfo of number i are a
// pure function of (seed, i). Shaped as real ones: layers, narrow at the bottom and wide at the
// top; each path refers to one of the layer below, to about seven more, mostly near the bottom, and
// in three of ten cases to itself. NARs have about 2 KB and mention their references.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nix/nar_info_sign.h"
#include "nix/signature.h"
#include "nix/store_path.h"

namespace hnx::bench {

class GeneratedCache {
 public:
  static constexpr std::uint64_t kLayers = 40;

  // `paths` at least one. The signing key comes from the seed too: it protects nothing.
  GeneratedCache(std::uint64_t seed, std::uint64_t paths);

  std::uint64_t size() const { return paths_; }
  // "name:base64", to be trusted.
  std::string public_key() const { return key_.public_key().ToString(); }
  nix::StorePath Path(std::uint64_t index) const;
  // Without the path itself unless it refers to itself.
  std::vector<std::uint64_t> References(std::uint64_t index) const;
  std::string Nar(std::uint64_t index) const;
  nix::NarInfoFields Fields(std::uint64_t index) const;
  // Signed.
  std::string NarInfo(std::uint64_t index) const;
  // The paths that no other refers to; from them the whole cache is reached.
  std::vector<std::uint64_t> Roots() const;

 private:
  std::uint64_t LayerStart(std::uint64_t layer) const;
  std::uint64_t LayerOf(std::uint64_t index) const;

  const std::uint64_t seed_;
  const std::uint64_t paths_;
  nix::SecretKey key_;
};

}  // namespace hnx::bench
