#include "hyper/core/keys.h"

#include "hyper/codec/z_base_32.h"

namespace hnx::hyper {
namespace {

constexpr std::string_view kHypercore = "hypercore";
constexpr std::string_view kCorestore = "corestore";

constexpr std::size_t kKeyHexLength = 64;

}  // namespace

Namespace TreeNamespace() {
  static const Namespace value = NamespaceOf(kHypercore, 0);
  return value;
}

Namespace ManifestNamespace() {
  static const Namespace value = NamespaceOf(kHypercore, 3);
  return value;
}

Namespace DefaultSignerNamespace() {
  static const Namespace value = NamespaceOf(kHypercore, 4);
  return value;
}

CoreKey CoreKeyOf(const Manifest& manifest) {
  const Namespace domain = ManifestNamespace();
  const Bytes encoded = manifest.Encode();
  return CoreKey{HashOf({domain.view(), encoded}).bytes};
}

DiscoveryKey DiscoveryKeyOf(const CoreKey& key) {
  return DiscoveryKey{KeyedHashOf(key.view(), {AsBytes(kHypercore)}).bytes};
}

KeyPair DeriveKeyPair(std::span<const std::byte, 32> primary_key, const Namespace& store_namespace,
                      std::string_view name) {
  static const Namespace domain = NamespaceOf(kCorestore, 0);
  Hash seed = KeyedHashOf(primary_key, {domain.view(), store_namespace.view(), AsBytes(name)});
  KeyPair pair = KeyPair::FromSeed(seed.view());
  Wipe(seed.bytes);
  return pair;
}

Namespace ChildStoreNamespace(const Namespace& parent, std::string_view name) {
  return Namespace{HashOf({parent.view(), AsBytes(name)}).bytes};
}

Result<CoreKey> ParseCoreKey(std::string_view text) {
  if (text.size() == kKeyHexLength) {
    return CoreKey::FromHex(text, "core key");
  }
  HNX_ASSIGN_OR_RETURN(const Bytes raw, DecodeZBase32(text));
  return CoreKey::FromBytes(raw, "core key");
}

std::string CoreKeyId(const CoreKey& key) {
  return EncodeZBase32(key.view());
}

}  // namespace hnx::hyper
