#include "nix/content_address.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "inputs.h"

namespace hnx::nix {
namespace {

using testing::PathOf;
using testing::ReasonWord;
using Method = ContentAddress::Method;

Hash Sha256Hash(std::string_view text) {
  return Hash::FromSha256(Sha256::Of(AsBytes(text)));
}

TEST(ContentAddressTest, ReadsWhatItWrites) {
  for (const ContentAddress& address :
       {ContentAddress(Method::kText, Sha256Hash("a")),
        ContentAddress(Method::kFlat, Sha256Hash("b")),
        ContentAddress(Method::kRecursive, Hasher(HashAlgorithm::kSha1).Finish()),
        ContentAddress(Method::kFlat, Hasher(HashAlgorithm::kSha512).Finish())}) {
    EXPECT_EQ(ContentAddress::Parse(address.ToString()).value(), address);
  }
}

// The values are what `nix-store --add`, `nix-store --add-fixed` and builtins.toFile print.
TEST(ContentAddressTest, MakesThePathsThatNixMakes) {
  const std::string nar = testing::NarOf(testing::File("hello\n"));
  const auto path = [](Method method, const Hash& hash) {
    return ContentAddress(method, hash).MakeStorePath("hello.txt", {}, false).value().ToString();
  };
  EXPECT_EQ(path(Method::kRecursive, Sha256Hash(nar)),
            "/nix/store/i9pmrzmpshapij2kin22pff6fc2adavx-hello.txt");
  EXPECT_EQ(path(Method::kFlat, Sha256Hash("hello\n")),
            "/nix/store/gy454w1cxaq731grqwylhzf4pp9r5izh-hello.txt");
  EXPECT_EQ(path(Method::kText, Sha256Hash("hello\n")),
            "/nix/store/qa1w9gdfrba6jl2r57mb3c43863gqywp-hello.txt");
  Hasher sha1(HashAlgorithm::kSha1);
  sha1.Update(AsBytes(nar));
  EXPECT_EQ(path(Method::kRecursive, sha1.Finish()),
            "/nix/store/hzq8n5jpi3g2d0xhlvqd8q1gx5c9s6i3-hello.txt");
}

TEST(ContentAddressTest, BindsNameReferencesAndSelfReference) {
  const ContentAddress address(Method::kRecursive, Sha256Hash("x"));
  const std::vector references{PathOf('2', "a")};
  const StorePath plain = address.MakeStorePath("n", {}, false).value();
  const StorePath with_reference = address.MakeStorePath("n", references, false).value();
  const StorePath with_self = address.MakeStorePath("n", references, true).value();
  EXPECT_NE(plain.hash_part(), with_reference.hash_part());
  EXPECT_NE(with_reference.hash_part(), with_self.hash_part());
  EXPECT_NE(plain.hash_part(), address.MakeStorePath("m", {}, false).value().hash_part());

  std::vector all{references[0], with_self};
  std::sort(all.begin(), all.end());
  EXPECT_TRUE(address.Check(with_self, all).has_value());
  EXPECT_EQ(ReasonWord(address.Check(with_self, references)), "content-address-mismatch");
}

TEST(ContentAddressTest, ForbidsReferencesWhereNixDoes) {
  const std::vector references{PathOf('2', "a")};
  EXPECT_FALSE(ContentAddress(Method::kFlat, Sha256Hash("x"))
                   .MakeStorePath("n", references, false)
                   .has_value());
  EXPECT_FALSE(ContentAddress(Method::kRecursive, Hasher(HashAlgorithm::kSha1).Finish())
                   .MakeStorePath("n", references, false)
                   .has_value());
  EXPECT_FALSE(
      ContentAddress(Method::kText, Sha256Hash("x")).MakeStorePath("n", {}, true).has_value());
  EXPECT_TRUE(ContentAddress(Method::kText, Sha256Hash("x"))
                  .MakeStorePath("n", references, false)
                  .has_value());
}

TEST(ContentAddressTest, RefusesANameThatIsNone) {
  EXPECT_FALSE(
      ContentAddress(Method::kFlat, Sha256Hash("x")).MakeStorePath("", {}, false).has_value());
  EXPECT_FALSE(
      ContentAddress(Method::kFlat, Sha256Hash("x")).MakeStorePath("a/b", {}, false).has_value());
}

}  // namespace
}  // namespace hnx::nix
