#include "nix/hash.h"

#include <gtest/gtest.h>

#include "nix/base64.h"

namespace hnx::nix {
namespace {

// The digest of the empty string in each spelling.
constexpr std::string_view kHex =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::string_view kUpperHex =
    "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";
constexpr std::string_view kNix32 = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
constexpr std::string_view kBase64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

std::string With(std::string_view prefix, std::string_view digits) {
  return std::string(prefix).append(digits);
}

TEST(HashTest, ParsesEverySpellingToTheSameValue) {
  const Hash expected = Hash::FromSha256(Sha256::Of({}));
  for (const std::string& text :
       {With("sha256:", kHex), With("sha256:", kUpperHex), With("sha256:", kNix32),
        With("sha256:", kBase64), With("sha256-", kBase64)}) {
    const auto hash = Hash::Parse(text);
    ASSERT_TRUE(hash.has_value()) << text << ": " << hash.error().message;
    EXPECT_EQ(*hash, expected) << text;
  }
  EXPECT_EQ(expected.ToNix32(), With("sha256:", kNix32));
  EXPECT_EQ(expected.ToHex(), kHex);
}

TEST(HashTest, RefusesWhatIsNoWholeDigest) {
  for (const std::string& text :
       {std::string(), std::string("sha256:"), std::string(kHex), With("sha257:", kHex),
        With("SHA256:", kHex), With("sha256:", kHex.substr(1)), With("sha256:", kNix32.substr(1)),
        With("sha1:", kHex), With("sha256-", kHex), With("sha256-", kNix32),
        With("sha256:z", kNix32.substr(1)), With("sha256: ", kHex)}) {
    EXPECT_FALSE(Hash::Parse(text).has_value()) << text;
  }
}

TEST(HashTest, KnowsTheOtherAlgorithms) {
  const auto digest = [](HashAlgorithm algorithm) { return Hasher(algorithm).Finish().ToHex(); };
  EXPECT_EQ(digest(HashAlgorithm::kMd5), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(digest(HashAlgorithm::kSha1), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(digest(HashAlgorithm::kSha512).substr(0, 16), "cf83e1357eefb8bd");
}

TEST(HashTest, HashesInPiecesAsInOne) {
  Sha256 pieces;
  pieces.Update(AsBytes("ab"));
  pieces.Update({});
  pieces.Update(AsBytes("c"));
  EXPECT_EQ(Hash::FromSha256(pieces.Finish()).ToHex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(HashTest, DoesNotTakeOneAlgorithmForAnother) {
  const Hash md5 = Hasher(HashAlgorithm::kMd5).Finish();
  const Hash sha1 = Hasher(HashAlgorithm::kSha1).Finish();
  EXPECT_FALSE(md5 == sha1);
}

TEST(Base64Test, HasOneSpellingForEachValue) {
  EXPECT_EQ(EncodeBase64({}), "");
  EXPECT_EQ(EncodeBase64(AsBytes("f")), "Zg==");
  EXPECT_EQ(EncodeBase64(AsBytes("fo")), "Zm8=");
  EXPECT_EQ(EncodeBase64(AsBytes("foobar")), "Zm9vYmFy");
  EXPECT_EQ(ToString(DecodeBase64("Zm8=").value()), "fo");
  for (const std::string_view text : {"Zg=", "Zg", "Zh==", "Zg==\n", " Zg==", "Z g=", "Zg--",
                                      "Zg__", "====", "Z===", "Zg==Zg==", "=Zg="}) {
    EXPECT_FALSE(DecodeBase64(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace hnx::nix
