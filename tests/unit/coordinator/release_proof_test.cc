#include "mirror/format/release_proof.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hnx::mirror {
namespace {

std::string Hash(int n) {
  return fmt::format("{:032}", n);
}

std::string Line(int n, const std::string& file, int size) {
  return fmt::format("{} {} {} shardid 5,1,1,{}", Hash(n), file, size, size);
}

std::string Manifest(int published, int missing, int nars, int bytes) {
  return fmt::format(
      R"({{"formatVersion":1,"channel":"c","release":"r","revision":"abc","match":["x"],"exclude":[],
"manifestRevision":2,"paths":{{"total":{},"published":{},"missing":{},"setAside":0,"blocked":1}},
"nars":{{"published":{},"bytes":{},"fileHashDrift":0}},
"releaseFiles":[{{"name":"store-paths.xz","size":7,"sha256":"00"}}],
"unpublished":[
{{"path":"/nix/store/{}-a","state":"missing","reason":"http-404"}},
{{"path":"/nix/store/{}-b","state":"blocked","blockedBy":"/nix/store/{}-a"}}]}})",
      published + missing + 1, published, missing, nars, bytes, Hash(8), Hash(9), Hash(8));
}

TEST(ReleaseProof, AddsUp) {
  ReleaseProof proof;
  std::vector<std::string> unpublished;
  ASSERT_TRUE(proof
                  .ReadManifest(Manifest(3, 1, 2, 30),
                                [&](const UnpublishedPath& path) {
                                  unpublished.push_back(path.state + path.reason);
                                })
                  .has_value());
  EXPECT_EQ(unpublished, (std::vector<std::string>{"missinghttp-404", "blocked"}));
  EXPECT_EQ(proof.manifest().files.at(0).name, "store-paths.xz");
  EXPECT_EQ(proof.manifest().match, std::vector<std::string>{"x"});
  for (const auto& line : {Line(1, "f", 10), Line(2, "g", 20), Line(3, "f", 10)}) {
    ASSERT_TRUE(proof.TakeLine(line).has_value()) << line;
  }
  EXPECT_EQ(proof.Findings(), std::vector<std::string>{});
}

TEST(ReleaseProof, CountsWhatABudgetLeftOut) {
  const auto findings = [](int left_out) {
    ReleaseProof proof;
    const std::string manifest = fmt::format(
        R"({{"formatVersion":1,"channel":"c","release":"r","revision":"abc","manifestRevision":1,
"paths":{{"total":2,"published":1,"missing":0,"setAside":0,"blocked":0,"leftOut":{}}},
"budget":{{"bytes":10,"leftOutBytes":5}},"nars":{{"published":1,"bytes":10}},"releaseFiles":[],
"unpublished":[{{"path":"/nix/store/{}-a","state":"left_out","reason":"budget"}}]}})",
        left_out, Hash(8));
    EXPECT_TRUE(proof.ReadManifest(manifest, [](const UnpublishedPath&) {}).has_value());
    EXPECT_TRUE(proof.TakeLine(Line(1, "f", 10)).has_value());
    EXPECT_EQ(proof.manifest().budget_bytes, 10U);
    return proof.Findings();
  };
  EXPECT_EQ(findings(1), std::vector<std::string>{});
  EXPECT_EQ(findings(0), (std::vector<std::string>{
                             "manifest.json says 2 paths in all, there are 1",
                             "manifest.json says 0 paths left out by the budget, there are 1"}));
}

TEST(ReleaseProof, SaysWhatDoesNotAddUp) {
  ReleaseProof proof;
  ASSERT_TRUE(proof.ReadManifest(Manifest(2, 5, 1, 99), [](const UnpublishedPath&) {}).has_value());
  ASSERT_TRUE(proof.TakeLine(Line(1, "f", 10)).has_value());
  const auto findings = proof.Findings();
  ASSERT_EQ(findings.size(), 3U);
  EXPECT_EQ(findings[0], "manifest.json says 5 missing paths, there are 1");
  EXPECT_EQ(findings[1], "manifest.json says 2 published paths, there are 1");
  EXPECT_EQ(findings[2], "manifest.json says 99 bytes of NARs, there are 10");
}

TEST(ReleaseProof, RefusesWhatIsNoManifest) {
  for (const std::string text :
       {"", "{}", "[1]", R"({"formatVersion":2})", "{\"formatVersion\":"}) {
    ReleaseProof proof;
    EXPECT_FALSE(proof.ReadManifest(text, [](const UnpublishedPath&) {}).has_value()) << text;
  }
}

TEST(ReleaseProof, RefusesLinesThatAreNoneOrOutOfOrder) {
  ReleaseProof proof;
  ASSERT_TRUE(proof.TakeLine(Line(5, "f", 10)).has_value());
  EXPECT_FALSE(proof.TakeLine(Line(5, "f", 10)).has_value()) << "twice";
  EXPECT_FALSE(proof.TakeLine(Line(4, "f", 10)).has_value()) << "not in order";
  const std::string good = Line(6, "f", 10);
  for (const std::string& bad :
       {std::string(), good.substr(1), good + ",1", good + " x", good.substr(0, good.size() - 3),
        Hash(6) + " ../f 10 shardid 5,1,1,10", Hash(6) + " f -1 shardid 5,1,1,10",
        Hash(6) + " f 10 shardid 5,1,1"}) {
    EXPECT_FALSE(proof.TakeLine(bad).has_value()) << bad;
  }
  EXPECT_TRUE(proof.TakeLine(good).has_value());
}

}  // namespace
}  // namespace hnx::mirror
