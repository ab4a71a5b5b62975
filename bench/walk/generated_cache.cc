#include "bench/walk/generated_cache.h"

#include <algorithm>
#include <cmath>
#include <cstring>
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
constexpr std::size_t kNumberBytes = sizeof(std::uint64_t);
constexpr std::string_view kNarSuffix = ".nar";
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

// splitmix64's last step, which looks like noise and can be undone.
std::uint64_t Mix(std::uint64_t z) {
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}
std::uint64_t Unmix(std::uint64_t z) {
  z = (z ^ (z >> 31U) ^ (z >> 62U)) * 0x319642B2D24D8EC3ULL;
  z = (z ^ (z >> 27U) ^ (z >> 54U)) * 0x96DE1B173F119089ULL;
  return z ^ (z >> 30U) ^ (z >> 60U);
}

// A name's bytes begin with the number.
template <std::size_t kSize>
std::string NumberedName(std::uint64_t seed, std::uint64_t index,
                         std::array<std::byte, kSize> name) {
  const std::uint64_t number = Mix(index + seed);
  std::memcpy(name.data(), &number, kNumberBytes);
  return nix::EncodeNixBase32(name);
}

// A small generator of its own: the standard's distributions differ between libraries.
class Random {
 public:
  explicit Random(std::uint64_t state) : state_(state) {}
  std::uint64_t Next() {  // splitmix64
    state_ += 0x9E3779B97F4A7C15ULL;
    return Mix(state_);
  }
  double Unit() { return static_cast<double>(Next() >> 11U) * 0x1.0p-53; }

 private:
  std::uint64_t state_;
};

}  // namespace

GeneratedCache::GeneratedCache(std::uint64_t seed, std::uint64_t paths, std::uint64_t changed)
    : seed_(seed), paths_(paths), changed_(changed), key_(MakeKey(seed)) {
  HNX_CHECK(paths > 0 && changed <= paths);
  constexpr double kWidening = 1.6;
  for (std::uint64_t layer = 0; layer <= kLayers; ++layer) {
    const double share = std::pow(static_cast<double>(layer) / kLayers, kWidening);
    layer_starts_[layer] = static_cast<std::uint64_t>(static_cast<double>(paths_) * share);
  }
}

std::uint64_t GeneratedCache::LayerOf(std::uint64_t index) const {
  const auto above = std::upper_bound(layer_starts_.begin(), layer_starts_.end(), index);
  return static_cast<std::uint64_t>(above - layer_starts_.begin()) - 1;
}

nix::StorePath GeneratedCache::Path(std::uint64_t index) const {
  const auto digest = Digest(seed_, "path", index);
  std::array<std::byte, kHashBytes> hash{};
  std::copy_n(digest.begin(), kHashBytes, hash.begin());
  const std::uint64_t package = index < paths_ ? index : index - changed_;
  auto path = nix::StorePath::ParseBaseName(
      fmt::format("{}-package-{}", NumberedName(seed_, index, hash), package));
  HNX_CHECK(path.has_value());
  return *std::move(path);
}

std::optional<std::uint64_t> GeneratedCache::FindNumber(ByteView name) const {
  std::uint64_t number = 0;
  std::memcpy(&number, name.data(), kNumberBytes);
  const std::uint64_t index = Unmix(number) - seed_;
  return index < paths_ + changed_ ? std::optional(index) : std::nullopt;
}

std::optional<std::uint64_t> GeneratedCache::FindPath(std::string_view hash_part) const {
  const auto hash = nix::DecodeNixBase32(hash_part, kHashBytes);
  const auto index = hash ? FindNumber(*hash) : std::nullopt;
  return index && Path(*index).hash_part() == hash_part ? index : std::nullopt;
}

std::optional<std::uint64_t> GeneratedCache::FindNar(std::string_view file) const {
  if (!file.ends_with(kNarSuffix)) {
    return std::nullopt;
  }
  file.remove_suffix(kNarSuffix.size());
  const auto name = nix::DecodeNixBase32(file, nix::kSha256Size);
  return name ? FindNumber(*name) : std::nullopt;
}

std::vector<std::uint64_t> GeneratedCache::References(std::uint64_t index) const {
  if (index >= paths_) {
    // What the old one refers to, and of that what is new.
    std::vector<std::uint64_t> references = References(index - changed_);
    for (std::uint64_t& reference : references) {
      reference = InSecondRelease(reference);
    }
    return references;
  }
  Random random(seed_ * 1'000'003 + index);
  std::set<std::uint64_t> references;
  const std::uint64_t layer = LayerOf(index);
  const std::uint64_t start = layer_starts_[layer];
  std::uint64_t below = layer;
  while (below > 0 && layer_starts_[below - 1] == start) {
    --below;  // layers of a tiny cache may be empty
  }
  if (start > 0 && below > 0) {
    const std::uint64_t first = layer_starts_[below - 1];
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
  const std::string line = fmt::format("package {}\n", index);
  while (text.size() < kNarTextBytes) {
    text += line;
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
  const nix::Sha256Digest digest = nix::Sha256::Of(AsBytes(nar));
  const nix::Hash hash = nix::Hash::FromSha256(digest);
  nix::NarInfoFields fields{
      .store_path = Path(index),
      .url = fmt::format("nar/{}{}", NumberedName(seed_, index, digest), kNarSuffix),
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
