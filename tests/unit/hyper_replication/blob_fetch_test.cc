// Files that stream out of a sparse core while they arrive.
#include "hyper/replication/blob_fetch.h"

#include "swarm_fixture.h"

namespace hnx::hyper {
namespace {

using std::chrono::milliseconds;

class BlobFetchTest : public SwarmTest {
 protected:
  // One blob: `count` blocks of `bytes` each, the last one shorter.
  BlobId Write(std::uint64_t count, std::size_t bytes, std::size_t last) {
    const CoreHead before = writer_.head();
    writer_.Append(count - 1, bytes);
    writer_.Append(1, last);
    for (std::uint64_t i = 0; i < count; ++i) {
      AppendTo(content_, writer_.BlockOf(before.length + i));
    }
    return {before.length, count, before.byte_length,
            writer_.head().byte_length - before.byte_length};
  }
  // What came of bytes [offset, offset + length), and how it ended.
  std::unique_ptr<BlobFetch> Read(const BlobId& blob, std::uint64_t offset, std::uint64_t length) {
    came_.clear();
    ended_.reset();
    auto fetch = Must(BlobFetch::Make(
        *client_->replicator.FindDownloader(writer_.key()), {blob, offset, length}, 1,
        [this](ByteView piece) { AppendTo(came_, piece); },
        [this](Result<void> result) { ended_ = std::move(result); }));
    fetch->Start();
    return fetch;
  }
  Bytes Part(std::uint64_t offset, std::uint64_t length) const {
    return ToBytes(ByteView(content_).subspan(offset, length));
  }
  void Join() {
    client_ = &AddNode();
    client_->Follow(writer_.key());
    server_ = &Serve(writer_);
    connection_ = Connect(*client_, *server_);
    Settle();
  }
  std::uint64_t Served() const { return server_->StatisticsOf(writer_.key()).traffic.blocks_up; }

  Writer writer_;
  Bytes content_;
  Node* client_ = nullptr;
  Node* server_ = nullptr;
  Connection connection_;
  Bytes came_;
  std::optional<Result<void>> ended_;
};

TEST_F(BlobFetchTest, RangesComeExactlyAndCostTheirBlocksOnly) {
  writer_.Append(3);
  const BlobId blob = Write(10, kBlobBlockBytes, 1234);
  Join();
  for (const auto& [offset, length, blocks] :
       std::vector<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>>{
           {65'536, 1, 1},
           {65'530, 12, 1},
           {0, 0, 0},
           {9 * 65'536 + 1000, 234, 1},
           {131'072, 65'536, 1}}) {
    const std::uint64_t before = Served();
    const auto fetch = Read(blob, offset, length);
    Settle();
    ASSERT_TRUE(ended_ && ended_->has_value()) << offset;
    EXPECT_EQ(came_, Part(offset, length)) << offset;
    EXPECT_EQ(Served() - before, blocks) << offset;
  }
  const auto whole = Read(blob, 0, blob.byte_length);
  Settle();
  EXPECT_EQ(came_, content_);
}

TEST_F(BlobFetchTest, ABlobThatIsCutOtherwiseIsReadFromItsBeginning) {
  const BlobId blob = Write(20, 100, 40);
  Join();
  const auto fetch = Read(blob, 950, 777);
  Settle();
  ASSERT_TRUE(ended_ && ended_->has_value());
  EXPECT_EQ(came_, Part(950, 777));
}

TEST_F(BlobFetchTest, ABlobThatClaimsMoreThanItsBlocksHoldIsDataLoss) {
  BlobId blob = Write(20, 100, 40);
  blob.byte_length += 10;
  Join();
  const auto fetch = Read(blob, 0, blob.byte_length);
  Settle();
  ASSERT_TRUE(ended_);
  EXPECT_EQ(ended_->error().code, ErrorCode::kDataLoss);
}

TEST_F(BlobFetchTest, NumbersThatCannotBeAreRefusedBeforeAnythingIsAsked) {
  Join();
  Downloader& downloader = *client_->replicator.FindDownloader(writer_.key());
  const auto make = [&](const BlobRange& range) {
    return BlobFetch::Make(
               downloader, range, 1, [](ByteView) {}, [](const Result<void>&) {})
        .has_value();
  };
  EXPECT_FALSE(make({{0, 1, 0, 10}, 5, 6}));
  EXPECT_FALSE(make({{0, 1, 0, 10}, 11, 0}));
  EXPECT_FALSE(make({{0, 0, 0, 10}, 0, 10}));
  EXPECT_FALSE(make({{std::uint64_t{1} << 52, 1, 0, 10}, 0, 10}));
  EXPECT_FALSE(make({{1, ~std::uint64_t{0}, 0, 10}, 0, 10}));
}

TEST_F(BlobFetchTest, AReaderThatPausesHoldsAWindowAtMost) {
  const BlobId blob = Write(200, kBlobBlockBytes, 5);
  Join();
  const auto fetch = Read(blob, 0, blob.byte_length);
  fetch->Pause();
  Finish();
  EXPECT_LE(Served(), kBlobFetchBlocksMax + kPeerWindowMin);
  EXPECT_FALSE(ended_);
  fetch->Resume();
  Finish();
  ASSERT_TRUE(ended_ && ended_->has_value());
  EXPECT_EQ(came_, content_);
}

TEST_F(BlobFetchTest, TheFirstPieceIsThereBeforeTheLastBlockIsAskedFor) {
  const BlobId blob = Write(400, kBlobBlockBytes, 5);
  Join();
  const auto fetch = Read(blob, 0, blob.byte_length);
  while (came_.empty() && network_.DeliverOnce()) {
  }
  EXPECT_LE(Served(), kBlobFetchBlocksMax + 2);
  EXPECT_FALSE(ended_);
}

TEST_F(BlobFetchTest, WhatADyingPeerGaveIsKeptAndAnotherGoesOnFromThere) {
  const BlobId blob = Write(60, kBlobBlockBytes, 5);
  Join();
  MemoryNetwork::CutAfter(*connection_.responder, 20 * kBlobBlockBytes);
  const auto fetch = Read(blob, 0, blob.byte_length);
  Settle();
  EXPECT_FALSE(ended_);
  const std::size_t had = came_.size();
  EXPECT_GT(had, 0U);
  server_ = &Serve(writer_);
  Connect(*client_, *server_);
  Finish();
  ASSERT_TRUE(ended_ && ended_->has_value());
  EXPECT_EQ(came_, content_);
  EXPECT_LE(Served(), 60U - had / kBlobBlockBytes);
}

TEST_F(BlobFetchTest, ItMayBeDroppedFromWithinItsOwnPiece) {
  const BlobId blob = Write(30, kBlobBlockBytes, 5);
  Join();
  std::unique_ptr<BlobFetch> fetch;
  int pieces = 0;
  fetch = Must(BlobFetch::Make(
      *client_->replicator.FindDownloader(writer_.key()), {blob, 0, blob.byte_length}, 1,
      [&](ByteView) {
        if (++pieces == 3) {
          fetch.reset();
        }
      },
      [](const Result<void>&) { ADD_FAILURE() << "nobody is there any more"; }));
  fetch->Start();
  Finish();
  EXPECT_EQ(pieces, 3);
}

TEST_F(BlobFetchTest, WhatIsHereComesWithoutAnyPeer) {
  const BlobId blob = Write(5, kBlobBlockBytes, 5);
  Join();
  auto fetch = Read(blob, 0, blob.byte_length);
  Finish();
  client_->replicator.RemoveStream(1, Unavailable("the cable was pulled"));
  fetch = Read(blob, 0, blob.byte_length);
  ASSERT_TRUE(ended_ && ended_->has_value()) << "at once";
  EXPECT_EQ(came_, content_);
}

TEST_F(BlobFetchTest, WhoeverReadsNoMoreLetsTheChannelGo) {
  writer_.Append(3);
  client_ = &AddNode();
  client_->Follow(writer_.key()).SetFollow(false);
  server_ = &Serve(writer_);
  Connect(*client_, *server_);
  bool came = false;
  Must(
      client_->replicator.FindDownloader(writer_.key())
          ->Fetch(BlockIndex(1), 1, [&](const Result<Bytes>& bytes) { came = bytes.has_value(); }));
  Finish();
  EXPECT_TRUE(came);
  EXPECT_EQ(server_->StatisticsOf(writer_.key()).peers.size(), 1U);
  Advance(kDownloadLinger + milliseconds(2000));
  EXPECT_EQ(server_->StatisticsOf(writer_.key()).peers.size(), 0U);
  came = false;
  Must(
      client_->replicator.FindDownloader(writer_.key())
          ->Fetch(BlockIndex(2), 1, [&](const Result<Bytes>& bytes) { came = bytes.has_value(); }));
  Finish();
  EXPECT_TRUE(came) << "and opens it again when it needs it";
}

}  // namespace
}  // namespace hnx::hyper
