// The walk against a cache that misbehaves, with a real PostgreSQL.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "bench/walk/generated_cache.h"
#include "coordinator/walk/walker.h"
#include "http/http_client.h"
#include "support/fault_http_server.h"
#include "walk_database.h"

namespace hnx::coordinator {
namespace {

using bench::GeneratedCache;
using std::chrono::milliseconds;
using test::Answer;
using test::FaultHandler;
using test::kCacheInfo;

class WalkTest : public ::testing::Test {
 protected:
  WalkTest() { server_.Serve("/nix-cache-info", {Answer(200, kCacheInfo)}); }

  void ServeAll() {
    for (std::uint64_t i = 0; i < cache_.size(); ++i) {
      server_.Serve(Url(i), {Answer(200, cache_.NarInfo(i))});
    }
  }
  void Serve(std::uint64_t index, std::vector<FaultHandler> handlers) {
    server_.Serve(Url(index), std::move(handlers));
  }
  std::string Url(std::uint64_t index) const {
    return "/" + cache_.Path(index).hash().ToString() + ".narinfo";
  }
  std::string UpstreamUrl() const {
    std::string url = server_.Url("/");
    url.pop_back();
    return url;
  }

  ReleaseId Submit(const std::vector<std::uint64_t>& roots, const std::string& upstream = {}) {
    std::vector<nix::StorePath> paths;
    for (const std::uint64_t root : roots) {
      paths.push_back(cache_.Path(root));
    }
    return database_.AddWalk(upstream.empty() ? UpstreamUrl() : upstream, paths);
  }

  static WalkOptions Impatient() {
    WalkOptions options = test::ImpatientWalk(64, 16);
    options.failures.throttled_attempts_max = 6;
    return options;
  }
  // The walk's one upstream is the server, whose narinfos are believed by this key.
  WalkPolicies Believing(const std::string& key) {
    const WalkPolicy policy{*nix::TrustedKeys::ParseText(key), {}, {}};
    const std::vector<ConfiguredUpstream> configured{{.url = UpstreamUrl(), .public_keys = {}}};
    const auto ids = database_.store().ConfigureUpstreams(configured);
    EXPECT_TRUE(ids.has_value());
    return {.upstreams = {{ids->front(), UpstreamUrl(), policy}}, .folders = policy};
  }
  std::unique_ptr<Walker> MakeWalker() {
    return std::make_unique<Walker>(client_, database_.store(), Believing(cache_.public_key()),
                                    Impatient());
  }
  bool IsWalked(ReleaseId release) {
    return database_.Ask("SELECT walked_at IS NOT NULL FROM release WHERE id = " +
                         std::to_string(release)) == "t";
  }
  // False: not within `rounds`.
  bool Walk(Walker& walker, ReleaseId release, int rounds = 400) {
    for (int i = 0; i < rounds && !IsWalked(release); ++i) {
      const milliseconds wait = std::min(walker.RunOnce(), milliseconds(5));
      (void)::poll(nullptr, 0, static_cast<int>(wait.count()));
    }
    return IsWalked(release);
  }
  bool Walk(ReleaseId release) { return Walk(*MakeWalker(), release); }

  std::string StateOf(std::uint64_t index) {
    return database_.Ask("SELECT state || coalesce(' ' || reason, '') FROM path WHERE hash = '" +
                         cache_.Path(index).hash().ToString() + "'");
  }
  // "state count", sorted.
  std::vector<std::string> States() {
    return database_.AskAll("SELECT state || ' ' || count(*) FROM path GROUP BY state ORDER BY 1");
  }

  GeneratedCache cache_{7, 300};
  test::FaultHttpServer server_;
  test::WalkDatabase database_;
  http::HttpClient client_{http::HttpClientOptions{}};
};

TEST_F(WalkTest, ReadsTheWholeClosureAndStoresItVerbatim) {
  ServeAll();
  ASSERT_TRUE(Walk(Submit(cache_.Roots())));
  EXPECT_EQ(States(), std::vector<std::string>{"known 300"});
  std::uint64_t references = 0;
  for (std::uint64_t i = 0; i < cache_.size(); ++i) {
    const auto of_path = cache_.References(i);
    references +=
        of_path.size() - static_cast<std::uint64_t>(std::count(of_path.begin(), of_path.end(), i));
  }
  EXPECT_EQ(database_.Ask("SELECT count(*) FROM path_reference"), std::to_string(references));
  EXPECT_EQ(
      database_.Ask("SELECT convert_from(n.content, 'UTF8') FROM path p JOIN narinfo n ON n.id "
                    "= p.narinfo_id WHERE p.hash = '" +
                    cache_.Path(42).hash().ToString() + "'"),
      cache_.NarInfo(42));
  for (std::uint64_t i = 0; i < cache_.size(); ++i) {
    EXPECT_EQ(server_.Count(Url(i)), 1) << i;
  }
}

TEST_F(WalkTest, TakesOnlyWhatTheRootsNeed) {
  ServeAll();
  ASSERT_TRUE(Walk(Submit({0})));
  EXPECT_EQ(States(), std::vector<std::string>{"known 1"});
}

TEST_F(WalkTest, AMissingNarInfoIsAStateAndNoReasonToStop) {
  ServeAll();
  Serve(5, {Answer(404, "404")});
  ASSERT_TRUE(Walk(Submit(cache_.Roots())));
  EXPECT_EQ(StateOf(5), "missing http-404");
  EXPECT_EQ(server_.Count(Url(5)), 1) << "authoritative: not asked again in this run";
  EXPECT_EQ(States(), (std::vector<std::string>{"known 299", "missing 1"}));
}

TEST_F(WalkTest, ASignatureThatDoesNotVerifyIsTriedThriceThenSetAside) {
  ServeAll();
  std::string forged = cache_.NarInfo(5);
  const std::size_t size = forged.find("NarSize: ") + 9;
  forged[size] = forged[size] == '9' ? '8' : static_cast<char>(forged[size] + 1);
  Serve(5, {Answer(200, forged)});
  ASSERT_TRUE(Walk(Submit(cache_.Roots())));
  EXPECT_EQ(StateOf(5), "set_aside signature-invalid");
  EXPECT_EQ(server_.Count(Url(5)), 3);
}

TEST_F(WalkTest, AnotherPathsNarInfoIsRefusedThoughItsSignatureIsGood) {
  ServeAll();
  Serve(5, {Answer(200, cache_.NarInfo(6))});
  ASSERT_TRUE(Walk(Submit(cache_.Roots())));
  EXPECT_EQ(StateOf(5), "set_aside store-path-mismatch");
}

TEST_F(WalkTest, AnErrorPageWithStatus200HealsWhenAskedAgain) {
  ServeAll();
  Serve(5, {Answer(200, "<html>portal</html>"), Answer(200, cache_.NarInfo(5))});
  ASSERT_TRUE(Walk(Submit(cache_.Roots())));
  EXPECT_EQ(StateOf(5), "known");
  EXPECT_EQ(server_.Count(Url(5)), 2);
}

TEST_F(WalkTest, TooManyRequestsAreHeldBackAndForgiven) {
  ServeAll();
  const test::HeaderList soon{{"Retry-After", "0"}};
  Serve(5, {Answer(503, "busy", soon), Answer(429, "busy", soon), Answer(200, cache_.NarInfo(5))});
  ASSERT_TRUE(Walk(Submit(cache_.Roots())));
  EXPECT_EQ(States(), std::vector<std::string>{"known 300"});
}

TEST_F(WalkTest, AnUpstreamThatAskedForAPauseIsNotAskedForAnythingUntilItsEnd) {
  ServeAll();
  server_.Serve("/nix-cache-info",
                {Answer(429, "slowly", {{"Retry-After", "3600"}}), Answer(200, kCacheInfo)});
  const ReleaseId release = Submit(cache_.Roots());
  WalkOptions options = Impatient();
  options.upstream_pauses.retry_after_cap = milliseconds(3'600'000);
  Walker walker(client_, database_.store(), Believing(cache_.public_key()), options);
  EXPECT_FALSE(Walk(walker, release, 30));
  EXPECT_EQ(server_.Count("/nix-cache-info"), 1);
  database_.Ask("UPDATE upstream_host SET paused_until = '-infinity' RETURNING 1");
  EXPECT_TRUE(Walk(release));
}

TEST_F(WalkTest, APathThatAlwaysFailsIsSetAsideAndTheWalkEnds) {
  ServeAll();
  Serve(5, {Answer(500, "broken")});
  Serve(299, {Answer(503, "busy", {{"Retry-After", "0"}})});
  ASSERT_TRUE(Walk(Submit(cache_.Roots())));
  EXPECT_EQ(StateOf(5), "set_aside http-500");
  EXPECT_EQ(StateOf(299), "set_aside http-503");
  EXPECT_EQ(server_.Count(Url(5)), 4);
}

TEST_F(WalkTest, AnOutageOfTheUpstreamSetsNoPathAside) {
  ServeAll();
  const ReleaseId release = Submit(cache_.Roots());
  // Everything fails, nix-cache-info after its first answer too.
  server_.Serve("/nix-cache-info", {Answer(200, kCacheInfo), Answer(502, "down")});
  for (std::uint64_t i = 0; i < cache_.size(); ++i) {
    Serve(i, {Answer(502, "down")});
  }
  auto walker = MakeWalker();
  EXPECT_FALSE(Walk(*walker, release, 30));
  EXPECT_EQ(database_.Ask("SELECT count(*) FROM path WHERE state <> 'discovered'"), "0");
  EXPECT_EQ(database_.Ask("SELECT max(attempts) FROM release_frontier"), "0");
  server_.Serve("/nix-cache-info", {Answer(200, kCacheInfo)});
  ServeAll();
  ASSERT_TRUE(Walk(*walker, release));
  EXPECT_EQ(States(), std::vector<std::string>{"known 300"});
}

TEST_F(WalkTest, AnUpstreamThatRefusesUsStopsTheAskingAndSaysSo) {
  ServeAll();
  Serve(5, {Answer(401, "who are you")});
  const ReleaseId release = Submit(cache_.Roots());
  auto walker = MakeWalker();
  EXPECT_FALSE(Walk(*walker, release, 10));
  EXPECT_NE(database_.Ask("SELECT message FROM release").find("refuses us altogether"),
            std::string::npos);
  EXPECT_EQ(StateOf(5), "discovered");
}

TEST_F(WalkTest, AnUpstreamOfAnotherStoreIsNotUsed) {
  ServeAll();
  server_.Serve("/nix-cache-info", {Answer(200, "StoreDir: /gnu/store\n")});
  const ReleaseId release = Submit(cache_.Roots());
  auto walker = MakeWalker();
  EXPECT_FALSE(Walk(*walker, release, 5));
  EXPECT_EQ(server_.Count(Url(299)), 0);
  EXPECT_NE(database_.Ask("SELECT message FROM release").find("nix-cache-info"), std::string::npos);
}

TEST_F(WalkTest, AnAbandonedWalkGoesOnWhereItsLastSaveWas) {
  ServeAll();
  const ReleaseId release = Submit(cache_.Roots());
  {
    const auto walk_release = database_.store().NextReleaseToWalk();
    ASSERT_TRUE(walk_release && *walk_release);
    auto verifier = std::make_shared<NarInfoVerifier>(1, 1000);
    const WalkOptions options = Impatient();
    WalkUpstream upstream(Believing(cache_.public_key()).upstreams[0], client_, database_.store(),
                          options.walk_window_max, options.upstream_pauses, Clock::Real());
    ReleaseWalk walk(**walk_release, database_.store(), {&upstream}, verifier, options);
    const auto outcome = walk.Run([&] { return walk.statistics().narinfos_saved >= 100; });
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(outcome->end, WalkEnd::kStopping);
  }
  ASSERT_TRUE(Walk(release));
  EXPECT_EQ(States(), std::vector<std::string>{"known 300"});
  int repeated = 0;
  for (std::uint64_t i = 0; i < cache_.size(); ++i) {
    repeated += server_.Count(Url(i)) - 1;
  }
  EXPECT_LE(repeated, 64) << "at most what was under way";
}

TEST_F(WalkTest, CyclesAndSelfReferencesEnd) {
  auto fields_a = cache_.Fields(0);
  auto fields_b = cache_.Fields(1);
  fields_a.references = {cache_.Path(1), cache_.Path(0)};
  fields_b.references = {cache_.Path(0)};
  const auto key = nix::SecretKey::FromSeed("loop-1", Bytes(32, std::byte{1}));
  ASSERT_TRUE(key.has_value());
  Serve(0, {Answer(200, nix::RenderNarInfo(fields_a, &*key))});
  Serve(1, {Answer(200, nix::RenderNarInfo(fields_b, &*key))});
  Walker walker(client_, database_.store(), Believing(key->public_key().ToString()), Impatient());
  ASSERT_TRUE(Walk(walker, Submit({0})));
  EXPECT_EQ(States(), std::vector<std::string>{"known 2"});
}

TEST_F(WalkTest, TheSignedNameReplacesTheClaimedOne) {
  ServeAll();
  const ReleaseId release = database_.AddRelease("test", UpstreamUrl());
  const std::vector<PathName> roots{{cache_.Path(0).hash().ToString(), "another-name"}};
  ASSERT_TRUE(database_.store().AddRoots(release, roots).has_value());
  ASSERT_TRUE(database_.store().BeginWalk(release).has_value());
  ASSERT_TRUE(Walk(release));
  EXPECT_EQ(database_.Ask("SELECT name FROM path"), cache_.Path(0).name());
}

TEST_F(WalkTest, TheNextReleaseReadsOnlyWhatIsNewAndAsksForTheMissingAgain) {
  ServeAll();
  Serve(5, {Answer(404, "404")});
  ASSERT_TRUE(Walk(Submit(cache_.Roots())));
  Serve(5, {Answer(200, cache_.NarInfo(5))});
  ASSERT_TRUE(Walk(Submit(cache_.Roots())));
  EXPECT_EQ(StateOf(5), "known");
  int requests = 0;
  for (std::uint64_t i = 0; i < cache_.size(); ++i) {
    requests += i == 5 ? 0 : server_.Count(Url(i));
  }
  EXPECT_EQ(requests, 299);
  EXPECT_EQ(database_.Ask("SELECT count(*) FROM release_path WHERE release_id = 2"), "300");
}

TEST_F(WalkTest, ANarInfoOfUnusualSizeIsReadOnASecondTry) {
  ServeAll();
  std::string large = cache_.NarInfo(5);
  large += "Comment: " + std::string(kUsualNarInfoBytesMax, 'x') + "\n";
  Serve(5, {Answer(200, large)});
  ASSERT_TRUE(Walk(Submit(cache_.Roots())));
  EXPECT_EQ(StateOf(5), "known");
  EXPECT_EQ(server_.Count(Url(5)), 2);
}

TEST_F(WalkTest, ANarInfoBeyondTheLimitIsSetAside) {
  ServeAll();
  Serve(5, {Answer(200, std::string(nix::kNarInfoSizeMax + 1, 'x'))});
  ASSERT_TRUE(Walk(Submit(cache_.Roots())));
  EXPECT_TRUE(StateOf(5).starts_with("set_aside")) << StateOf(5);
}

TEST_F(WalkTest, AFolderIsReadLikeAnUpstream) {
  std::string directory = "/tmp/hnx-walk-folder-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::filesystem::path folder = directory;
  std::ofstream(folder / "nix-cache-info") << kCacheInfo;
  for (std::uint64_t i = 0; i < cache_.size(); ++i) {
    if (i != 5 && i != 6) {
      std::ofstream(folder.string() + Url(i)) << cache_.NarInfo(i);
    }
  }
  std::filesystem::create_symlink("/etc/hostname", folder.string() + Url(6));
  const ReleaseId release = Submit(cache_.Roots(), "file://" + directory);
  EXPECT_TRUE(Walk(release));
  EXPECT_TRUE(StateOf(5).starts_with("missing")) << StateOf(5);
  EXPECT_TRUE(StateOf(6).starts_with("set_aside")) << StateOf(6);
  EXPECT_EQ(States(), (std::vector<std::string>{"known 298", "missing 1", "set_aside 1"}));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace hnx::coordinator
