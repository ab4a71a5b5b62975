#include "nix/signature.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include <gtest/gtest.h>

#include "base/hex.h"
#include "inputs.h"
#include "nix/base64.h"
#include "nix/hash.h"

namespace hnx::nix {
namespace {

using testing::MakeKey;
using testing::ReasonWord;

std::string Base64Of(std::size_t size) {
  return EncodeBase64(Bytes(size, std::byte{7}));
}

TEST(SignatureTest, VerifiesWhatItsKeySigned) {
  const SecretKey key = MakeKey("cache.example.org-1");
  const Signature signature = key.Sign("message");
  EXPECT_TRUE(key.public_key().Verify("message", signature));
  EXPECT_FALSE(key.public_key().Verify("massage", signature));
  EXPECT_FALSE(MakeKey("cache.example.org-1", 2).public_key().Verify("message", signature));
}

TEST(SignatureTest, ReadsWhatItWrites) {
  const SecretKey key = MakeKey("cache.example.org-1");
  const Signature signature = key.Sign("message");
  EXPECT_EQ(Signature::Parse(signature.ToString()).value(), signature);
  EXPECT_EQ(PublicKey::Parse(key.public_key().ToString()).value(), key.public_key());
  const auto read = SecretKey::Parse(key.ToSecretText());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->Sign("message"), signature);
}

TEST(SignatureTest, GeneratesADifferentKeyEachTime) {
  const auto one = SecretKey::Generate("k");
  const auto two = SecretKey::Generate("k");
  ASSERT_TRUE(one.has_value() && two.has_value());
  EXPECT_FALSE(one->public_key() == two->public_key());
  EXPECT_TRUE(one->public_key().Verify("m", one->Sign("m")));
}

// RFC 8032, section 7.1, test 1.
TEST(SignatureTest, AgreesWithTheStandard) {
  const auto seed =
      Hash::Parse("sha256:9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  ASSERT_TRUE(seed.has_value());
  const auto key = SecretKey::FromSeed("rfc", seed->bytes());
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(EncodeBase64(key->public_key().bytes()),
            "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
  EXPECT_EQ(
      EncodeHex(key->Sign("").bytes()),
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
      "f9b46bd25bf5f0595bbe24655141438e7a100b");
}

TEST(SignatureTest, SecretKeyMovesAndIsNeverCopied) {
  static_assert(!std::is_copy_constructible_v<SecretKey>);
  static_assert(!std::is_copy_assignable_v<SecretKey>);
  SecretKey key = MakeKey("k");
  const Signature before = key.Sign("m");
  const SecretKey moved = std::move(key);
  EXPECT_EQ(moved.Sign("m"), before);
}

TEST(SignatureTest, BadInputS06_MalformedSignatures) {
  const std::string good = MakeKey("k").Sign("m").ToString();
  for (const std::string& text :
       {std::string(), std::string("k"), std::string(":"), std::string("k:"), std::string("k:!!!!"),
        std::string("k:AAAA"), ":" + Base64Of(64), "a b:" + Base64Of(64), good + " ",
        std::string(300, 'k') + ":" + Base64Of(64)}) {
    EXPECT_EQ(ReasonWord(Signature::Parse(text)), "signature-malformed") << text;
  }
}

TEST(SignatureTest, BadInputS07_WrongLengths) {
  EXPECT_FALSE(Signature::Parse("k:" + Base64Of(63)).has_value());
  EXPECT_FALSE(Signature::Parse("k:" + Base64Of(65)).has_value());
  EXPECT_TRUE(Signature::Parse("k:" + Base64Of(64)).has_value());
}

// S + L is as good as S for a careless verifier.
TEST(SignatureTest, BadInputS07_MalleableSignature) {
  const std::array<unsigned char, 32> order = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
                                               0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                               0,    0,    0,    0,    0,    0,    0,    0,
                                               0,    0,    0,    0,    0,    0,    0,    0x10};
  const SecretKey key = MakeKey("k");
  Bytes bytes = ToBytes(key.Sign("m").bytes());
  unsigned carry = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const unsigned sum = std::to_integer<unsigned>(bytes[32 + i]) + order[i] + carry;
    bytes[32 + i] = static_cast<std::byte>(sum & 0xffU);
    carry = sum >> 8U;
  }
  const auto malleable = Signature::Parse("k:" + EncodeBase64(bytes));
  ASSERT_TRUE(malleable.has_value());
  EXPECT_FALSE(key.public_key().Verify("m", *malleable));
}

TEST(SignatureTest, BadInputS07_SmallOrderKeyAndR) {
  Bytes identity(32);
  identity[0] = std::byte{1};
  for (const Bytes& point : {Bytes(32), identity, Bytes(32, std::byte{0xff})}) {
    EXPECT_EQ(ReasonWord(PublicKey::Parse("k:" + EncodeBase64(point))), "key-invalid");
  }
  Bytes bytes(64);
  bytes[0] = std::byte{1};  // R = the identity, S = 0
  const auto signature = Signature::Parse("k:" + EncodeBase64(bytes));
  ASSERT_TRUE(signature.has_value());
  EXPECT_FALSE(MakeKey("k").public_key().Verify("m", *signature));
}

TEST(SignatureTest, BadInputS08_OtherBase64) {
  const std::string good = MakeKey("k").Sign("m").ToString();
  std::string no_padding = good;
  no_padding.resize(good.find('='));
  std::string blank = good;
  blank.insert(10, " ");
  std::string url_safe = "k:" + EncodeBase64(Bytes(64, std::byte{0xff}));
  std::replace(url_safe.begin(), url_safe.end(), '/', '_');
  for (const std::string& text : {no_padding, blank, url_safe}) {
    EXPECT_EQ(ReasonWord(Signature::Parse(text)), "signature-malformed") << text;
  }
}

TEST(SignatureTest, BadInputS09_BadKeys) {
  for (const std::string& text :
       {std::string(), std::string("k"), Base64Of(32), ":" + Base64Of(32), "k:" + Base64Of(31),
        "k:" + Base64Of(33), "a b:" + Base64Of(32), "k:" + Base64Of(32) + "\n"}) {
    EXPECT_EQ(ReasonWord(PublicKey::Parse(text)), "key-invalid") << text;
    EXPECT_EQ(ReasonWord(SecretKey::Parse(text)), "key-invalid") << text;
  }
}

TEST(SignatureTest, BadInputS09_SecretKeyGivenAsPublicIsNotRepeatedInTheMessage) {
  const SecretKey key = MakeKey("k");
  const auto parsed = PublicKey::Parse(key.ToSecretText());
  ASSERT_FALSE(parsed.has_value());
  EXPECT_NE(parsed.error().message.find("secret key"), std::string::npos);
  EXPECT_EQ(parsed.error().message.find(key.ToSecretText().substr(2, 20)), std::string::npos);
}

}  // namespace
}  // namespace hnx::nix
