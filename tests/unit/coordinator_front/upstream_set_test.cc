#include "coordinator/upstream/upstream_set.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "nix/signature.h"

namespace hnx::coordinator {
namespace {

std::string Key(const std::string& name, int seed) {
  const auto key = nix::SecretKey::FromSeed(name, Bytes(32, static_cast<std::byte>(seed)));
  EXPECT_TRUE(key.has_value());
  return key->public_key().ToString();
}

class UpstreamSetTest : public ::testing::Test {
 protected:
  Result<UpstreamSet> Parse(const std::vector<std::string>& upstreams) {
    return UpstreamSet::Parse(upstreams, for_all_);
  }
  std::string Refusal(const std::vector<std::string>& upstreams) {
    const auto set = Parse(upstreams);
    return set.has_value() ? "" : set.error().message;
  }
  std::vector<std::string> Urls(const std::vector<std::string>& upstreams) {
    const auto set = Parse(upstreams);
    EXPECT_TRUE(set.has_value()) << set.error().message;
    return set.has_value() ? set->urls() : std::vector<std::string>();
  }

  const std::string a_ = Key("a.example.org-1", 1);
  const std::string b_ = Key("b.example.org-1", 2);
  const std::vector<std::string> for_all_{std::string(nix::kNixosCacheKey)};
};

TEST_F(UpstreamSetTest, TheFirstIsPreferredWhenNothingElseIsSaid) {
  EXPECT_EQ(Urls({"https://b.example.org/", "https://a.example.org//"}),
            (std::vector<std::string>{"https://b.example.org", "https://a.example.org"}));
}

TEST_F(UpstreamSetTest, LowerPrioritiesAreAskedFirstAndEqualOnesAsGiven) {
  EXPECT_EQ(Urls({"https://c?priority=40", "https://a?priority=30", "https://b?priority=40"}),
            (std::vector<std::string>{"https://a", "https://c", "https://b"}));
}

TEST_F(UpstreamSetTest, EachBelievesItsOwnKeysAndThoseOfAll) {
  const auto set =
      Parse({"https://a?trusted-public-keys=" + a_,
             "https://b?trusted-public-keys=" + b_ + "&trusted-public-keys=" + Key("b-2", 3)});
  ASSERT_TRUE(set.has_value()) << set.error().message;
  const auto& first = set->upstreams()[0].keys;
  EXPECT_NE(first.Find("a.example.org-1"), nullptr);
  EXPECT_NE(first.Find("cache.nixos.org-1"), nullptr);
  EXPECT_EQ(first.Find("b.example.org-1"), nullptr);
  EXPECT_EQ(set->upstreams()[1].keys.size(), 3U);
  EXPECT_EQ(set->upstreams()[1].own_keys, (std::vector<std::string>{b_, Key("b-2", 3)}));
  EXPECT_EQ(set->all_public_keys(), (std::vector<std::string>{for_all_[0], a_, b_, Key("b-2", 3)}));
  EXPECT_EQ(set->all_keys().size(), 4U);
}

TEST_F(UpstreamSetTest, SeveralKeysAreSeparatedByBlanksAsInNixConf) {
  const auto set = Parse({"https://a?trusted-public-keys=" + a_ + "%20" + b_ + "&priority=1"});
  ASSERT_TRUE(set.has_value()) << set.error().message;
  EXPECT_EQ(set->upstreams()[0].own_keys, (std::vector<std::string>{a_, b_}));
}

TEST_F(UpstreamSetTest, OneKeyAtTwoUpstreamsIsOneKey) {
  const auto set =
      Parse({"https://a?trusted-public-keys=" + a_, "https://b?trusted-public-keys=" + a_});
  ASSERT_TRUE(set.has_value()) << set.error().message;
  EXPECT_EQ(set->all_public_keys().size(), 2U);
}

TEST_F(UpstreamSetTest, OneNameForTwoKeysIsRefusedThoughTheyAreOfDifferentUpstreams) {
  EXPECT_NE(Refusal({"https://a?trusted-public-keys=" + Key("k-1", 1),
                     "https://b?trusted-public-keys=" + Key("k-1", 2)})
                .find("one key a name"),
            std::string::npos);
}

TEST_F(UpstreamSetTest, AFolderMayBeAnUpstream) {
  EXPECT_EQ(Urls({"file:///srv/cache/"}), std::vector<std::string>{"file:///srv/cache"});
}

TEST_F(UpstreamSetTest, SaysWhatIsWrong) {
  EXPECT_NE(Refusal({}).find("1 to 16"), std::string::npos);
  EXPECT_NE(Refusal(std::vector<std::string>(17, "https://a")).find("1 to 16"), std::string::npos);
  EXPECT_NE(Refusal({"https://a", "https://a/"}).find("given twice"), std::string::npos);
  EXPECT_NE(Refusal({"https://a?prio=3"}).find("'prio' is no parameter"), std::string::npos);
  EXPECT_NE(Refusal({"https://a?priority=-1"}).find("no number"), std::string::npos);
  EXPECT_NE(Refusal({"https://a?priority=x"}).find("no number"), std::string::npos);
  EXPECT_NE(Refusal({"https://a?priority=1&priority=2"}).find("twice"), std::string::npos);
  EXPECT_NE(Refusal({"https://a?priority=1", "https://b"}).find("or to none"), std::string::npos);
  EXPECT_NE(Refusal({"https://a?trusted-public-keys="}).find("names no key"), std::string::npos);
  EXPECT_NE(Refusal({"https://a?trusted-public-keys=x"}).find("https://a"), std::string::npos);
  EXPECT_NE(Refusal({"https://a?trusted-public-keys=%zz"}).find("hexadecimal"), std::string::npos);
  EXPECT_FALSE(Refusal({"ftp://a"}).empty());
  EXPECT_FALSE(Refusal({"cache.nixos.org"}).empty());
  EXPECT_FALSE(Refusal({"https://me:secret@a"}).empty());
  EXPECT_FALSE(Refusal({""}).empty());
}

}  // namespace
}  // namespace hnx::coordinator
