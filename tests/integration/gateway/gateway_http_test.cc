// The catalogue of hostile and old clients, G1 to G8, over a real socket and real drives.
#include <fmt/format.h>

#include "mirror_fixture.h"

namespace hnx::gateway {
namespace {

class GatewayHttpTest : public MirrorTest {
 protected:
  GatewayHttpTest() { Publish(1, nar_); }

  const std::string nar_ = fmt::format("{:n>100000}end", "");
  const std::string nar_path_ = "/nar/" + NarFileName(1);
  const std::string narinfo_path_ = "/" + StoreHash(1) + ".narinfo";
};

TEST_F(GatewayHttpTest, G1HostilePathsGetNothing) {
  for (const std::string& path :
       {std::string("/../../etc/passwd"), std::string("/%2e%2e/%2e%2e/etc/passwd"),
        std::string("/nar/..%2fmirror.json"), "/" + nar_path_, std::string("/nar/../mirror.json"),
        std::string("/./mirror.json"), std::string("/mirror.json/"), std::string("/nar/"),
        nar_path_ + "%00", narinfo_path_ + ".narinfo", std::string("/MIRROR.JSON"),
        std::string("http://evil/mirror.json"), std::string("*")}) {
    const auto answer = Get(path);
    EXPECT_TRUE(answer.status == 404 || answer.status == 400) << path << " " << answer.status;
    EXPECT_LT(answer.body.size(), 300U) << path;
  }
  const auto nul = Ask("GET " + nar_path_ + std::string("\0x", 2) + " HTTP/1.1\r\nHost: t\r\n\r\n");
  EXPECT_NE(nul.status, 500);
  const auto long_url = Get("/nar/" + std::string(64 * 1024, 'a'));
  EXPECT_TRUE(long_url.status == 414 || long_url.status == 400) << long_url.status;
}

TEST_F(GatewayHttpTest, G2HeadHasTheHeadersOfGetAndNoBody) {
  for (const auto& path : {nar_path_, narinfo_path_, std::string("/nix-cache-info")}) {
    RawClient client(server_->port());
    const auto get = client.Ask(Request(path));
    const auto head = client.Ask(Request(path, "", "HEAD"), false);
    EXPECT_EQ(get.status, 200);
    EXPECT_EQ(head.status, 200);
    for (const char* name : {"Content-Length", "Content-Type", "Cache-Control", "ETag",
                             "Accept-Ranges", "Content-Encoding"}) {
      EXPECT_EQ(head.Header(name), get.Header(name)) << path << " " << name;
    }
    EXPECT_EQ(client.Ask(Request("/healthz")).body, "{\"status\":\"alive\"}\n");
  }
}

TEST_F(GatewayHttpTest, G3RangesComeFromTheDrive) {
  const std::string last = std::to_string(nar_.size() - 1);
  const std::string size = std::to_string(nar_.size());
  auto answer = GetNar(1, "Range: bytes=99999-\r\n");
  EXPECT_EQ(answer.status, 206);
  EXPECT_EQ(answer.body, "nend");
  EXPECT_EQ(answer.Header("Content-Range"), "bytes 99999-" + last + "/" + size);
  answer = GetNar(1, "Range: bytes=-3\r\n");
  EXPECT_EQ(answer.status, 206);
  EXPECT_EQ(answer.body, "end");
  answer = GetNar(1, "Range: bytes=" + size + "-\r\n");
  EXPECT_EQ(answer.status, 416);
  EXPECT_EQ(answer.Header("Content-Range"), "bytes */" + size);
  for (const std::string range : {"bytes=0-1,5-6", "lines=1-2", "bytes=2-1", "bytes=x"}) {
    answer = GetNar(1, "Range: " + range + "\r\n");
    EXPECT_EQ(answer.status, 200) << range;
    EXPECT_EQ(answer.body.size(), nar_.size()) << range;
  }
}

TEST_F(GatewayHttpTest, G4OtherMethodsAreNotAllowed) {
  for (const std::string method : {"PUT", "POST", "DELETE"}) {
    EXPECT_EQ(Ask(Request("/nix-cache-info", "Content-Length: 3\r\n", method) + "abc").status, 405)
        << method;
  }
}

TEST_F(GatewayHttpTest, G5NothingIsEverEncoded) {
  for (const auto& path : {nar_path_, narinfo_path_}) {
    const auto answer = Get(path, "Accept-Encoding: zstd, br, gzip, deflate\r\n");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.Header("Content-Encoding"), "");
  }
  EXPECT_TRUE(Get(nar_path_).body == nar_);
  EXPECT_EQ(Get(narinfo_path_).body, NarInfoText(1, NarFileName(1)));
}

TEST_F(GatewayHttpTest, G6UnknownObjectsAreShortPlain404s) {
  for (const std::string& path :
       {"/" + StoreHash(2) + ".narinfo", "/" + StoreHash(1) + ".ls", "/nar/" + NarFileName(2),
        std::string("/log/x.drv"), std::string("/realisations/sha256:x!out.doi"),
        std::string("/build-trace-v2/x/out.doi"), std::string("/debuginfo/abc")}) {
    const auto answer = Get(path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.Header("Content-Type"), "text/plain; charset=utf-8") << path;
    EXPECT_EQ(answer.Header("Cache-Control"), "public, max-age=3600") << path;
    EXPECT_NE(answer.Header("X-Hypercore-Reason"), "") << path;
    EXPECT_LT(answer.body.size(), 100U) << path;
  }
}

TEST_F(GatewayHttpTest, G7ARetiredPathLosesItsNarInfoAndKeepsItsNar) {
  Unpublish(1);
  EXPECT_EQ(GetNarInfo(1).status, 404);
  EXPECT_EQ(GetNar(1).status, 200);
}

TEST_F(GatewayHttpTest, G8CacheInfoIsOurOwn) {
  PutInIndex("/nix-cache-info", "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n");
  const auto answer = Get("/nix-cache-info");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n");
}

TEST_F(GatewayHttpTest, NarsMayBeKeptForEverAndAskedForConditionally) {
  const auto answer = GetNar(1);
  EXPECT_EQ(answer.Header("Cache-Control"), "public, max-age=31536000, immutable");
  EXPECT_EQ(answer.Header("Accept-Ranges"), "bytes");
  const auto etag = answer.Header("ETag");
  EXPECT_EQ(etag.front(), '"');
  RawClient client(server_->port());
  const auto same = client.Ask(Request(nar_path_, "If-None-Match: " + etag + "\r\n"), false);
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.Header("ETag"), etag);
  EXPECT_EQ(client.Ask(Request("/healthz")).body, "{\"status\":\"alive\"}\n");
}

TEST_F(GatewayHttpTest, ManyClientsReadWhileTheMirrorGrows) {
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      RawClient client(server_->port());
      while (!stop) {
        wrong += client.Ask(Request(narinfo_path_)).body == NarInfoText(1, NarFileName(1)) ? 0 : 1;
        wrong += client.Ask(Request(nar_path_)).body == nar_ ? 0 : 1;
      }
    });
  }
  for (int number = 2; number < 15; ++number) {
    Publish(number, "nar of " + std::to_string(number));
    EXPECT_EQ(GetNarInfo(number).status, 200) << number;
    EXPECT_EQ(GetNar(number).body, "nar of " + std::to_string(number));
  }
  stop = true;
  for (auto& reader : readers) {
    reader.join();
  }
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace hnx::gateway
