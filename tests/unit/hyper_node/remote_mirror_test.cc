// A mirror read from peers: its index and, through links, its shards.
#include "mirror/remote_mirror.h"

#include "mirror/drive_link.h"
#include "mirror/index_layout.h"
#include "node_fixture.h"

namespace hnx::mirror {
namespace {

using namespace std::chrono_literals;

class RemoteMirrorTest : public hyper::NodeFixture {
 protected:
  RemoteMirrorTest() {
    shard_store_ = hyper::Must(hyper::Corestore::Create(folder_.path() / "shard", Key(9)));
    shard_ = hyper::Must(hyper::Hyperdrive::OpenOrCreate(*shard_store_));
  }

  void Publish(const std::vector<hyper::DriveKey>& shards) {
    MirrorJson mirror;
    mirror.upstream = "https://cache.example.org";
    for (const hyper::DriveKey& key : shards) {
      mirror.shards.push_back({key, key, shard_->head().db_length, 0});
    }
    hyper::Must(drive_->Put(kMirrorJsonPath, AsBytes(mirror.Serialize())));
  }
  std::unique_ptr<hyper::PeerNode> MirrorOrigin() {
    auto node = Origin();
    hyper::Must(
        node->AddServedDrive({shard_->key(), shard_->content_key(), folder_.path() / "shard"}));
    return node;
  }

  std::unique_ptr<hyper::Corestore> shard_store_;
  std::unique_ptr<hyper::Hyperdrive> shard_;
};

TEST_F(RemoteMirrorTest, ANarIsReadThroughItsLink) {
  hyper::Must(shard_->Put("/nar/a.nar", AsBytes("a's bytes")));
  hyper::Must(drive_->Symlink(NarPath("a.nar"), DriveLink::Make(shard_->key(), "a.nar")));
  hyper::Must(drive_->Symlink(NarPath("bad.nar"), "../../../etc/passwd"));
  Put("/nar/own.nar", "own");
  Publish({shard_->key()});
  const auto origin = MirrorOrigin();
  const auto reader = Node({origin->addresses().front()});
  const auto mirror =
      hyper::Must(RemoteMirror::Open(*reader, {drive_->key(), folder_.path() / "cache"}));
  hyper::Must(mirror->index().WaitForHead(hyper::ReadLimits::Within(hyper::kLong)));
  const auto view = hyper::Must(mirror->View(hyper::ReadLimits::Within(hyper::kLong)));
  EXPECT_EQ(view->mirror_json()->shards.size(), 1U);
  const auto nar = hyper::Must(view->ResolveNar("a.nar"));
  ASSERT_TRUE(nar.has_value());
  EXPECT_EQ(nar->drive->key(), shard_->key());
  EXPECT_EQ(ReadFrom(*nar->drive, "/nar/a.nar"), "a's bytes");
  EXPECT_TRUE(hyper::Must(view->ResolveNar("own.nar")).has_value());
  EXPECT_FALSE(hyper::Must(view->ResolveNar("bad.nar")).has_value());
  EXPECT_FALSE(hyper::Must(view->ResolveNar("none.nar")).has_value());
  EXPECT_EQ(mirror->OpenDrives().size(), 2U);
  EXPECT_EQ(hyper::CodeOf(mirror->Drive(hyper::DriveKey(std::array<std::byte, 32>{}))),
            ErrorCode::kNotFound);
}

TEST_F(RemoteMirrorTest, AShardThatIsNotListedIsNeverOpened) {
  hyper::Must(shard_->Put("/nar/a.nar", AsBytes("x")));
  hyper::Must(drive_->Symlink(NarPath("a.nar"), DriveLink::Make(shard_->key(), "a.nar")));
  Publish({});
  const auto origin = MirrorOrigin();
  const auto reader = Node({origin->addresses().front()});
  const auto mirror =
      hyper::Must(RemoteMirror::Open(*reader, {drive_->key(), folder_.path() / "cache"}));
  hyper::Must(mirror->index().WaitForHead(hyper::ReadLimits::Within(hyper::kLong)));
  const auto view = hyper::Must(mirror->View(hyper::ReadLimits::Within(hyper::kLong)));
  EXPECT_FALSE(hyper::Must(view->ResolveNar("a.nar")).has_value());
  EXPECT_EQ(mirror->OpenDrives().size(), 1U);
}

}  // namespace
}  // namespace hnx::mirror
