#include "nix/cache_info.h"

#include <gtest/gtest.h>

#include "inputs.h"

namespace hnx::nix {
namespace {

TEST(CacheInfoTest, ReadsUpstreams) {
  const auto info = CacheInfo::Parse("StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n");
  ASSERT_TRUE(info.has_value());
  EXPECT_TRUE(info->want_mass_query);
  EXPECT_EQ(info->priority, 40);
}

TEST(CacheInfoTest, ReadsItsOwn) {
  const CacheInfo own{.want_mass_query = true, .priority = 30};
  EXPECT_EQ(own.Render(), "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n");
  const auto info = CacheInfo::Parse(own.Render());
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->priority, 30);
}

TEST(CacheInfoTest, TakesAbsentFieldsAndUnknownOnes) {
  const auto info = CacheInfo::Parse("StoreDir: /nix/store\nNew: thing\njunk");
  ASSERT_TRUE(info.has_value());
  EXPECT_FALSE(info->want_mass_query);
  EXPECT_EQ(info->priority, std::nullopt);
}

TEST(CacheInfoTest, BadInputH26_RefusesWhatIsNoCacheOfThisStore) {
  for (const std::string& text :
       {std::string(), std::string("404"), std::string("<html>\n<a href=\"x:y\">\n"),
        std::string("StoreDir: /gnu/store\n"), std::string("StoreDir: /nix/store/\n"),
        std::string("StoreDir: /nix/store\nStoreDir: /gnu/store\n"),
        std::string("StoreDir: /nix/store\nPriority: abc\n"),
        std::string("StoreDir: /nix/store\nPriority: \n"),
        std::string("StoreDir: /nix/store\nPriority: 4x\n"),
        std::string("StoreDir: /nix/store\nPriority: -1\n"),
        std::string("StoreDir: /nix/store\nPriority: 99999999999\n"),
        "StoreDir: /nix/store\n" + std::string(kCacheInfoSizeMax, 'x')}) {
    EXPECT_EQ(testing::ReasonWord(CacheInfo::Parse(text)), "cache-info-invalid")
        << text.substr(0, 60);
  }
}

}  // namespace
}  // namespace hnx::nix
