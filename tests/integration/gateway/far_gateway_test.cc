// The gateway from afar: real drives, served by nodes of this process over TCP, and a gateway that
// knows the index's key and addresses only.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "far_fixture.h"
#include "mirror/drive_link.h"

namespace hnx::gateway {
namespace {

TEST_F(FarGatewayTest, AColdGatewayAnswersWithTheOriginsBytes) {
  const std::string nar = Noise(3'000'000, 1);
  Publish(1, nar);
  const auto origin = StartOrigin();
  const auto far = StartFar(origin->addresses());
  const auto narinfo = far->GetNarInfo(1);
  EXPECT_EQ(narinfo.status, 200) << narinfo.body;
  EXPECT_EQ(narinfo.body, NarInfoText(1, NarFileName(1)));
  const auto answer = far->GetNar(1);
  EXPECT_EQ(answer.status, 200) << answer.body.substr(0, 100);
  EXPECT_TRUE(answer.body == nar);
  EXPECT_EQ(far->GetNarInfo(2).Header("X-Hypercore-Reason"), "unknown-narinfo");
}

TEST_F(FarGatewayTest, WhatIsHeldOutlivesTheOriginAndTheRestIsRefusedQuickly) {
  const std::string nar = Noise(1'000'000, 1);
  Publish(1, nar);
  Publish(2, Noise(1'000'000, 2));
  const auto origin = StartOrigin();
  const auto far = StartFar(origin->addresses());
  ASSERT_TRUE(far->GetNar(1).body == nar);
  ASSERT_EQ(far->GetNarInfo(1).status, 200);
  ASSERT_EQ(far->GetNarInfo(2).status, 200);
  origin->Stop();
  WaitUntilAlone(*far);
  EXPECT_EQ(far->GetNarInfo(1).status, 200);
  EXPECT_TRUE(far->GetNar(1).body == nar);
  const auto begin = std::chrono::steady_clock::now();
  const auto narinfo = far->GetNarInfo(2);
  const auto refused = far->GetNar(2);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_EQ(narinfo.status, 404);
  EXPECT_EQ(narinfo.Header("X-Hypercore-Reason"), "no-peers");
  EXPECT_EQ(narinfo.Header("Cache-Control"), "no-store");
  EXPECT_EQ(refused.status, 404);
  EXPECT_EQ(refused.Header("X-Hypercore-Reason"), "no-peers");
  EXPECT_EQ(far->Get("/nix-cache-info").status, 200);
}

TEST_F(FarGatewayTest, CacheInfoNeedsNobody) {
  const auto far = StartFar({"127.0.0.1:1"});
  EXPECT_EQ(far->Get("/nix-cache-info").status, 200);
  EXPECT_EQ(far->Get("/readyz").status, 503);
  EXPECT_EQ(far->Get("/healthz").status, 200);
}

TEST_F(FarGatewayTest, RangesComeOfWhatIsNotHere) {
  const std::string nar = Noise(3'000'000, 1);
  Publish(1, nar);
  const auto origin = StartOrigin();
  const auto far = StartFar(origin->addresses());
  const auto part = far->GetNar(1, "Range: bytes=1000000-1000099\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.Header("Content-Range"), "bytes 1000000-1000099/3000000");
  EXPECT_TRUE(part.body == nar.substr(1'000'000, 100));
  EXPECT_LT(BytesSent(*origin), 1'500'000U);
  EXPECT_TRUE(far->GetNar(1, "Range: bytes=2900000-\r\n").body == nar.substr(2'900'000));
  EXPECT_TRUE(far->GetNar(1).body == nar);
}

TEST_F(FarGatewayTest, ManyWhoWantOneNarShareOneDownload) {
  const std::string nar = Noise(4'000'000, 1);
  Publish(1, nar);
  const auto origin = StartOrigin();
  const auto far = StartFar(origin->addresses());
  ASSERT_EQ(far->GetNarInfo(1).status, 200);
  std::atomic<int> whole{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back([&] { whole += far->GetNar(1).body == nar ? 1 : 0; });
  }
  for (auto& client : clients) {
    client.join();
  }
  EXPECT_EQ(whole, 6);
  EXPECT_LT(BytesSent(*origin), nar.size() + nar.size() / 4);
}

TEST_F(FarGatewayTest, EvictionKeepsTheBoundAndWhatWentComesAgain) {
  std::vector<std::string> nars;
  for (int number = 0; number < 6; ++number) {
    nars.push_back(Noise(1'000'000, static_cast<std::uint64_t>(number) + 1));
    Publish(number, nars.back());
  }
  const auto origin = StartOrigin();
  const auto far = StartFar(origin->addresses(), 2'500'000);
  for (int number = 0; number < 6; ++number) {
    EXPECT_TRUE(far->GetNar(number).body == nars.at(static_cast<std::size_t>(number))) << number;
    ASSERT_TRUE(far->source->Refresh());
    EXPECT_LE(far->source->cache().bytes(), 3'500'000U);
  }
  while (far->source->cache().bytes() > 2'500'000) {
    ASSERT_TRUE(far->source->Refresh());
  }
  const auto shard = MustHave(far->mirror->Drive(shard_->key()));
  EXPECT_LE(MustHave(shard->Status()).bytes_on_disk, 2'700'000U);
  EXPECT_TRUE(far->GetNar(0).body == nars.at(0));
}

TEST_F(FarGatewayTest, TheBoundHoldsAfterARestart) {
  for (int number = 0; number < 4; ++number) {
    Publish(number, Noise(1'000'000, static_cast<std::uint64_t>(number)));
  }
  const auto origin = StartOrigin();
  {
    const auto far = StartFar(origin->addresses());
    for (int number = 0; number < 4; ++number) {
      ASSERT_EQ(far->GetNar(number).status, 200);
    }
  }
  const auto far = StartFar(origin->addresses(), 1'500'000);
  ASSERT_EQ(far->GetNarInfo(1).status, 200);
  while (far->source->cache().bytes() > 1'500'000) {
    ASSERT_TRUE(far->source->Refresh());
  }
  const auto shard = MustHave(far->mirror->Drive(shard_->key()));
  EXPECT_LE(MustHave(shard->Status()).bytes_on_disk, 1'700'000U);
}

TEST_F(FarGatewayTest, APeerThatDiesInTheMiddleIsReplacedFromThePointReached) {
  const std::string nar = Noise(6'000'000, 1);
  Publish(1, nar);
  auto first = StartOrigin(3'000'000);
  const auto second = StartOrigin(3'000'000);
  const auto far = StartFar({first->addresses().front(), second->addresses().front()});
  ASSERT_EQ(far->GetNarInfo(1).status, 200);
  RawClient client(far->server->port());
  client.Send(Request("/nar/" + NarFileName(1)));
  (void)client.ReceiveSome(300'000);
  first->Stop();
  const auto answer = client.Receive();
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body == nar);
}

TEST_F(FarGatewayTest, LinksIntoUnlistedShardsAreAbsent) {
  Publish(1, "nar");
  const std::string file = NarFileName(2);
  LinkInIndex("/nar/" + file, mirror::DriveLink::Make(index_->content_key(), file));
  PutInIndex("/" + StoreHash(2) + ".narinfo", NarInfoText(2, file));
  const auto origin = StartOrigin();
  const auto far = StartFar(origin->addresses());
  EXPECT_EQ(far->GetNarInfo(1).status, 200);
  EXPECT_EQ(far->GetNarInfo(2).Header("X-Hypercore-Reason"), "nar-not-here");
  EXPECT_EQ(far->GetNar(2).Header("X-Hypercore-Reason"), "unknown-nar");
}

TEST_F(FarGatewayTest, WhatIsPublishedLaterIsFoundAndServedOn) {
  Publish(1, "nar 1");
  const auto origin = StartOrigin();
  const auto far = StartFar(origin->addresses());
  EXPECT_EQ(far->GetNar(1).body, "nar 1");
  Publish(2, "nar 2");
  origin->RefreshServed(shard_->key());
  origin->RefreshServed(index_->key());
  while (far->GetNarInfo(2).status != 200) {
    std::this_thread::yield();
  }
  EXPECT_EQ(far->GetNar(2).body, "nar 2");
  // Another gateway that knows of the first only.
  origin->Stop();
  const auto next = StartFar(far->mirror->node().addresses(), std::uint64_t{1} << 30, "cache-2");
  EXPECT_EQ(next->GetNar(2).body, "nar 2");
}

TEST_F(FarGatewayTest, WhatIsHeldOfAShardThatLeftTheMirrorGoes) {
  Publish(1, Noise(1'000'000, 1));
  const auto origin = StartOrigin();
  const auto far = StartFar(origin->addresses());
  ASSERT_EQ(far->GetNar(1).status, 200);
  const auto folder = folder_ / "cache" / shard_->key().id();
  ASSERT_TRUE(std::filesystem::exists(folder));
  ASSERT_GT(far->source->cache().bytes(), 0U);
  mirror::MirrorJson description;
  description.upstream = "https://cache.example";
  PutInIndex("/mirror.json", description.Serialize());
  origin->RefreshServed(index_->key());
  while (far->source->cache().bytes() > 0) {
    std::this_thread::yield();
  }
  EXPECT_FALSE(std::filesystem::exists(folder));
  EXPECT_EQ(far->GetNarInfo(1).Header("X-Hypercore-Reason"), "nar-not-here");
}

// The real Nix: a path that was made here, substituted through a gateway with an empty disk.
TEST_F(FarGatewayTest, NixCopiesFromAColdGateway) {
  ASSERT_EQ(std::system("command -v nix-store > /dev/null"), 0)
      << "install nix-bin: tools/install-packages test";
  const std::string work = (folder_ / "nix").string();
  std::filesystem::create_directories(work + "/home");
  const std::string payload = Noise(700'000, 1);
  std::ofstream(work + "/payload", std::ios::binary) << payload;
  const std::string copy =
      "HOME=" + work + "/home nix --extra-experimental-features nix-command copy --no-check-sigs ";
  const auto run = [&work](const std::string& command) {
    return std::system((command + " >> " + work + "/log 2>&1").c_str());
  };
  ASSERT_EQ(run("HOME=" + work + "/home nix-store --store " + work + "/store --add " + work +
                "/payload | tee " + work + "/path"),
            0);
  std::string path;
  std::ifstream(work + "/path") >> path;
  ASSERT_EQ(run(copy + "--from " + work + "/store --to file://" + work + "/made " + path), 0);
  for (const auto& file : std::filesystem::directory_iterator(work + "/made/nar")) {
    const std::string name = file.path().filename();
    MustHave(shard_->Put("/nar/" + name, AsBytes(MustHave(ReadWholeFile(file.path(), 1 << 24)))));
    LinkInIndex("/nar/" + name, mirror::DriveLink::Make(shard_->key(), name));
  }
  for (const auto& file : std::filesystem::directory_iterator(work + "/made")) {
    if (file.path().extension() == ".narinfo") {
      PutInIndex("/" + file.path().filename().string(),
                 MustHave(ReadWholeFile(file.path(), 1 << 20)));
    }
  }
  const auto origin = StartOrigin();
  const auto far = StartFar(origin->addresses());
  const auto copied =
      run(copy + "--from http://" + far->server->address() + " --to " + work + "/copied " + path);
  EXPECT_EQ(copied, 0) << MustHave(ReadWholeFile(work + "/log", 1 << 20));
  EXPECT_TRUE(MustHave(ReadWholeFile(work + "/copied" + path, 1 << 24)) == payload);
  ASSERT_EQ(std::system(("chmod -R u+w " + work).c_str()), 0);
}

}  // namespace
}  // namespace hnx::gateway
