#include "hyper/core/manifest.h"

#include <string>

#include "base/check.h"
#include "hyper/core/keys.h"

namespace hnx::hyper {
namespace {

constexpr std::uint64_t kHashBlake2b = 0;
constexpr std::uint64_t kSignatureEd25519 = 0;

constexpr std::uint64_t kFlagAllowPatch = 1;
constexpr std::uint64_t kFlagPrologue = 2;
constexpr std::uint64_t kFlagLinked = 4;
constexpr std::uint64_t kFlagUserData = 8;

// Version 0 has three shapes instead of flags.
constexpr std::uint64_t kTypeStatic = 0;
constexpr std::uint64_t kTypeOneSigner = 1;
constexpr std::uint64_t kTypeManySigners = 2;

constexpr std::size_t kSignerBytes = 1 + 32 + 32;

template <class Fixed>
Result<Fixed> DecodeFixed32(Decoder& decoder, std::string_view field) {
  HNX_ASSIGN_OR_RETURN(const ByteView raw, decoder.Raw(Fixed::kSize, field));
  return Fixed::FromBytes(raw, field);
}

Result<void> ExpectHashId(Decoder& decoder) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t id, decoder.Uint("manifest hash"));
  if (id != kHashBlake2b) {
    return InvalidArgument("manifest hash: unknown number " + std::to_string(id));
  }
  return {};
}

void EncodeSigner(const ManifestSigner& signer, Encoder& encoder) {
  encoder.Uint(kSignatureEd25519);
  encoder.Raw(signer.signer_namespace.view());
  encoder.Raw(signer.public_key.view());
}

Result<ManifestSigner> DecodeSigner(Decoder& decoder) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t id, decoder.Uint("manifest signature"));
  if (id != kSignatureEd25519) {
    return InvalidArgument("manifest signature: unknown number " + std::to_string(id));
  }
  ManifestSigner signer;
  HNX_ASSIGN_OR_RETURN(signer.signer_namespace,
                       DecodeFixed32<Namespace>(decoder, "manifest signer namespace"));
  HNX_ASSIGN_OR_RETURN(signer.public_key,
                       DecodeFixed32<PublicKey>(decoder, "manifest signer public key"));
  return signer;
}

void EncodeSigners(const std::vector<ManifestSigner>& signers, Encoder& encoder) {
  encoder.Uint(signers.size());
  for (const ManifestSigner& signer : signers) {
    EncodeSigner(signer, encoder);
  }
}

Result<std::vector<ManifestSigner>> DecodeSigners(Decoder& decoder) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t count, decoder.Count(kSignerBytes, "manifest signers"));
  if (count > Manifest::kSignersMax) {
    return InvalidArgument("manifest signers: " + std::to_string(count) + " exceed the limit of " +
                           std::to_string(Manifest::kSignersMax));
  }
  std::vector<ManifestSigner> signers;
  for (std::uint64_t i = 0; i < count; ++i) {
    HNX_ASSIGN_OR_RETURN(ManifestSigner signer, DecodeSigner(decoder));
    signers.push_back(signer);
  }
  return signers;
}

bool OneSignerShape(const Manifest& manifest) {
  return manifest.quorum == 1 && manifest.signers.size() == 1 && !manifest.allow_patch;
}

void EncodeVersion0(const Manifest& manifest, Encoder& encoder) {
  encoder.Uint(kHashBlake2b);
  if (manifest.prologue && manifest.signers.empty()) {
    encoder.Uint(kTypeStatic);
    encoder.Raw(manifest.prologue->tree_hash.view());
  } else if (OneSignerShape(manifest)) {
    encoder.Uint(kTypeOneSigner);
    EncodeSigner(manifest.signers[0], encoder);
  } else {
    encoder.Uint(kTypeManySigners);
    encoder.Uint(manifest.allow_patch ? kFlagAllowPatch : 0);
    encoder.Uint(manifest.quorum);
    EncodeSigners(manifest.signers, encoder);
  }
}

Result<Manifest> DecodeVersion0(Decoder& decoder) {
  HNX_TRY(ExpectHashId(decoder));
  HNX_ASSIGN_OR_RETURN(const std::uint64_t type,
                       decoder.UintUpTo(kTypeManySigners, "manifest type"));
  Manifest manifest;
  manifest.version = 0;
  if (type == kTypeStatic) {
    HNX_ASSIGN_OR_RETURN(const Hash hash, DecodeFixed32<Hash>(decoder, "manifest prologue"));
    manifest.prologue = ManifestPrologue{hash, 0};
  } else if (type == kTypeOneSigner) {
    manifest.quorum = 1;
    HNX_ASSIGN_OR_RETURN(ManifestSigner signer, DecodeSigner(decoder));
    manifest.signers.push_back(signer);
  } else {
    HNX_ASSIGN_OR_RETURN(const std::uint64_t flags, decoder.Uint("manifest flags"));
    manifest.allow_patch = (flags & kFlagAllowPatch) != 0;
    HNX_ASSIGN_OR_RETURN(manifest.quorum,
                         decoder.UintUpTo(Manifest::kSignersMax, "manifest quorum"));
    HNX_ASSIGN_OR_RETURN(manifest.signers, DecodeSigners(decoder));
  }
  return manifest;
}

Result<void> DecodeOptionalParts(Decoder& decoder, std::uint64_t flags, Manifest& manifest) {
  if ((flags & kFlagPrologue) != 0) {
    ManifestPrologue prologue;
    HNX_ASSIGN_OR_RETURN(prologue.tree_hash, DecodeFixed32<Hash>(decoder, "manifest prologue"));
    HNX_ASSIGN_OR_RETURN(prologue.length, decoder.Uint("manifest prologue length"));
    manifest.prologue = prologue;
  }
  if ((flags & kFlagLinked) != 0) {
    HNX_ASSIGN_OR_RETURN(const std::uint64_t count,
                         decoder.Count(CoreKey::kSize, "manifest linked cores"));
    if (count > Manifest::kLinkedMax) {
      return InvalidArgument("manifest linked cores: " + std::to_string(count) +
                             " exceed the limit of " + std::to_string(Manifest::kLinkedMax));
    }
    for (std::uint64_t i = 0; i < count; ++i) {
      HNX_ASSIGN_OR_RETURN(const CoreKey key,
                           DecodeFixed32<CoreKey>(decoder, "manifest linked core"));
      manifest.linked.push_back(key);
    }
  }
  if ((flags & kFlagUserData) != 0) {
    HNX_ASSIGN_OR_RETURN(const ByteView user_data, decoder.Buffer("manifest user data"));
    manifest.user_data = ToBytes(user_data);
  }
  return {};
}

}  // namespace

Manifest Manifest::SingleSigner(const PublicKey& public_key, const Namespace& signer_namespace) {
  Manifest manifest;
  manifest.quorum = 1;
  manifest.signers.push_back({signer_namespace, public_key});
  return manifest;
}

Manifest Manifest::SingleSigner(const PublicKey& public_key) {
  return SingleSigner(public_key, DefaultSignerNamespace());
}

Result<Manifest> Manifest::Decode(Decoder& decoder) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t version,
                       decoder.UintUpTo(kVersionMax, "manifest version"));
  if (version == 0) {
    return DecodeVersion0(decoder);
  }
  HNX_ASSIGN_OR_RETURN(const std::uint64_t flags, decoder.Uint("manifest flags"));
  const std::uint64_t known =
      kFlagAllowPatch | kFlagPrologue | (version >= 2 ? kFlagLinked | kFlagUserData : 0);
  if ((flags & ~known) != 0) {
    return InvalidArgument("manifest flags: " + std::to_string(flags) +
                           " has a bit unknown to version " + std::to_string(version));
  }
  HNX_TRY(ExpectHashId(decoder));
  Manifest manifest;
  manifest.version = version;
  manifest.allow_patch = (flags & kFlagAllowPatch) != 0;
  HNX_ASSIGN_OR_RETURN(manifest.quorum, decoder.UintUpTo(kSignersMax, "manifest quorum"));
  HNX_ASSIGN_OR_RETURN(manifest.signers, DecodeSigners(decoder));
  HNX_TRY(DecodeOptionalParts(decoder, flags, manifest));
  return manifest;
}

Result<Manifest> Manifest::Decode(ByteView bytes) {
  Decoder decoder(bytes);
  HNX_ASSIGN_OR_RETURN(Manifest manifest, Decode(decoder));
  HNX_TRY(decoder.ExpectEnd("manifest"));
  return manifest;
}

void Manifest::EncodeTo(Encoder& encoder) const {
  HNX_CHECK(version >= 2 || (linked.empty() && !user_data));
  encoder.Uint(version);
  if (version == 0) {
    EncodeVersion0(*this, encoder);
    return;
  }
  encoder.Uint((allow_patch ? kFlagAllowPatch : 0) | (prologue ? kFlagPrologue : 0) |
               (linked.empty() ? 0 : kFlagLinked) | (user_data ? kFlagUserData : 0));
  encoder.Uint(kHashBlake2b);
  encoder.Uint(quorum);
  EncodeSigners(signers, encoder);
  if (prologue) {
    encoder.Raw(prologue->tree_hash.view());
    encoder.Uint(prologue->length);
  }
  if (!linked.empty()) {
    encoder.Uint(linked.size());
    for (const CoreKey& key : linked) {
      encoder.Raw(key.view());
    }
  }
  if (user_data) {
    encoder.Buffer(*user_data);
  }
}

Bytes Manifest::Encode() const {
  Encoder encoder;
  EncodeTo(encoder);
  return std::move(encoder).Take();
}

}  // namespace hnx::hyper
