#include "bench/walk/generated_cache.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "nix/hash.h"
#include "nix/nar_writer.h"
#include "nix/nix_base32.h"

namespace hnx::bench {
namespace {

constexpr std::size_t kHashBytes = 20;
constexpr std::size_t kNarTextBytes = 2'000;
constexpr int kHubReferences = 7;

nix::Sha256Digest Digest(std::uint64_t seed, std::string_view what, std::uint64_t index) {
  return nix::Sha256::Of(AsBytes(fmt::format("{}/{}/{}", seed, what, index)));
}

nix::SecretKey MakeKey(std::uint64_t seed) {
  auto key = nix::SecretKey::FromSeed("generated-1", Digest(seed, "key", 0));
  HNX_CHECK(key.has_value());
  return *std::move(key);
}

// A small generator of its own: the standard's distributions differ between libraries.
class Random {
 public:
  explicit Random(std::uint64_t state) : state_(state) {}
  std::uint64_t Next() {  // splitmix64
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }
  double Unit() { return static_cast<double>(Next() >> 11U) * 0x1.0p-53; }

 private:
  std::uint64_t state_;
};

}  // namespace

GeneratedCache::GeneratedCache(std::uint64_t seed, std::uint64_t paths)
    : seed_(seed), paths_(paths), key_(MakeKey(seed)) {
  HNX_CHECK(paths > 0);
}

std::uint64_t GeneratedCache::LayerStart(std::uint64_t layer) const {
  constexpr double kWidening = 1.6;
  const double share = std::pow(static_cast<double>(layer) / kLayers, kWidening);
  return static_cast<std::uint64_t>(static_cast<double>(paths_) * share);
}

std::uint64_t GeneratedCache::LayerOf(std::uint64_t index) const {
  std::uint64_t layer = 0;
  while (layer + 1 < kLayers && LayerStart(layer + 1) <= index) {
    ++layer;
  }
  return layer;
}

nix::StorePath GeneratedCache::Path(std::uint64_t index) const {
  const auto digest = Digest(seed_, "path", index);
  auto path = nix::StorePath::ParseBaseName(fmt::format(
      "{}-package-{}", nix::EncodeNixBase32(ByteView(digest).first(kHashBytes)), index));
  HNX_CHECK(path.has_value());
  return *std::move(path);
}

std::vector<std::uint64_t> GeneratedCache::References(std::uint64_t index) const {
  Random random(seed_ * 1'000'003 + index);
  std::set<std::uint64_t> references;
  const std::uint64_t layer = LayerOf(index);
  const std::uint64_t start = LayerStart(layer);
  std::uint64_t below = layer;
  while (below > 0 && LayerStart(below - 1) == start) {
    --below;  // layers of a tiny cache may be empty
  }
  if (start > 0 && below > 0) {
    const std::uint64_t first = LayerStart(below - 1);
    references.insert(first + random.Next() % (start - first));
    for (int i = 0; i < kHubReferences; ++i) {
      const double toward_bottom = std::pow(random.Unit(), 3);
      references.insert(static_cast<std::uint64_t>(toward_bottom * static_cast<double>(start)));
    }
  }
  constexpr double kSelfShare = 0.3;
  if (random.Unit() < kSelfShare) {
    references.insert(index);
  }
  return {references.begin(), references.end()};
}

std::string GeneratedCache::Nar(std::uint64_t index) const {
  std::string text;
  for (const std::uint64_t reference : References(index)) {
    text += Path(reference).ToString() + "\n";
  }
  while (text.size() < kNarTextBytes) {
    text += fmt::format("line {} of package {}\n", text.size(), index);
  }
  std::string nar;
  nix::NarWriter writer([&nar](ByteView piece) -> Result<void> {
    nar += AsText(piece);
    return {};
  });
  HNX_CHECK(writer.Regular(false, AsBytes(text)).has_value());
  HNX_CHECK(writer.Finish().has_value());
  return nar;
}

nix::NarInfoFields GeneratedCache::Fields(std::uint64_t index) const {
  const std::string nar = Nar(index);
  const nix::Hash hash = nix::Hash::FromSha256(nix::Sha256::Of(AsBytes(nar)));
  nix::NarInfoFields fields{.store_path = Path(index),
                            .url = "nar/" + hash.ToNix32Digits() + ".nar",
                            .compression = nix::Compression::kNone,
                            .file_hash = hash,
                            .file_size = nar.size(),
                            .nar_hash = hash,
                            .nar_size = nar.size(),
                            .references = {},
                            .deriver = {},
                            .ca = {}};
  for (const std::uint64_t reference : References(index)) {
    fields.references.push_back(Path(reference));
  }
  return fields;
}

std::string GeneratedCache::NarInfo(std::uint64_t index) const {
  return nix::RenderNarInfo(Fields(index), &key_);
}

std::vector<std::uint64_t> GeneratedCache::Roots() const {
  std::vector<bool> referred(paths_, false);
  for (std::uint64_t i = 0; i < paths_; ++i) {
    for (const std::uint64_t reference : References(i)) {
      if (reference != i) {
        referred[reference] = true;
      }
    }
  }
  std::vector<std::uint64_t> roots;
  for (std::uint64_t i = 0; i < paths_; ++i) {
    if (!referred[i]) {
      roots.push_back(i);
    }
  }
  return roots;
}

}  // namespace hnx::bench
