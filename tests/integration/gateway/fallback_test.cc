// What a mirror lacks, or nobody can send now, from an ordinary binary cache: verified before it is
// kept, never given whole when it is bad.
#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "far_fixture.h"
#include "mirror/drive_link.h"
#include "nix/nar_info_sign.h"
#include "nix/nar_writer.h"
#include "support/fault_http_server.h"

namespace hnx::gateway {
namespace {

using test::Answer;
using test::FaultConnection;
using test::FaultHandler;
using test::FaultRequest;

nix::SecretKey ThrowAwayKey(std::byte seed) {
  std::array<std::byte, 32> bytes{};
  bytes.fill(seed);
  return MustHave(nix::SecretKey::FromSeed("test-1", bytes));
}

std::string NarOf(const std::string& content) {
  std::string nar;
  nix::NarWriter writer([&nar](ByteView bytes) -> Result<void> {
    nar += AsText(bytes);
    return {};
  });
  EXPECT_TRUE(writer.Regular(false, AsBytes(content)) && writer.Finish());
  return nar;
}

nix::Hash HashOf(const std::string& text) {
  return nix::Hash::FromSha256(nix::Sha256::Of(AsBytes(text)));
}

// A path of the upstream: an uncompressed NAR.
struct Upstreamed {
  std::string hash;  // of its store path
  std::string file;
  std::string nar;
  std::string narinfo;

  std::string NarInfoPath() const { return "/" + hash + ".narinfo"; }
  std::string NarPath() const { return "/nar/" + file; }
};

Upstreamed MakePath(int number, std::size_t size, const nix::SecretKey& key) {
  Upstreamed path;
  path.hash = StoreHash(number);
  path.nar = NarOf(Noise(size, static_cast<std::uint64_t>(number)));
  const auto hash = HashOf(path.nar);
  path.file = hash.ToNix32Digits() + ".nar";
  nix::NarInfoFields fields{
      .store_path = MustHave(nix::StorePath::Parse("/nix/store/" + path.hash + "-test")),
      .url = "nar/" + path.file,
      .compression = nix::Compression::kNone,
      .file_hash = hash,
      .file_size = path.nar.size(),
      .nar_hash = hash,
      .nar_size = path.nar.size(),
      .references = {},
      .deriver = {},
      .ca = {}};
  path.narinfo = nix::RenderNarInfo(fields, &key);
  return path;
}

class FallbackTest : public FarGatewayTest {
 protected:
  UpstreamsOptions Fallbacks() {
    return {.urls = {upstream_.Url("")},
            .trusted_public_keys = {ThrowAwayKey(std::byte{1}).public_key().ToString()}};
  }
  // A gateway that knows this upstream.
  std::unique_ptr<FarSide> Start(const std::vector<std::string>& peers,
                                 std::uint64_t nar_bytes_max = std::uint64_t{1} << 30) {
    return StartFar(peers, nar_bytes_max, "cache", Fallbacks());
  }
  Upstreamed Offer(int number, std::size_t size = 300'000) {
    auto path = MakePath(number, size, ThrowAwayKey(std::byte{1}));
    upstream_.Serve(path.NarInfoPath(), {Answer(200, path.narinfo)});
    upstream_.Serve(path.NarPath(), {test::File(path.nar)});
    return path;
  }
  // The mirror has it, as the upstream does.
  void PublishSame(int number, const Upstreamed& path) {
    Publish(number, "something else");
    MustHave(shard_->Put("/nar/" + path.file, AsBytes(path.nar)));
    LinkInIndex("/nar/" + path.file, mirror::DriveLink::Make(shard_->key(), path.file));
    PutInIndex(path.NarInfoPath(), path.narinfo);
  }
  static int Gets(test::FaultHttpServer& server, const std::string& path) {
    int gets = 0;
    for (const auto& request : server.Requests(path)) {
      gets += request.method == "GET" ? 1 : 0;
    }
    return gets;
  }
  static double Metric(FarSide& far, const std::string& line) {
    const std::string text = far.metrics.Serialize();
    const auto at = text.find(line + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + line.size()));
  }

  // What is sent is counted after it left: the client may be first.
  static bool Reaches(FarSide& far, const std::string& line, double value) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (Metric(far, line) < value && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
    return Metric(far, line) == value;
  }

  test::FaultHttpServer upstream_;
};

// HEAD as a good server would, GET as told.
FaultHandler HeadThen(std::string body, FaultHandler get) {
  return [head = test::File(std::move(body)), get = std::move(get)](const FaultRequest& request,
                                                                    FaultConnection& connection) {
    (request.method == "HEAD" ? head : get)(request, connection);
  };
}

TEST_F(FallbackTest, WhatTheMirrorLacksComesFromTheUpstreamAndIsKept) {
  Publish(1, "nar 1");
  const auto path = Offer(7);
  const auto origin = StartOrigin();
  const auto far = Start(origin->addresses());
  const auto narinfo = far->Get(path.NarInfoPath());
  EXPECT_EQ(narinfo.status, 200) << narinfo.head;
  EXPECT_EQ(narinfo.body, path.narinfo);
  EXPECT_TRUE(far->Get(path.NarPath()).body == path.nar);
  EXPECT_EQ(far->GetNar(1).body, "nar 1");
  EXPECT_EQ(far->GetNarInfo(2).Header("X-Hypercore-Reason"), "unknown-narinfo");
  EXPECT_TRUE(far->Get(path.NarPath()).body == path.nar);
  EXPECT_EQ(Gets(upstream_, path.NarPath()), 1);
  EXPECT_TRUE(Reaches(*far, "hnx_gateway_nar_bytes_total{source=\"fallback\"}",
                      static_cast<double>(path.nar.size())));
  EXPECT_TRUE(Reaches(*far, "hnx_gateway_nar_bytes_total{source=\"held\"}",
                      static_cast<double>(path.nar.size())));
  EXPECT_TRUE(Reaches(*far, "hnx_gateway_nar_bytes_total{source=\"peers\"}", 5));
}

TEST_F(FallbackTest, WhatIsKeptNeedsNobodyAlsoAfterARestart) {
  Publish(1, "nar 1");
  const auto path = Offer(7);
  const auto origin = StartOrigin();
  {
    const auto far = Start(origin->addresses());
    ASSERT_EQ(far->Get(path.NarInfoPath()).status, 200);
    ASSERT_TRUE(far->Get(path.NarPath()).body == path.nar);
  }
  upstream_.Serve(path.NarInfoPath(), {Answer(500, "broken")});
  upstream_.Serve(path.NarPath(), {Answer(500, "broken")});
  const auto far = Start(origin->addresses());
  EXPECT_TRUE(far->Get(path.NarPath()).body == path.nar);
  EXPECT_EQ(far->Get(path.NarInfoPath()).body, path.narinfo);
}

TEST_F(FallbackTest, ABadNarIsNeverGivenWholeAndNeverKept) {
  Publish(1, "nar 1");
  auto path = Offer(7);
  std::string bad = path.nar;
  bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 1);
  upstream_.Serve(path.NarPath(), {test::File(bad)});
  const auto origin = StartOrigin();
  const auto far = Start(origin->addresses());
  ASSERT_EQ(far->Get(path.NarInfoPath()).status, 200);
  const auto answer = far->Get(path.NarPath());
  EXPECT_LT(answer.body.size(), bad.size());
  EXPECT_EQ(Metric(*far, "hnx_gateway_fallback_fetches_total{result=\"refused\"}"), 1);
  // The client may be told before the file is gone.
  while (far->source->cache().bytes() > 0) {
    std::this_thread::yield();
  }
  // Made good upstream, it is had.
  upstream_.Serve(path.NarPath(), {test::File(path.nar)});
  EXPECT_TRUE(far->Get(path.NarPath()).body == path.nar);
}

TEST_F(FallbackTest, ABadNarThatIsFoundOutBeforeTheAnswerBeginsIsNotFetchedAgainForIt) {
  Publish(1, "nar 1");
  auto path = Offer(7);
  std::string bad = path.nar;
  bad.back() = static_cast<char>(bad.back() ^ 1);
  std::promise<void> begun;
  const std::shared_future<void> gate = begun.get_future().share();
  upstream_.Serve(
      path.NarPath(),
      {HeadThen(bad, [&bad, gate](const FaultRequest&, FaultConnection& connection) {
        connection.Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bad.size()) +
                        "\r\n\r\n" + bad.substr(0, bad.size() - 1));
        gate.wait();
        connection.Send(bad.substr(bad.size() - 1));
      })});
  const auto origin = StartOrigin();
  const auto far = Start(origin->addresses());
  ASSERT_EQ(far->Get(path.NarInfoPath()).status, 200);
  const auto file = MustHave(far->fallback->Nar(path.file));
  ASSERT_TRUE(file && file->far);
  EXPECT_TRUE(file->far->Begin(0));
  begun.set_value();
  while (Metric(*far, "hnx_gateway_fallback_fetches_total{result=\"refused\"}") != 1 ||
         far->source->cache().bytes() > 0) {
    std::this_thread::yield();
  }
  http::BodyPipe body;
  EXPECT_FALSE(file->far->Write(0, file->size_bytes, body));
  EXPECT_EQ(Gets(upstream_, path.NarPath()), 1);
}

TEST_F(FallbackTest, ANarThatIsCutOrTooLongIsNeverGivenWhole) {
  Publish(1, "nar 1");
  const auto cut = Offer(7);
  const auto longer = Offer(8);
  upstream_.Serve(cut.NarPath(),
                  {HeadThen(cut.nar, Answer(200, cut.nar.substr(0, cut.nar.size() - 10)))});
  upstream_.Serve(longer.NarPath(), {test::File(longer.nar + "more")});
  const auto origin = StartOrigin();
  const auto far = Start(origin->addresses());
  for (const auto& path : {cut, longer}) {
    ASSERT_EQ(far->Get(path.NarInfoPath()).status, 200);
    const auto answer = far->Get(path.NarPath());
    EXPECT_TRUE(answer.status == 404 || answer.body.size() < path.nar.size() + 4) << answer.status;
    EXPECT_FALSE(answer.body == path.nar);
  }
  // The client may be told before the file is gone.
  while (far->source->cache().bytes() > 0) {
    std::this_thread::yield();
  }
}

TEST_F(FallbackTest, ANarInfoThatNoTrustedKeySignedIsNotGiven) {
  Publish(1, "nar 1");
  const auto path = MakePath(7, 1000, ThrowAwayKey(std::byte{2}));
  upstream_.Serve(path.NarInfoPath(), {Answer(200, path.narinfo)});
  upstream_.Serve(path.NarPath(), {test::File(path.nar)});
  const auto origin = StartOrigin();
  const auto far = Start(origin->addresses());
  const auto refused = far->Get(path.NarInfoPath());
  EXPECT_EQ(refused.status, 404);
  EXPECT_EQ(refused.Header("X-Hypercore-Reason"), "fallback-untrusted");
  EXPECT_EQ(refused.Header("Cache-Control"), "no-store");
  EXPECT_EQ(far->Get(path.NarPath()).status, 404);
  EXPECT_EQ(Gets(upstream_, path.NarPath()), 0);
}

TEST_F(FallbackTest, ANarInfoWhoseNarIsNotThereIsNotGiven) {
  Publish(1, "nar 1");
  const auto path = MakePath(7, 1000, ThrowAwayKey(std::byte{1}));
  upstream_.Serve(path.NarInfoPath(), {Answer(200, path.narinfo)});
  const auto origin = StartOrigin();
  const auto far = Start(origin->addresses());
  EXPECT_EQ(far->Get(path.NarInfoPath()).status, 404);
  EXPECT_EQ(far->Get(path.NarPath()).status, 404);
}

TEST_F(FallbackTest, AnUpstreamThatFailsIsLeftAlone) {
  Publish(1, "nar 1");
  upstream_.ServeAll(Answer(500, "broken"));
  const auto origin = StartOrigin();
  const auto far = Start(origin->addresses());
  for (int number = 7; number < 12; ++number) {
    const auto refused = far->GetNarInfo(number);
    EXPECT_EQ(refused.status, 404);
    EXPECT_EQ(refused.Header("X-Hypercore-Reason"), "fallback-down");
    EXPECT_EQ(refused.Header("Cache-Control"), "no-store");
  }
  EXPECT_EQ(upstream_.Count("/" + StoreHash(7) + ".narinfo"), 1);
  EXPECT_EQ(upstream_.Count("/" + StoreHash(11) + ".narinfo"), 0);
}

TEST_F(FallbackTest, ManyWhoWantOneNarShareOneDownload) {
  Publish(1, "nar 1");
  const auto path = Offer(7, 4'000'000);
  const auto origin = StartOrigin();
  const auto far = Start(origin->addresses());
  ASSERT_EQ(far->Get(path.NarInfoPath()).status, 200);
  std::atomic<int> whole{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back([&] { whole += far->Get(path.NarPath()).body == path.nar ? 1 : 0; });
  }
  for (auto& client : clients) {
    client.join();
  }
  EXPECT_EQ(whole, 6);
  EXPECT_EQ(Gets(upstream_, path.NarPath()), 1);
}

TEST_F(FallbackTest, ABrokenTransferIsContinued) {
  Publish(1, "nar 1");
  const auto path = Offer(7, 2'000'000);
  upstream_.Serve(path.NarPath(),
                  {HeadThen(path.nar, test::ResetAfter(path.nar, 700'000)),
                   HeadThen(path.nar, test::ResetAfter(path.nar, 700'000)), test::File(path.nar)});
  const auto origin = StartOrigin();
  const auto far = Start(origin->addresses());
  ASSERT_EQ(far->Get(path.NarInfoPath()).status, 200);
  EXPECT_TRUE(far->Get(path.NarPath()).body == path.nar);
}

TEST_F(FallbackTest, RangesComeOfWhatIsOnItsWay) {
  Publish(1, "nar 1");
  const auto path = Offer(7, 2'000'000);
  const auto origin = StartOrigin();
  const auto far = Start(origin->addresses());
  ASSERT_EQ(far->Get(path.NarInfoPath()).status, 200);
  const auto part = far->Get(path.NarPath(), "Range: bytes=1000000-1000099\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_TRUE(part.body == path.nar.substr(1'000'000, 100));
}

TEST_F(FallbackTest, ANarThatThePeersCannotSendIsFinishedByTheUpstream) {
  const auto path = Offer(7, 6'000'000);
  PublishSame(7, path);
  const auto origin = StartOrigin(3'000'000);
  const auto far = Start(origin->addresses());
  ASSERT_EQ(far->Get(path.NarInfoPath()).status, 200);
  EXPECT_EQ(upstream_.Count(path.NarInfoPath()), 0);
  RawClient client(far->server->port());
  client.Send(Request(path.NarPath()));
  (void)client.ReceiveSome(300'000);
  origin->Stop();
  const auto answer = client.Receive();
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body == path.nar);
  EXPECT_EQ(Gets(upstream_, path.NarPath()), 1);
  EXPECT_GT(Metric(*far, "hnx_gateway_nar_bytes_total{source=\"peers\"}"), 0);
  EXPECT_GT(Metric(*far, "hnx_gateway_nar_bytes_total{source=\"fallback\"}"), 0);
}

TEST_F(FallbackTest, WithNobodyThereTheUpstreamServesWhatTheIndexNames) {
  const auto path = Offer(7);
  PublishSame(7, path);
  const auto origin = StartOrigin();
  const auto far = Start(origin->addresses());
  ASSERT_EQ(far->Get(path.NarInfoPath()).status, 200);
  origin->Stop();
  WaitUntilAlone(*far);
  EXPECT_EQ(far->Get(path.NarInfoPath()).body, path.narinfo);
  EXPECT_TRUE(far->Get(path.NarPath()).body == path.nar);
}

TEST_F(FallbackTest, WhatCameFromTheUpstreamKeepsToTheBoundToo) {
  Publish(1, "nar 1");
  const auto origin = StartOrigin();
  const auto far = Start(origin->addresses(), 1'000'000);
  std::vector<Upstreamed> paths;
  for (int number = 7; number < 12; ++number) {
    paths.push_back(Offer(number, 400'000));
    ASSERT_EQ(far->Get(paths.back().NarInfoPath()).status, 200);
    ASSERT_TRUE(far->Get(paths.back().NarPath()).body == paths.back().nar);
  }
  while (far->source->cache().bytes() > 1'000'000) {
    ASSERT_TRUE(far->source->Refresh());
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ / "cache" / "fallback"), {}),
            4);
  EXPECT_TRUE(far->Get(paths.front().NarPath()).body == paths.front().nar);
}

TEST(UpstreamsTest, RefusesWhatCannotBeUsed) {
  const std::string key = ThrowAwayKey(std::byte{1}).public_key().ToString();
  EXPECT_TRUE(
      Upstreams::Create({.urls = {"https://cache.example/"}, .trusted_public_keys = {key}}));
  EXPECT_FALSE(Upstreams::Create({.urls = {"ftp://cache.example"}, .trusted_public_keys = {key}}));
  EXPECT_FALSE(Upstreams::Create({.urls = {}, .trusted_public_keys = {key}}));
  EXPECT_FALSE(Upstreams::Create({.urls = {"https://cache.example"}, .trusted_public_keys = {}}));
  EXPECT_FALSE(
      Upstreams::Create({.urls = {"https://cache.example"}, .trusted_public_keys = {"a:b"}}));
}

}  // namespace
}  // namespace hnx::gateway
