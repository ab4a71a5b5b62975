// The coordinator's writers and everybody's readers of links and mirror.json must agree.
#include "mirror/format/publish_format.h"

#include <gtest/gtest.h>

#include "mirror/drive_link.h"
#include "mirror/mirror_json.h"

namespace hnx::mirror {
namespace {

hyper::DriveKey Key(int seed) {
  std::array<std::byte, hyper::DriveKey::kBytes> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(static_cast<std::size_t>(seed) * 37U + i * 11U);
  }
  return hyper::DriveKey(bytes);
}

TEST(PublishFormatTest, LinksAreReadBack) {
  for (int seed = 0; seed < 8; ++seed) {
    const hyper::DriveKey key = Key(seed);
    EXPECT_EQ(DriveIdOf(key.bytes()), key.id());
    const std::string linkname = LinknameOf(DriveIdOf(key.bytes()), "a.nar.xz");
    EXPECT_EQ(linkname, DriveLink::Make(key, "a.nar.xz"));
    EXPECT_TRUE(DriveLink::Parse("/nar/a.nar.xz", linkname).has_value());
  }
}

TEST(PublishFormatTest, MirrorJsonIsTheReadersOwn) {
  MirrorJson mirror;
  mirror.upstream = "https://cache.nixos.org";
  mirror.public_keys = {"a-1:xyz="};
  mirror.shards = {{Key(1), Key(2), 3, 4}, {Key(5), Key(6), 7, 8}};
  std::vector<PublishedShard> shards;
  for (const MirrorShard& shard : mirror.shards) {
    shards.push_back({.key = ToBytes(shard.key.bytes()),
                      .content_key = ToBytes(shard.content_key.bytes()),
                      .length = shard.length,
                      .bytes = shard.bytes});
  }
  const std::vector<std::string> one{mirror.upstream};
  EXPECT_EQ(MirrorJsonText(one, mirror.public_keys, shards), mirror.Serialize());
  mirror.predecessor = Key(9);
  EXPECT_EQ(MirrorJsonText(one, mirror.public_keys, shards, Key(9).bytes()), mirror.Serialize());
}

TEST(PublishFormatTest, SeveralUpstreamsStandBesideTheOneThatOlderReadersKnow) {
  MirrorJson mirror;
  mirror.upstream = "https://cache.nixos.org";
  mirror.upstreams = {"https://cache.nixos.org", "https://cache.example.org"};
  const std::string text = MirrorJsonText(mirror.upstreams, {}, {});
  EXPECT_EQ(text, mirror.Serialize());
  EXPECT_NE(text.find("\"upstream\": \"https://cache.nixos.org\""), std::string::npos) << text;
  EXPECT_EQ(MirrorJson::Parse(text).value(), mirror);
}

}  // namespace
}  // namespace hnx::mirror
