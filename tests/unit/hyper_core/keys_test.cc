// Known values: what hypercore 10 and 11 make of the primary key of 32 times 0x07.
#include "hyper/core/keys.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "hyper/core/tree_signature.h"
#include "tests/unit/hyper_core/core_fixture.h"

namespace hnx::hyper {
namespace {

constexpr std::string_view kPublicKey =
    "275200b4a49e03c73debcb13866dc150d86461ee1289d9381ed60b454bda8313";
constexpr std::string_view kDbManifest =
    "0100000101004144eea531e483d54e0c14f4ca68e0644f355343ff6fcb0f005200e12cd747cb"
    "275200b4a49e03c73debcb13866dc150d86461ee1289d9381ed60b454bda8313";
constexpr std::string_view kDbKey =
    "9d56810a89a0211db2a242b81ce8eac5265ac648769910177524c82908ab866d";
constexpr std::string_view kDbDiscoveryKey =
    "2cad275d1165e91ee87db9943190d3d130d0d9f821c7b70d552cac2a2358f451";
constexpr std::string_view kBlobsManifest =
    "010000010100bdc0b80f586fda0e8265be1a70bd112237991186b4abd1148c25daf708143671"
    "275200b4a49e03c73debcb13866dc150d86461ee1289d9381ed60b454bda8313";
constexpr std::string_view kBlobsKey =
    "afa4ae98a0b1ef96fcf567c133623fc1c938c811b696daa75b749e48968e1178";
constexpr std::string_view kBlobsSignatureAtLength3 =
    "01007e556118e41b0a0e2e822fadbd001a31176a2453b6dda85ee208d14354b24459d21b4e51a593e4e390e4a33dd3"
    "4994569d78904846b55c200bf1cada46aafc0a0000";
constexpr std::string_view kTreeHashAtLength3 =
    "34673bdd1c928d880f1b1c748f03a83e7a39aceb19f9349c6e53d953589aef8c";

Manifest BlobsManifest() {
  return Manifest::Decode(DecodeHex(kBlobsManifest).value()).value();
}

TEST(KeysTest, DerivesTheKeyPairOfANamedCore) {
  const KeyPair pair = DeriveKeyPair(SevenKey(), kRootStoreNamespace, "db");
  EXPECT_EQ(pair.public_key.ToHex(), kPublicKey);
}

TEST(KeysTest, DerivesOtherKeysInAChildNamespace) {
  const KeyPair pair =
      DeriveKeyPair(SevenKey(), ChildStoreNamespace(kRootStoreNamespace, "child"), "db");
  EXPECT_NE(pair.public_key.ToHex(), kPublicKey);
}

TEST(KeysTest, NamesACoreByItsManifest) {
  const Manifest manifest = Manifest::SingleSigner(SevenCore().key_pair.public_key);
  EXPECT_EQ(EncodeHex(manifest.Encode()), kDbManifest);
  EXPECT_EQ(CoreKeyOf(manifest).ToHex(), kDbKey);
  EXPECT_EQ(DiscoveryKeyOf(CoreKeyOf(manifest)).ToHex(), kDbDiscoveryKey);
  EXPECT_EQ(CoreKeyOf(BlobsManifest()).ToHex(), kBlobsKey);
}

TEST(KeysTest, ReadsAKeyInBothSpellings) {
  const CoreKey key = CoreKey::FromHex(kDbKey, "key").value();
  EXPECT_EQ(ParseCoreKey(kDbKey).value(), key);
  EXPECT_EQ(ParseCoreKey(CoreKeyId(key)).value(), key);
  EXPECT_FALSE(ParseCoreKey("").has_value());
  EXPECT_FALSE(ParseCoreKey(kDbKey.substr(1)).has_value());
  EXPECT_FALSE(ParseCoreKey(CoreKeyId(key) + "yyyyyyyy").has_value());
}

TEST(ManifestTest, ReadsBackEveryShape) {
  std::vector<Manifest> manifests = {BlobsManifest()};
  Manifest many = BlobsManifest();
  many.signers.push_back(many.signers[0]);
  many.quorum = 2;
  many.allow_patch = true;
  many.prologue = ManifestPrologue{Hash{}, 17};
  manifests.push_back(many);
  many.version = 0;
  many.prologue.reset();
  manifests.push_back(many);
  Manifest linked = BlobsManifest();
  linked.version = 2;
  linked.linked = {CoreKey{}, CoreKeyOf(linked)};
  linked.user_data = Bytes(3);
  manifests.push_back(linked);
  Manifest fixed;
  fixed.version = 0;
  fixed.prologue = ManifestPrologue{Hash{}, 0};
  manifests.push_back(fixed);
  for (const Manifest& manifest : manifests) {
    const Bytes encoded = manifest.Encode();
    EXPECT_EQ(Manifest::Decode(encoded).value(), manifest);
    for (std::size_t size = 0; size < encoded.size(); ++size) {
      EXPECT_FALSE(Manifest::Decode(ByteView(encoded).first(size)).has_value()) << size;
    }
  }
}

TEST(ManifestTest, RefusesWhatItDoesNotKnow) {
  const auto decode_with = [](std::size_t at, std::uint8_t value) {
    Bytes bytes = DecodeHex(kDbManifest).value();
    bytes[at] = std::byte{value};
    return Manifest::Decode(bytes);
  };
  EXPECT_FALSE(decode_with(0, 4).has_value());  // version
  EXPECT_FALSE(decode_with(1, 4).has_value());  // linked, which version 1 does not have
  EXPECT_FALSE(decode_with(2, 1).has_value());  // hash
  EXPECT_FALSE(decode_with(4, 2).has_value());  // more signers than there are
  EXPECT_FALSE(decode_with(5, 1).has_value());  // signature
  Bytes longer = DecodeHex(kDbManifest).value();
  longer.push_back(std::byte{0});
  EXPECT_FALSE(Manifest::Decode(longer).has_value());
}

CoreHead HeadAtLength3() {
  return {3, 0, 11, Hash::FromHex(kTreeHashAtLength3, "tree hash").value(),
          DecodeHex(kBlobsSignatureAtLength3).value()};
}

TEST(TreeSignatureTest, SignsAsHypercoreDoes) {
  const CoreIdentity blobs{CoreKeyOf(BlobsManifest()), BlobsManifest()};
  const NewCore seven = SevenCore();
  const Result<Bytes> signature =
      SignTree(blobs, seven.key_pair.public_key, seven.key_pair.secret_key, HeadAtLength3());
  EXPECT_EQ(EncodeHex(signature.value()), kBlobsSignatureAtLength3);
}

TEST(TreeSignatureTest, HoldsForNothingButWhatWasSigned) {
  const CoreIdentity blobs{CoreKeyOf(BlobsManifest()), BlobsManifest()};
  EXPECT_TRUE(VerifyTree(blobs, HeadAtLength3()).has_value());
  CoreHead head = HeadAtLength3();
  head.length = 4;
  EXPECT_EQ(CodeOf(VerifyTree(blobs, head)), ErrorCode::kDataLoss);
  head = HeadAtLength3();
  head.fork = 1;
  EXPECT_EQ(CodeOf(VerifyTree(blobs, head)), ErrorCode::kDataLoss);
  head = HeadAtLength3();
  head.tree_hash.bytes[0] ^= std::byte{1};
  EXPECT_EQ(CodeOf(VerifyTree(blobs, head)), ErrorCode::kDataLoss);
  // The db core has the same key pair; a signature for one core is none for the other.
  const Manifest db = SevenCore().manifest;
  EXPECT_EQ(CodeOf(VerifyTree({CoreKeyOf(db), db}, HeadAtLength3())), ErrorCode::kDataLoss);
}

TEST(TreeSignatureTest, RefusesASignatureOfTheWrongShape) {
  const CoreIdentity blobs{CoreKeyOf(BlobsManifest()), BlobsManifest()};
  for (std::size_t size = 0; size < 68; ++size) {
    CoreHead head = HeadAtLength3();
    head.signature.resize(size);
    EXPECT_EQ(CodeOf(VerifyTree(blobs, head)), ErrorCode::kDataLoss) << size;
  }
}

TEST(TreeSignatureTest, KnowsOldCoresWhoseKeyIsTheirPublicKey) {
  const NewCore seven = SevenCore();
  const CoreIdentity compat{CoreKey{seven.key_pair.public_key.bytes}, seven.manifest};
  ASSERT_TRUE(compat.compat());
  CoreHead head = HeadAtLength3();
  head.signature =
      SignTree(compat, seven.key_pair.public_key, seven.key_pair.secret_key, head).value();
  EXPECT_EQ(head.signature.size(), 64U);
  EXPECT_TRUE(VerifyTree(compat, head).has_value());
}

TEST(TreeSignatureTest, TellsAManifestThatTheKeyDoesNotName) {
  EXPECT_FALSE(
      (CoreIdentity{CoreKeyOf(BlobsManifest()), SevenCore().manifest}.Check().has_value()));
}

}  // namespace
}  // namespace hnx::hyper
