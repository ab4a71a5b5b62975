#include "gateway/substituter/gateway.h"

#include <gtest/gtest.h>

#include "fake_mirror.h"
#include "gateway/gateway_options.h"
#include "gateway/substituter/file_answer.h"
#include "gateway/substituter/pages.h"

namespace hnx::gateway {
namespace {

std::string NarInfoText(const std::string& url) {
  return "StorePath: /nix/store/" + kHash + "-hello\nURL: " + url +
         "\nCompression: xz\nFileHash: "
         "sha256:1094wph9z4nwlgvsd53abfz8i117ykiv5dwnq9nnhz846s7xqd7d\nFileSize: 4\nNarHash: "
         "sha256:1094wph9z4nwlgvsd53abfz8i117ykiv5dwnq9nnhz846s7xqd7d\nNarSize: 120\nReferences: "
         "\n";
}

class GatewayTest : public ::testing::Test {
 protected:
  GatewayTest() {
    mirror_.files["/" + kHash + ".narinfo"] = NarInfoText("nar/" + kNarFile);
    mirror_.files["/nar/" + kNarFile] = "0123456789";
    mirror_.files["/channels/nixos/latest"] = "nixos-2\n";
    mirror_.files["/channels/nixos/nixos-2/store-paths.xz"] = "paths";
    mirror_.files["/channels/nixos/nixos-2/manifest.json"] = "{}";
    mirror_.files["/channels/nixos/nixos-1/store-paths.xz"] = "old paths";
  }

  http::ServerResponse Get(const std::string& path,
                           std::map<std::string, std::string> headers = {}) {
    return gateway_.Answer(FakeRequest(path, std::move(headers)));
  }
  int StatusOf(const std::string& path) { return Get(path).effective_status(); }
  static std::string HeaderOf(const http::ServerResponse& response, const std::string& name) {
    for (const auto& header : response.headers) {
      if (header.name == name) {
        return header.value;
      }
    }
    return {};
  }
  static std::string BodyOf(const http::ServerResponse& response) {
    if (response.prepared) {
      return response.prepared->body();
    }
    if (!response.file) {
      return response.body;
    }
    std::string text(response.file->length, '\0');
    EXPECT_TRUE(ReadAt(response.file->fd.get(), response.file->offset,
                       std::as_writable_bytes(std::span(text))));
    return text;
  }
  std::string ReasonOf(const std::string& path) {
    return HeaderOf(Get(path), "X-Hypercore-Reason");
  }

  FakeMirror mirror_;
  http::MetricsRegistry metrics_;
  std::string trouble_;
  Gateway gateway_{mirror_, {.index_id = "abc"}, metrics_, [this] {
                     return std::vector<http::ReadyItem>{{.name = "mirror", .reason = trouble_}};
                   }};
  const std::string narinfo_ = "/" + kHash + ".narinfo";
  const std::string nar_ = "/nar/" + kNarFile;
};

TEST_F(GatewayTest, NarInfosComeVerbatim) {
  EXPECT_EQ(BodyOf(Get(narinfo_)), NarInfoText("nar/" + kNarFile));
}

TEST_F(GatewayTest, ANarInfoIsAbsentWhenItsNarIsNotNamed) {
  mirror_.files.erase(nar_);
  EXPECT_EQ(ReasonOf(narinfo_), "nar-not-here");
}

TEST_F(GatewayTest, ANarInfoIsAbsentWhenItsNarsBytesAreGone) {
  mirror_.gone.insert(nar_);
  EXPECT_EQ(ReasonOf(narinfo_), "nar-not-here");
  EXPECT_EQ(ReasonOf(nar_), "bytes-gone");
}

TEST_F(GatewayTest, ANarInfoThatIsNoneIsAbsent) {
  for (const std::string& text :
       {std::string("<html>"), std::string(), NarInfoText("/etc/passwd"),
        NarInfoText("nar/../mirror.json"), NarInfoText("file:///etc/passwd")}) {
    mirror_.files[narinfo_] = text;
    EXPECT_EQ(ReasonOf(narinfo_), "bad-narinfo") << text;
  }
}

TEST_F(GatewayTest, ANarInfoIsResolvedOncePerVersion) {
  ASSERT_EQ(StatusOf(narinfo_), 200);
  const int reads = mirror_.reads;
  EXPECT_EQ(StatusOf(narinfo_), 200);
  EXPECT_EQ(mirror_.reads, reads);
  ++mirror_.version_now;
  mirror_.files.erase(narinfo_);
  EXPECT_EQ(StatusOf(narinfo_), 404);
}

TEST_F(GatewayTest, ANewVersionReplacesANarInfoThatChanged) {
  ASSERT_EQ(StatusOf(narinfo_), 200);
  ++mirror_.version_now;
  const int reads = mirror_.reads;
  EXPECT_EQ(StatusOf(narinfo_), 200);
  EXPECT_EQ(mirror_.reads, reads + 1);  // only its entry was looked at
  ++mirror_.version_now;
  const auto changed = NarInfoText("nar/" + kNarFile) + "Sig: a-1:" + std::string(86, 'A') + "==\n";
  mirror_.files[narinfo_] = changed;
  EXPECT_EQ(BodyOf(Get(narinfo_)), changed);
}

TEST_F(GatewayTest, ANarThatTurnsOutGoneTakesItsNarInfoAlong) {
  ASSERT_EQ(StatusOf(narinfo_), 200);
  mirror_.gone.insert(nar_);
  EXPECT_EQ(StatusOf(nar_), 404);
  EXPECT_EQ(StatusOf(narinfo_), 404);
}

TEST_F(GatewayTest, AbsentPathsSaySoInWordsAndForAnHourAtMost) {
  const auto response = Get("/" + std::string(32, 'a') + ".narinfo");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(HeaderOf(response, "X-Hypercore-Reason"), "unknown-narinfo");
  EXPECT_EQ(HeaderOf(response, "Cache-Control"), "public, max-age=3600");
  EXPECT_EQ(HeaderOf(response, "Content-Type"), "text/plain; charset=utf-8");
  EXPECT_LT(response.body.size(), 100U);
}

TEST_F(GatewayTest, ADriveThatCannotBeReadIsUnavailableNotAbsent) {
  mirror_.broken = true;
  for (const auto& path :
       {narinfo_, nar_, std::string("/channels/nixos"), std::string("/mirror.json"),
        std::string("/channels/nixos/latest"), std::string("/channels/nixos/nixos-2/x")}) {
    EXPECT_EQ(StatusOf(path), 503) << path;
  }
  EXPECT_EQ(StatusOf("/nix-cache-info"), 200);
}

TEST_F(GatewayTest, G3RangesOfANar) {
  const auto part = Get(nar_, {{"Range", "bytes=2-4"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(BodyOf(part), "234");
  EXPECT_EQ(HeaderOf(part, "Content-Range"), "bytes 2-4/10");
  const auto behind = Get(nar_, {{"Range", "bytes=10-"}});
  EXPECT_EQ(behind.status, 416);
  EXPECT_EQ(HeaderOf(behind, "Content-Range"), "bytes */10");
  EXPECT_EQ(Get(nar_, {{"Range", "bytes=0-1,4-5"}}).status, 200);
}

TEST_F(GatewayTest, G3IfRangeHoldsOnlyForTheSameETag) {
  const auto etag = HeaderOf(Get(nar_), "ETag");
  EXPECT_EQ(Get(nar_, {{"Range", "bytes=2-4"}, {"If-Range", etag}}).status, 206);
  EXPECT_EQ(Get(nar_, {{"Range", "bytes=2-4"}, {"If-Range", "\"other\""}}).status, 200);
  EXPECT_EQ(Get(nar_, {{"Range", "bytes=2-4"}, {"If-Range", "W/" + etag}}).status, 200);
  EXPECT_EQ(
      Get(nar_, {{"Range", "bytes=2-4"}, {"If-Range", "Sun, 22 Nov 2026 12:00:00 GMT"}}).status,
      200);
}

TEST_F(GatewayTest, IfNoneMatchSavesTheBody) {
  const auto etag = HeaderOf(Get(nar_), "ETag");
  for (const auto& value : {etag, "\"x\", " + etag, std::string("*"), "W/" + etag}) {
    const auto response = Get(nar_, {{"If-None-Match", value}});
    EXPECT_EQ(response.status, 304) << value;
    EXPECT_FALSE(response.file) << value;
    EXPECT_EQ(HeaderOf(response, "ETag"), etag);
  }
  EXPECT_EQ(Get(nar_, {{"If-None-Match", "\"other\""}}).status, 200);
}

TEST_F(GatewayTest, G5NoEncodingWhateverTheClientAccepts) {
  for (const auto& path : {nar_, narinfo_}) {
    const auto response = Get(path, {{"Accept-Encoding", "zstd, br, gzip"}});
    EXPECT_EQ(HeaderOf(response, "Content-Encoding"), "") << path;
  }
}

TEST_F(GatewayTest, G8CacheInfoIsAlwaysThere) {
  mirror_.files.clear();
  mirror_.broken = true;
  EXPECT_EQ(BodyOf(Get("/nix-cache-info")),
            "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n");
}

TEST_F(GatewayTest, G8ThePriorityStaysBetween30And39) {
  EXPECT_EQ(CacheInfoText(39), "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 39\n");
  Gateway eager(mirror_, {.priority = 1}, metrics_, [] { return std::vector<http::ReadyItem>(); });
  EXPECT_EQ(eager.Answer(FakeRequest("/nix-cache-info")).prepared->body(), CacheInfoText(30));
}

TEST_F(GatewayTest, AChannelLeadsToItsNewestRelease) {
  for (const std::string path : {"/channels/nixos", "/channels/nixos/", "/nixos"}) {
    const auto response = Get(path);
    EXPECT_EQ(response.status, 302) << path;
    EXPECT_EQ(HeaderOf(response, "Location"), "/channels/nixos/nixos-2") << path;
  }
  for (const std::string path : {"/channels/nixos/store-paths.xz", "/nixos/store-paths.xz"}) {
    EXPECT_EQ(HeaderOf(Get(path), "Location"), "/channels/nixos/nixos-2/store-paths.xz") << path;
  }
}

TEST_F(GatewayTest, AReleaseListsItsFilesAndServesThem) {
  const auto page = Get("/channels/nixos/nixos-2");
  EXPECT_EQ(page.status, 200);
  EXPECT_NE(page.body.find("/channels/nixos/nixos-2/store-paths.xz"), std::string::npos);
  EXPECT_EQ(page.body.find("nixos-1"), std::string::npos);
  const auto file = Get("/channels/nixos/nixos-1/store-paths.xz");
  EXPECT_EQ(BodyOf(file), "old paths");
  EXPECT_EQ(HeaderOf(file, "Cache-Control"), kCacheForEver);
  EXPECT_EQ(HeaderOf(Get("/channels/nixos/nixos-2/manifest.json"), "Cache-Control"),
            kCacheForAMinute);
  EXPECT_EQ(BodyOf(Get("/channels/nixos/latest")), "nixos-2\n");
}

TEST_F(GatewayTest, WhatAChannelLacksIsAbsent) {
  for (const std::string path :
       {"/channels/nix", "/nix", "/nix/x", "/channels/nix/latest", "/channels/nixos/nixos-3",
        "/channels/nixos/nixos-3/store-paths.xz", "/channels/nixos/nixos-2/x"}) {
    EXPECT_EQ(StatusOf(path), 404) << path;
  }
}

TEST_F(GatewayTest, AHostileLatestFileLeadsNowhere) {
  for (const std::string text : {"", "../../x", "a/b", "x\r\nSet-Cookie: y", "..", "//evil"}) {
    mirror_.files["/channels/nixos/latest"] = text;
    EXPECT_EQ(StatusOf("/channels/nixos"), 404) << text;
  }
}

TEST_F(GatewayTest, ThePageShowsHowToUseItAndNoScripts) {
  const auto page = Get("/", {{"Host", "cache.example:8080"}});
  EXPECT_NE(page.body.find("extra-substituters = http://cache.example:8080"), std::string::npos);
  EXPECT_NE(page.body.find("/channels/nixos"), std::string::npos);
  const auto hostile = Get("/", {{"Host", "<script>alert(1)</script>"}});
  EXPECT_EQ(hostile.body.find("<script>"), std::string::npos);
}

TEST_F(GatewayTest, HealthFollowsReadiness) {
  EXPECT_EQ(StatusOf("/healthz"), 200);
  EXPECT_EQ(StatusOf("/readyz"), 200);
  trouble_ = "no drive";
  EXPECT_EQ(StatusOf("/healthz"), 200);
  const auto response = Get("/readyz");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body,
            "{\"status\":\"not ready\",\"checks\":[{\"name\":\"mirror\",\"ready\":false,"
            "\"reason\":\"no drive\"}]}\n");
}

TEST_F(GatewayTest, MetricsCountByHandlerAndCode) {
  StatusOf(narinfo_);
  StatusOf("/" + std::string(32, 'a') + ".narinfo");
  StatusOf(nar_);
  const auto text = Get("/metrics").body;
  for (const std::string line : {"hnx_gateway_requests_total{code=\"200\",handler=\"narinfo\"} 1",
                                 "hnx_gateway_requests_total{code=\"404\",handler=\"narinfo\"} 1",
                                 "hnx_gateway_response_bytes_total{handler=\"nar\"} 10",
                                 "hnx_gateway_narinfo_lookups_total{result=\"hit\"} 1",
                                 "hnx_gateway_narinfo_lookups_total{result=\"miss\"} 1"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

TEST(ParseIndexKey, TakesBothSpellingsWithAndWithoutTheScheme) {
  const std::string hex(64, 'a');
  const auto key = ParseIndexKey(hex);
  ASSERT_TRUE(key);
  EXPECT_EQ(ParseIndexKey("hyper://" + hex)->hex(), hex);
  EXPECT_EQ(ParseIndexKey("hyper://" + hex + "/")->hex(), hex);
  EXPECT_EQ(ParseIndexKey(key->id())->hex(), hex);
  for (const std::string& text : {std::string(), std::string("hyper://"), hex + "a",
                                  "hyper://" + hex + "/nar", "http://" + hex}) {
    EXPECT_FALSE(ParseIndexKey(text)) << text;
  }
}

}  // namespace
}  // namespace hnx::gateway
