// GeneratedCache: a binary cache that needs no disk: path, references and narinfo of number i are a
// pure function of (seed, i), and names say which number they have. Shaped as real ones: layers,
// narrow at the bottom and wide at the top; each path refers to one of the layer below, to about
// seven more, mostly near the bottom, and in three of ten cases to itself. NARs have about 2 KB and
// mention their references. Its memory does not grow with the paths.
//
// It has two releases: the second has the same packages, of which the last `changed`, on top of all
// others, were built anew. Those have the numbers from size() on.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "nix/nar_info_sign.h"
#include "nix/signature.h"
#include "nix/store_path.h"

namespace hnx::bench {

class GeneratedCache {
 public:
  static constexpr std::uint64_t kLayers = 40;

  // `paths` at least one, `changed` at most as many. The signing key comes from the seed too: it
  // protects nothing.
  GeneratedCache(std::uint64_t seed, std::uint64_t paths, std::uint64_t changed = 0);

  // Paths of each release.
  std::uint64_t size() const { return paths_; }
  std::uint64_t changed() const { return changed_; }
  // Number of the path at place `at` < size() of a release.
  std::uint64_t InSecondRelease(std::uint64_t at) const {
    return at < paths_ - changed_ ? at : at + changed_;
  }
  // "name:base64", to be trusted.
  std::string public_key() const { return key_.public_key().ToString(); }
  nix::StorePath Path(std::uint64_t index) const;
  // Of 32 characters of nix32; nothing: no path of this cache.
  std::optional<std::uint64_t> FindPath(std::string_view hash_part) const;
  // Of a NAR's file name, 52 characters of nix32 and ".nar".
  std::optional<std::uint64_t> FindNar(std::string_view file) const;
  // Without the path itself unless it refers to itself.
  std::vector<std::uint64_t> References(std::uint64_t index) const;
  std::string Nar(std::uint64_t index) const;
  nix::NarInfoFields Fields(std::uint64_t index) const;
  // Signed.
  std::string NarInfo(std::uint64_t index) const;
  // The paths that no other refers to; from them the whole cache is reached.
  std::vector<std::uint64_t> Roots() const;

 private:
  std::optional<std::uint64_t> FindNumber(ByteView name) const;
  std::uint64_t LayerOf(std::uint64_t index) const;

  const std::uint64_t seed_;
  const std::uint64_t paths_;
  const std::uint64_t changed_;
  std::array<std::uint64_t, kLayers + 1> layer_starts_{};
  nix::SecretKey key_;
};

}  // namespace hnx::bench
