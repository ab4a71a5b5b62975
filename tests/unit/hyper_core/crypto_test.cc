#include "hyper/core/crypto.h"

#include <type_traits>

#include <gtest/gtest.h>

#include "hyper/core/blake2b.h"

namespace hnx::hyper {
namespace {

Bytes Pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(i * 131 + i / 251);
  }
  return bytes;
}

Hash OwnHash(ByteView bytes) {
  Blake2b256 hasher;
  hasher.Update(bytes);
  return Hash{hasher.Finish()};
}

TEST(Blake2b256Test, AgreesWithLibsodiumOnEveryLengthAroundItsBlock) {
  for (std::size_t size = 0; size <= 700; ++size) {
    const Bytes bytes = Pattern(size);
    ASSERT_EQ(OwnHash(bytes), HashOf({bytes})) << size;
  }
  const Bytes large = Pattern((std::size_t{1} << 20) + 13);
  EXPECT_EQ(OwnHash(large), HashOf({large}));
}

TEST(Blake2b256Test, DoesNotDependOnHowTheBytesArePortioned) {
  const Bytes bytes = Pattern(1000);
  for (const std::size_t portion : {1U, 7U, 64U, 127U, 128U, 129U, 256U, 999U}) {
    Blake2b256 hasher;
    for (std::size_t at = 0; at < bytes.size(); at += portion) {
      hasher.Update(ByteView(bytes).subspan(at, std::min(portion, bytes.size() - at)));
    }
    EXPECT_EQ(Hash{hasher.Finish()}, HashOf({bytes})) << portion;
  }
}

TEST(CryptoTest, DerivesTheNamespacesOfHypercore) {
  EXPECT_EQ(NamespaceOf("hypercore", 0).ToHex(),
            "9fac70b50ca14efc4e91c833b204e75b8b5aad8b5881bfc0adb5ef38a3275b9c");
  EXPECT_EQ(NamespaceOf("hypercore", 4).ToHex(),
            "4144eea531e483d54e0c14f4ca68e0644f355343ff6fcb0f005200e12cd747cb");
  EXPECT_EQ(NamespaceOf("corestore", 0).ToHex(),
            "ac5c4cbfb1064776404637a280c71fac823281d351ebeced03151743270def29");
}

TEST(CryptoTest, VerifiesItsOwnSignaturesAndNoOthers) {
  const KeyPair pair = KeyPair::Generate();
  const KeyPair other = KeyPair::Generate();
  Signature signature = Sign(AsBytes("tree"), pair.secret_key);
  EXPECT_TRUE(VerifySignature(AsBytes("tree"), signature, pair.public_key));
  EXPECT_FALSE(VerifySignature(AsBytes("bush"), signature, pair.public_key));
  EXPECT_FALSE(VerifySignature(AsBytes("tree"), signature, other.public_key));
  signature[10] ^= std::byte{1};
  EXPECT_FALSE(VerifySignature(AsBytes("tree"), signature, pair.public_key));
}

TEST(CryptoTest, TakesAStoredKeyPairOnlyIfItsHalvesBelongTogether) {
  const KeyPair pair = KeyPair::Generate();
  const KeyPair other = KeyPair::Generate();
  EXPECT_TRUE(KeyPair::FromStored(pair.public_key.view(), pair.secret_key.view()).has_value());
  EXPECT_FALSE(KeyPair::FromStored(other.public_key.view(), pair.secret_key.view()).has_value());
  EXPECT_FALSE(
      KeyPair::FromStored(pair.public_key.view(), pair.secret_key.view().first(32)).has_value());
}

TEST(SecretKeyTest, MovesButDoesNotCopyAndLeavesNothingBehind) {
  static_assert(!std::is_copy_constructible_v<SecretKey>);
  SecretKey key = KeyPair::Generate().secret_key;
  const SecretKey moved = std::move(key);
  // NOLINTNEXTLINE(bugprone-use-after-move): that it is wiped is what is tested
  EXPECT_EQ(ToBytes(key.view()), Bytes(64));
  EXPECT_NE(ToBytes(moved.view()), Bytes(64));
}

}  // namespace
}  // namespace hnx::hyper
