#include "nix/store_path.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "inputs.h"

namespace hnx::nix {
namespace {

using testing::ReasonWord;

const std::string kHashPart = "s8w40vlx2imvpxnvdradyl4kbkiissbq";

TEST(StorePathTest, TakesAPathApartAndTogether) {
  const auto path = StorePath::Parse("/nix/store/" + kHashPart + "-hello-2.12.1");
  ASSERT_TRUE(path.has_value());
  EXPECT_EQ(path->hash_part(), kHashPart);
  EXPECT_EQ(path->hash().text(), kHashPart);
  EXPECT_EQ(path->name(), "hello-2.12.1");
  EXPECT_EQ(path->base_name(), kHashPart + "-hello-2.12.1");
  EXPECT_EQ(path->ToString(), "/nix/store/" + kHashPart + "-hello-2.12.1");
}

TEST(StorePathTest, TakesEveryCharacterThatNamesMayHave) {
  for (const std::string name :
       {"a", "0-9A-Za-z+._?=-", ".gitignore", "...", "..a", "a..", "-", "--", ".a-b"}) {
    EXPECT_TRUE(StorePath::ParseBaseName(kHashPart + "-" + name).has_value()) << name;
  }
  EXPECT_TRUE(StorePath::ParseBaseName(kHashPart + "-" + std::string(211, 'n')).has_value());
}

TEST(StorePathTest, RefusesNamesThatWalkOrAreTooLong) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string(".-a"), std::string("..-x"),
        std::string(212, 'n'), std::string("a b"), std::string("a/b"), std::string("a\n"),
        std::string("\xc3\xa9"), std::string("a\0b", 3), std::string("a%b"), std::string("~")}) {
    EXPECT_EQ(ReasonWord(StorePath::ParseBaseName(kHashPart + "-" + name)), "store-path-invalid")
        << name;
  }
}

TEST(StorePathTest, RefusesABadHashPart) {
  for (const std::string& hash :
       {std::string(), std::string(31, '0'), std::string(33, '0'), "e" + std::string(31, '0'),
        "A" + std::string(31, '0'), std::string(31, '0') + "-"}) {
    EXPECT_FALSE(StorePath::ParseBaseName(hash + "-a").has_value()) << hash;
    EXPECT_FALSE(StorePathHash::Parse(hash).has_value()) << hash;
  }
  EXPECT_FALSE(StorePath::ParseBaseName(kHashPart).has_value());
  EXPECT_FALSE(StorePath::ParseBaseName(kHashPart + "_a").has_value());
}

TEST(StorePathTest, DoesNotCanonicalisePaths) {
  for (const std::string& prefix :
       {std::string(), std::string("nix/store/"), std::string("/nix/store"),
        std::string("/nix/store//"), std::string("/nix/./store/"), std::string("/gnu/store/"),
        std::string(" /nix/store/")}) {
    EXPECT_FALSE(StorePath::Parse(prefix + kHashPart + "-a").has_value()) << prefix;
  }
  for (const std::string& suffix :
       {std::string("/"), std::string("/bin"), std::string("/.."), std::string("/../x")}) {
    EXPECT_FALSE(StorePath::Parse("/nix/store/" + kHashPart + "-a" + suffix).has_value()) << suffix;
  }
  EXPECT_FALSE(StorePath::Parse("/nix/store/../store/" + kHashPart + "-a").has_value());
}

TEST(StorePathTest, OrdersBytewiseByBaseName) {
  EXPECT_LT(testing::PathOf('1', "b"), testing::PathOf('2', "a"));
  EXPECT_LT(testing::PathOf('1', "B"), testing::PathOf('1', "a"));
}

}  // namespace
}  // namespace hnx::nix
