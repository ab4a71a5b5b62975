// A drive that is known by its key only, read from peers over real sockets.
#include <fstream>
#include <future>
#include <mutex>

#include "hyper/core/keys.h"
#include "hyper/storage/flat_core_storage.h"
#include "node_fixture.h"

namespace hnx::hyper {
namespace {

class RemoteDriveTest : public NodeFixture {};

TEST_F(RemoteDriveTest, IsReadWithNothingButItsKey) {
  Put("/a", "alpha");
  Put("/folder/b", "beta");
  Must(drive_->Symlink("/link", "a"));
  const auto origin = Origin();
  const auto reader = Node({AddressOf(*origin)});
  const auto remote = OpenRemote(*reader);
  const auto view = View(*remote);
  EXPECT_EQ(view->version(), drive_->head().db_length);
  EXPECT_EQ(view->content_key(), drive_->content_key());
  EXPECT_EQ(ReadFrom(*view, "/a"), "alpha");
  EXPECT_EQ(ReadFrom(*view, "/folder/b"), "beta");
  EXPECT_EQ(Must(view->Entry("/link"))->linkname, "a");
  EXPECT_FALSE(Must(view->Entry("/none")).has_value());
  EXPECT_EQ(CodeOf(view->ReadFile("/none", 10)), ErrorCode::kNotFound);
  EXPECT_EQ(Paths(Must(view->List("/"))), (std::vector<std::string>{"/a", "/folder/b", "/link"}));
  Must(remote->WaitForFreshHead(ReadLimits::Within(kLong)));
  EXPECT_TRUE(Must(remote->Status()).head_age.has_value());
}

TEST_F(RemoteDriveTest, FetchesOfAFileOnlyWhatIsAskedFor) {
  const std::string content = Pattern(200 * kBlock + 17);
  Put("/large", content);
  const auto origin = Origin();
  const auto reader = Node({AddressOf(*origin)});
  const auto remote = OpenRemote(*reader);
  const auto view = View(*remote);
  const BlobId blob = BlobOf(*view, "/large");
  for (const auto& [offset, length] :
       std::vector<std::pair<std::size_t, std::size_t>>{{0, 1},
                                                        {5 * kBlock - 3, 7},
                                                        {199 * kBlock + 100, kBlock - 83},
                                                        {120 * kBlock, kBlock}}) {
    std::string part;
    Must(view->ReadBlob(blob, offset, length, [&](ByteView piece) -> Result<void> {
      part += AsText(piece);
      return {};
    }));
    EXPECT_EQ(part, content.substr(offset, length)) << offset;
  }
  const auto status = Must(remote->Status());
  EXPECT_LE(status.content->download.blocks_received, 12U);
  const auto sink = [](ByteView) -> Result<void> { return {}; };
  EXPECT_EQ(CodeOf(view->ReadBlob(blob, content.size(), 1, sink)), ErrorCode::kOutOfRange);
  EXPECT_EQ(CodeOf(view->Locate(blob)), ErrorCode::kNotFound);
}

TEST_F(RemoteDriveTest, GivesTheFirstByteBeforeTheLastBlockIsAskedFor) {
  const std::string content = Pattern(400 * kBlock);
  Put("/large", content);
  const auto origin = Origin();
  const auto reader = Node({AddressOf(*origin)});
  const auto remote = OpenRemote(*reader);
  const auto view = View(*remote);
  const BlobId blob = BlobOf(*view, "/large");
  const auto stop_here = view->ReadBlob(
      blob, 0, content.size(), [&](ByteView) -> Result<void> { return Aborted("enough"); });
  EXPECT_EQ(CodeOf(stop_here), ErrorCode::kAborted);
  EXPECT_LE(Must(remote->Status()).content->download.blocks_received, kReadAheadBytes / kBlock + 2);
}

TEST_F(RemoteDriveTest, KeepsWhatItFetchedOverARestartAndServesItToOthers) {
  const std::string content = Pattern(20 * kBlock);
  Put("/held", content);
  Put("/other", Pattern(20 * kBlock, 2));
  auto origin = Origin();
  {
    const auto reader = Node({AddressOf(*origin)});
    const auto remote = OpenRemote(*reader);
    const auto view = View(*remote);
    EXPECT_EQ(Must(remote->AvailabilityOf(BlobOf(*view, "/held"))), Availability::kAtPeers);
    Must(remote->Fetch(BlobOf(*view, "/held"), ReadLimits::Within(kLong)));
    Must(view->Entry("/other"));
    EXPECT_EQ(Must(view->Locate(BlobOf(*view, "/held"))).length(), content.size());
  }
  origin.reset();
  const auto holder = Node();
  const auto held = OpenRemote(*holder);
  const auto view = View(*held);
  EXPECT_EQ(ReadFrom(*view, "/held"), content);
  EXPECT_EQ(Must(held->AvailabilityOf(BlobOf(*view, "/held"))), Availability::kHeld);
  EXPECT_EQ(Must(held->AvailabilityOf(BlobOf(*view, "/other"))), Availability::kNowhere);
  EXPECT_FALSE(Must(held->Status()).head_age.has_value()) << "nobody confirmed the head";

  const auto second = Node({AddressOf(*holder)});
  const auto remote = OpenRemote(*second, "cache2");
  const auto from_holder = View(*remote);
  EXPECT_EQ(ReadFrom(*from_holder, "/held"), content);
  EXPECT_EQ(
      Must(remote->WaitForAvailability(BlobOf(*from_holder, "/other"), ReadLimits::Within(kLong))),
      Availability::kNowhere);
  ReadLimits short_limits;
  short_limits.stall_max = 100ms;
  EXPECT_EQ(CodeOf(Must(remote->View(short_limits))->ReadFile("/other", 64 << 20)),
            ErrorCode::kDeadlineExceeded);
}

TEST_F(RemoteDriveTest, GoesOnWithAnotherPeerWhenOneDiesInTheMiddleOfAFile) {
  const std::string content = Pattern(600 * kBlock);
  Put("/large", content);
  auto first = Origin();
  const auto second = Origin();
  const auto reader = Node({AddressOf(*first), AddressOf(*second)});
  const auto remote = OpenRemote(*reader);
  const auto view = View(*remote);
  std::string read;
  Must(view->ReadBlob(BlobOf(*view, "/large"), 0, content.size(),
                      [&](ByteView piece) -> Result<void> {
                        read += AsText(piece);
                        if (read.size() > content.size() / 4 && first) {
                          first.reset();
                        }
                        return {};
                      }));
  EXPECT_TRUE(read == content);
}

TEST_F(RemoteDriveTest, APeerThatLiesIsFoundOutAndTheOthersGoOn) {
  const std::string content = Pattern(100 * kBlock);
  Put("/large", content);
  const std::filesystem::path forged = CopyFolder("forged");
  CoreKey content_core;
  content_core.bytes = drive_->content_key().bytes();
  {
    std::fstream data(CoreFolder(forged, DiscoveryKeyOf(content_core)) / "data",
                      std::ios::in | std::ios::out | std::ios::binary);
    for (std::size_t at = 100; at < content.size(); at += kBlock) {
      data.seekp(static_cast<std::streamoff>(at));
      data.put('!');
    }
  }
  const auto liar = Node();
  ServeFolder(*liar, forged);
  std::promise<PublicKey> caught;
  std::once_flag once;
  PeerNodeEvents events;
  events.on_liar = [&](const DriveKey&, const PublicKey& peer, const ProofRefused&) {
    std::call_once(once, [&] { caught.set_value(peer); });
  };
  const auto reader = Node({AddressOf(*liar)}, std::move(events));
  const auto remote = OpenRemote(*reader);
  auto reading = std::async(std::launch::async, [&] {
    const auto view = View(*remote);
    return ReadFrom(*view, "/large");
  });
  auto found = caught.get_future();
  ASSERT_EQ(found.wait_for(kLong), std::future_status::ready);
  EXPECT_EQ(found.get(), liar->public_key());
  const auto honest = Origin();
  Must(reader->AddPeer(AddressOf(*honest)));
  EXPECT_TRUE(reading.get() == content);
}

TEST_F(RemoteDriveTest, FollowsGrowthWhileConnected) {
  Put("/a", "1");
  const auto origin = Origin();
  const auto reader = Node({AddressOf(*origin)});
  const auto remote = OpenRemote(*reader);
  const auto before = View(*remote);
  Put("/b", "2");
  origin->RefreshServed(drive_->key());
  Must(remote->WaitForVersion(before->version(), ReadLimits::Within(kLong)));
  EXPECT_EQ(ReadFrom(*View(*remote), "/b"), "2");
  EXPECT_FALSE(Must(before->Entry("/b")).has_value()) << "a view stays at its version";
}

TEST_F(RemoteDriveTest, HoldsTheWholeDriveWhenAskedTo) {
  for (int i = 0; i < 50; ++i) {
    Put("/f" + std::to_string(i),
        Pattern(3 * kBlock + static_cast<std::size_t>(i), 3U + static_cast<unsigned>(i)));
  }
  auto origin = Origin();
  const auto reader = Node({AddressOf(*origin)});
  const auto remote = OpenRemote(*reader);
  Must(remote->WaitForHead(ReadLimits::Within(kLong)));
  remote->SetKeep(RemoteDrive::Keep::kWhole);
  std::uint64_t blocks = 0;
  Must(remote->WaitUntilHeld(RemoteDrive::Keep::kWhole, ReadLimits::Within(kLong),
                             [&](const DownloadProgress& now) { blocks = now.blocks_total; }));
  origin.reset();
  const auto local = Must(DriveReader::Open({folder_.path() / "cache", drive_->key()}));
  EXPECT_EQ(Paths(Must(local->List("/"))).size(), 50U);
  for (int i = 0; i < 50; ++i) {
    const std::string path = "/f" + std::to_string(i);
    EXPECT_TRUE(Read(*local, path) == Get(path)) << path;
  }
  EXPECT_TRUE(Must(local->Audit()).clean());
  EXPECT_LE(blocks, 200U);
}

TEST_F(RemoteDriveTest, GivesRoomBackAndFetchesAgain) {
  const std::string content = Pattern(64 * kBlock);
  Put("/a", content);
  const auto origin = Origin();
  const auto reader = Node({AddressOf(*origin)});
  const auto remote = OpenRemote(*reader);
  const auto view = View(*remote);
  const BlobId blob = BlobOf(*view, "/a");
  Must(remote->Fetch(blob, ReadLimits::Within(kLong)));
  const std::uint64_t held = Must(remote->Status()).bytes_on_disk;
  EXPECT_GE(held, content.size());
  {
    const auto sending = Must(view->Locate(blob));
    EXPECT_EQ(CodeOf(remote->Evict(blob)), ErrorCode::kUnavailable) << "somebody sends it";
  }
  Must(remote->Evict(blob));
  EXPECT_LT(Must(remote->Status()).bytes_on_disk, held / 2);
  EXPECT_EQ(CodeOf(view->Locate(blob)), ErrorCode::kNotFound);
  EXPECT_TRUE(ReadFrom(*view, "/a") == content);
}

TEST_F(RemoteDriveTest, NobodyThereIsSaidWithinTheDeadline) {
  Put("/a", "1");
  const auto reader = Node();
  const auto remote = OpenRemote(*reader);
  EXPECT_EQ(CodeOf(remote->WaitForHead(ReadLimits::Within(50ms))), ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(CodeOf(remote->View({})), ErrorCode::kFailedPrecondition);
  // A node that does not listen, and whose one peer is not there, has nothing to wait for.
  PeerNodeOptions options;
  options.peers = {"127.0.0.1:1"};
  const auto lonely = Must(PeerNode::Start(std::move(options)));
  const auto forlorn = OpenRemote(*lonely, "cache2");
  EXPECT_EQ(CodeOf(forlorn->WaitForHead(ReadLimits::Within(kLong))), ErrorCode::kUnavailable);
}

TEST_F(RemoteDriveTest, AWaitingReadEndsWhenItIsCancelledOrTheNodeStops) {
  Put("/a", "1");
  const auto reader = Node();
  const auto remote = OpenRemote(*reader);
  ReadLimits limits;
  limits.cancellation = std::make_shared<Cancellation>();
  auto waiting = std::async(std::launch::async, [&] { return remote->WaitForHead(limits); });
  limits.cancellation->Cancel();
  EXPECT_EQ(CodeOf(waiting.get()), ErrorCode::kCancelled);
  auto other = std::async(std::launch::async, [&] { return remote->WaitForHead({}); });
  reader->Stop();
  EXPECT_EQ(CodeOf(other.get()), ErrorCode::kCancelled);
  EXPECT_EQ(CodeOf(remote->Status()), ErrorCode::kCancelled);
}

TEST_F(RemoteDriveTest, IsOpenOnceOnly) {
  const auto node = Node();
  auto remote = OpenRemote(*node);
  RemoteDriveOptions options;
  options.folder = folder_.path() / "elsewhere";
  EXPECT_EQ(CodeOf(node->OpenRemote(drive_->key(), options)), ErrorCode::kAlreadyExists);
  remote.reset();
  remote = OpenRemote(*node);
}

TEST_F(RemoteDriveTest, OfOurOwnKeyIsWrittenAgainWithTheSameTreeAsIfItHadNeverBeenLost) {
  for (int i = 0; i < 40; ++i) {
    Put("/file" + std::to_string(i % 25), Pattern(1000 + static_cast<std::size_t>(i)));
  }
  Must(Corestore::Create(folder_.path() / "recovered", Key(7)));
  {
    const auto origin = Origin();
    const auto reader = Node({AddressOf(*origin)});
    const auto remote = OpenRemote(*reader, "recovered");
    Must(remote->WaitForHead(ReadLimits::Within(kLong)));
    Must(remote->WaitUntilHeld(RemoteDrive::Keep::kWhole, ReadLimits::Within(kLong)));
  }
  const auto store = Must(Corestore::Open(folder_.path() / "recovered"));
  Must(Hyperdrive::TakeOver(*store));
  Must(Hyperdrive::TakeOver(*store));
  const auto recovered = Must(Hyperdrive::Open(*store));
  EXPECT_EQ(recovered->head(), drive_->head());
  for (int i = 0; i < 30; ++i) {
    const std::string path = "/new" + std::to_string(i);
    Must(recovered->Put(path, AsBytes(path)));
    Must(drive_->Put(path, AsBytes(path)));
    ASSERT_EQ(recovered->head(), drive_->head()) << path;
  }
  EXPECT_EQ(recovered->signed_head().db.signature, drive_->signed_head().db.signature);
  EXPECT_EQ(recovered->signed_head().content.signature, drive_->signed_head().content.signature);
  EXPECT_EQ(Must(recovered->Get("/file24", 10'000)), Must(drive_->Get("/file24", 10'000)));
}

}  // namespace
}  // namespace hnx::hyper
