#include "gateway/substituter/route.h"

#include <string>

#include <gtest/gtest.h>

namespace hnx::gateway {
namespace {

constexpr std::string_view kRouteHash = "0123456789abcdfghijklmnpqrsvwxyz";

RouteKind KindOf(const std::string& path) {
  return ParseRoute(path).kind;
}

TEST(ParseRoute, KnowsWhatASubstituterServes) {
  EXPECT_EQ(KindOf("/nix-cache-info"), RouteKind::kCacheInfo);
  EXPECT_EQ(KindOf("/mirror.json"), RouteKind::kMirrorFile);
  EXPECT_EQ(KindOf("/README.txt"), RouteKind::kMirrorFile);
  EXPECT_EQ(KindOf("/"), RouteKind::kPage);
  for (const std::string path : {"/metrics", "/healthz", "/readyz"}) {
    EXPECT_EQ(KindOf(path), RouteKind::kHealth) << path;
  }
  const std::string narinfo = "/" + std::string(kRouteHash) + ".narinfo";
  EXPECT_EQ(KindOf(narinfo), RouteKind::kNarInfo);
  EXPECT_EQ(ParseRoute(narinfo).first, kRouteHash);
  const Route nar = ParseRoute("/nar/1094wph9z4nwlgvsd53abfz8i117ykiv5dwnq9nnhz846s7xqd7d.nar.xz");
  EXPECT_EQ(nar.kind, RouteKind::kNar);
  EXPECT_EQ(nar.first, "1094wph9z4nwlgvsd53abfz8i117ykiv5dwnq9nnhz846s7xqd7d.nar.xz");
}

TEST(ParseRoute, KnowsTheChannelHostsPaths) {
  EXPECT_EQ(KindOf("/channels/nixos-unstable"), RouteKind::kChannel);
  EXPECT_EQ(KindOf("/channels/nixos-unstable/"), RouteKind::kChannel);
  EXPECT_EQ(KindOf("/nixos-unstable"), RouteKind::kChannel);
  EXPECT_EQ(KindOf("/nixos-unstable/nixexprs.tar.xz"), RouteKind::kChannelEntry);
  EXPECT_EQ(KindOf("/channels/nixos-unstable/latest"), RouteKind::kChannelEntry);
  const Route file = ParseRoute("/channels/nixos-26.05/nixos-26.05.1.abc/store-paths.xz");
  EXPECT_EQ(file.kind, RouteKind::kReleaseFile);
  EXPECT_EQ(file.first, "nixos-26.05");
  EXPECT_EQ(file.second, "nixos-26.05.1.abc");
  EXPECT_EQ(file.third, "store-paths.xz");
}

TEST(ParseRoute, G1RefusesHostilePaths) {
  const std::string hash(kRouteHash);
  for (const std::string& path : {std::string(""),
                                  std::string("nix-cache-info"),
                                  std::string("//"),
                                  std::string("/../../etc/passwd"),
                                  std::string("/nar/../mirror.json"),
                                  std::string("/%2e%2e/%2e%2e/etc/passwd"),
                                  std::string("/nar/%2e%2e%2fmirror.json"),
                                  std::string("//nar/x"),
                                  std::string("/nar//x"),
                                  std::string("/nar/"),
                                  std::string("/nar"),
                                  std::string("/nar/.hidden"),
                                  std::string("/nar/a/b"),
                                  std::string("/nar/x/"),
                                  std::string("/nar/x y"),
                                  std::string("/nar/x\\y"),
                                  std::string("/nar/x\0y", 8),
                                  std::string("/nar/\xc3\xa4"),
                                  "/" + hash + ".narinfo/",
                                  "/" + hash.substr(1) + ".narinfo",
                                  "/" + hash + "0.narinfo",
                                  "/E" + hash.substr(1) + ".narinfo",
                                  "/e" + hash.substr(1) + ".narinfo",
                                  "/" + hash + ".narinfo.narinfo",

                                  std::string("/channels"),
                                  std::string("/channels/"),
                                  std::string("/channels//x"),
                                  std::string("/channels/a/../b"),
                                  std::string("/channels/a/b/c/d"),
                                  std::string("/channels/a/b/c/"),
                                  std::string("/a/b/c"),
                                  std::string("/.git"),
                                  std::string("/.git/config"),
                                  "/" + std::string(64 * 1024, 'a'),
                                  "/nar/" + std::string(256, 'a')}) {
    EXPECT_EQ(KindOf(path), RouteKind::kBad) << path.substr(0, 100);
  }
}

TEST(ParseRoute, G6KnowsWhatOtherCachesHaveAndWeDoNot) {
  for (const std::string& path :
       {"/" + std::string(kRouteHash) + ".ls", std::string("/log/x.drv"),
        std::string("/realisations/sha256:abc!out.doi"), std::string("/debuginfo/abcdef"),
        std::string("/build-trace-v2/x.drv/out.doi")}) {
    EXPECT_EQ(KindOf(path), RouteKind::kNotServed) << path;
  }
}

}  // namespace
}  // namespace hnx::gateway
