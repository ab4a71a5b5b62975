// What the gateway makes of a mirror's links, gaps and channels.
#include "mirror/drive_link.h"
#include "mirror_fixture.h"

namespace hnx::gateway {
namespace {

class GatewayMirrorTest : public MirrorTest {};

TEST_F(GatewayMirrorTest, APathIsThereAsSoonAsItIsPublished) {
  EXPECT_EQ(GetNarInfo(1).status, 404);
  Publish(1, "nar");
  EXPECT_EQ(GetNarInfo(1).status, 200);
  EXPECT_EQ(GetNar(1).body, "nar");
}

TEST_F(GatewayMirrorTest, ANarOfTheIndexItselfIsServedToo) {
  PutInIndex("/nar/" + NarFileName(1), "in the index");
  EXPECT_EQ(GetNar(1).body, "in the index");
}

TEST_F(GatewayMirrorTest, LinksOfAnotherFormAreAbsent) {
  Publish(1, "nar");
  const std::string file = NarFileName(2);
  for (const std::string& linkname :
       {"../../" + shard_->key().id() + "/nar/" + NarFileName(1),  // another file's name
        "../../../" + shard_->key().id() + "/nar/" + file, std::string("/etc/passwd"),
        std::string("../../../../etc/passwd"), "hyper://" + shard_->key().hex() + "/nar/" + file,
        "../../" + index_->key().id() + "/nar/" + file, "../nar/" + file, file}) {
    LinkInIndex("/nar/" + file, linkname);
    PutInIndex("/" + StoreHash(2) + ".narinfo", NarInfoText(2, file));
    EXPECT_EQ(GetNar(2).status, 404) << linkname;
    EXPECT_EQ(GetNarInfo(2).status, 404) << linkname;
  }
}

TEST_F(GatewayMirrorTest, ALinkWithoutItsFileInTheShardIsAbsent) {
  LinkInIndex("/nar/" + NarFileName(1), mirror::DriveLink::Make(shard_->key(), NarFileName(1)));
  PutInIndex("/" + StoreHash(1) + ".narinfo", NarInfoText(1, NarFileName(1)));
  EXPECT_EQ(GetNarInfo(1).Header("X-Hypercore-Reason"), "nar-not-here");
  EXPECT_EQ(GetNar(1).status, 404);
}

TEST_F(GatewayMirrorTest, AClearedNarTakesItsNarInfoAway) {
  Publish(1, std::string(200'000, 'x'));
  ASSERT_EQ(GetNarInfo(1).status, 200);
  const auto entry = shard_->Entry("/nar/" + NarFileName(1));
  ASSERT_TRUE(entry && *entry && (*entry)->blob);
  ASSERT_TRUE(shard_->Clear(*(*entry)->blob));
  Refresh();
  EXPECT_EQ(GetNar(1).Header("X-Hypercore-Reason"), "bytes-gone");
  EXPECT_EQ(GetNarInfo(1).Header("X-Hypercore-Reason"), "nar-not-here");
}

TEST_F(GatewayMirrorTest, ANarBeingSentIsNotCleared) {
  Publish(1, std::string(20'000'000, 'x'));
  const auto entry = shard_->Entry("/nar/" + NarFileName(1));
  ASSERT_TRUE(entry && *entry && (*entry)->blob);
  auto client = std::make_unique<RawClient>(server_->port());
  client->Send(Request("/nar/" + NarFileName(1)));
  ASSERT_FALSE(client->ReceiveSome(1).empty());  // its sending has begun, and is far from its end
  RawClient other(server_->port());
  const auto refused = shard_->Clear(*(*entry)->blob);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(client->Receive().body, std::string(20'000'000, 'x'));
  while (server_->requests_in_flight() > 0) {
    ASSERT_EQ(other.Ask(Request("/healthz")).status, 200);
    if (server_->requests_in_flight() <= 1) {
      break;
    }
  }
  client.reset();
  EXPECT_TRUE(shard_->Clear(*(*entry)->blob));
}

TEST_F(GatewayMirrorTest, ChannelsLeadToTheirReleasesBytes) {
  const std::string release = "nixos-26.11pre1.abc";
  PutInIndex("/channels/nixos-unstable/" + release + "/nixexprs.tar.xz", "expressions");
  PutInIndex("/channels/nixos-unstable/" + release + "/git-revision", "abc");
  PutInIndex("/channels/nixos-unstable/latest", release + "\n");
  const auto redirect = Get("/channels/nixos-unstable");
  EXPECT_EQ(redirect.status, 302);
  const auto location = redirect.Header("Location");
  EXPECT_EQ(location, "/channels/nixos-unstable/" + release);
  EXPECT_EQ(Get(location).status, 200);
  EXPECT_EQ(Get(location + "/nixexprs.tar.xz").body, "expressions");
  EXPECT_EQ(Get("/channels/nixos-unstable/latest").body, release + "\n");
  EXPECT_EQ(Get("/nixos-unstable/git-revision").Header("Location"), location + "/git-revision");
}

TEST_F(GatewayMirrorTest, ThePageAndTheDescriptionAreServed) {
  EXPECT_NE(Get("/").body.find(index_->key().id()), std::string::npos);
  EXPECT_NE(Get("/mirror.json").body.find("cache.example"), std::string::npos);
  EXPECT_EQ(Get("/README.txt").status, 404);
  PutInIndex("/README.txt", "read me\n");
  EXPECT_EQ(Get("/README.txt").body, "read me\n");
}

TEST_F(GatewayMirrorTest, AMirrorThatIsNotThereYetIsEmptyAndNotReady) {
  DriveMirrorSource source({.directory = folder_ / "nowhere", .index_key = index_->key()});
  http::MetricsRegistry metrics;
  SourceRefresher refresher(source, std::chrono::milliseconds(100), metrics);
  refresher.RunOnce();
  EXPECT_FALSE(refresher.Ready());
  EXPECT_FALSE(source.File("/mirror.json")->has_value());
  std::filesystem::create_directories(folder_ / "nowhere");
  std::filesystem::create_directory_symlink(folder_ / index_->key().id(),
                                            folder_ / "nowhere" / index_->key().id());
  refresher.RunOnce();
  EXPECT_TRUE(refresher.Ready());
  EXPECT_TRUE(source.File("/mirror.json")->has_value());
}

TEST_F(GatewayMirrorTest, AShardThatAppearsLaterIsFound) {
  Publish(1, "nar");
  const auto shard = folder_ / shard_->key().id();
  DriveMirrorSource source({.directory = folder_, .index_key = index_->key()});
  std::filesystem::rename(shard, folder_ / "away");
  ASSERT_TRUE(source.Refresh());
  EXPECT_FALSE(source.Nar(NarFileName(1))->has_value());
  std::filesystem::rename(folder_ / "away", shard);
  EXPECT_TRUE(source.Nar(NarFileName(1))->has_value());
}

}  // namespace
}  // namespace hnx::gateway
