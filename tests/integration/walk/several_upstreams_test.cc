// Walks over two upstreams with keys of their own, and what becomes of NARs that one of them cannot
// give, with a real PostgreSQL.
#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>

#include "bench/walk/generated_cache.h"
#include "coordinator/store/pg_elsewhere_store.h"
#include "coordinator/walk/nar_failover.h"
#include "coordinator/walk/walker.h"
#include "http/http_client.h"
#include "support/fault_http_server.h"
#include "walk_database.h"

namespace hnx::coordinator {
namespace {

using bench::GeneratedCache;
using std::chrono::milliseconds;
using test::Answer;
using test::FaultHttpServer;
using test::kCacheInfo;

constexpr std::uint64_t kPaths = 60;
constexpr const char* kUrlElsewhere =
    "nar/1111111111111111111111111111111111111111111111111111.nar";

class SeveralUpstreamsTest : public ::testing::Test {
 protected:
  SeveralUpstreamsTest() {
    for (FaultHttpServer* server : {&first_, &second_}) {
      ComeBack(*server);
    }
  }

  std::string Url(std::uint64_t index) const {
    return "/" + cache_.Path(index).hash().ToString() + ".narinfo";
  }
  static std::string RootOf(const FaultHttpServer& server) {
    std::string url = server.Url("/");
    url.pop_back();
    return url;
  }
  // The same store paths, signed by the second upstream.
  std::string OfSecond(const nix::NarInfoFields& fields) const {
    return nix::RenderNarInfo(fields, &*second_key_);
  }
  std::string NarInfoAt(const FaultHttpServer& server, std::uint64_t index) const {
    return &server == &first_ ? cache_.NarInfo(index) : OfSecond(cache_.Fields(index));
  }
  // Serves everything.
  void ComeBack(FaultHttpServer& server) {
    server.Serve("/nix-cache-info", {Answer(200, kCacheInfo)});
    for (std::uint64_t i = 0; i < kPaths; ++i) {
      server.Serve(Url(i), {Answer(200, NarInfoAt(server, i))});
    }
  }
  void GoDown(FaultHttpServer& server) {
    server.Serve("/nix-cache-info", {Answer(502, "down")});
    for (std::uint64_t i = 0; i < kPaths; ++i) {
      server.Serve(Url(i), {Answer(502, "down")});
    }
  }
  void Lack(FaultHttpServer& server, std::uint64_t index) {
    server.Serve(Url(index), {Answer(404, "404")});
  }
  // Validly signed by nobody.
  void Forge(FaultHttpServer& server, std::uint64_t index) {
    std::string forged = NarInfoAt(server, index);
    const std::size_t size = forged.find("NarSize: ") + 9;
    forged[size] = forged[size] == '9' ? '8' : static_cast<char>(forged[size] + 1);
    server.Serve(Url(index), {Answer(200, forged)});
  }

  ReleaseId Submit() {
    std::vector<nix::StorePath> roots;
    for (const std::uint64_t root : cache_.Roots()) {
      roots.push_back(cache_.Path(root));
    }
    return database_.AddWalk(RootOf(first_), roots);
  }
  static WalkOptions Impatient() { return test::ImpatientWalk(32, 8); }
  // In the order of preference, each with its key.
  WalkPolicies Policies(const std::vector<const FaultHttpServer*>& servers) {
    std::vector<ConfiguredUpstream> configured;
    for (const FaultHttpServer* server : servers) {
      configured.push_back({.url = RootOf(*server), .public_keys = {}});
    }
    const auto ids = database_.store().ConfigureUpstreams(configured);
    EXPECT_TRUE(ids.has_value());
    WalkPolicies policies;
    for (std::size_t i = 0; i < servers.size(); ++i) {
      const std::string key =
          servers[i] == &first_ ? cache_.public_key() : second_key_->public_key().ToString();
      policies.upstreams.push_back(
          {ids->at(i), configured[i].url, {*nix::TrustedKeys::ParseText(key), {}, {}}});
    }
    return policies;
  }
  std::unique_ptr<Walker> MakeWalker() {
    return std::make_unique<Walker>(client_, database_.store(), Policies({&first_, &second_}),
                                    Impatient());
  }
  // False: not within `rounds`.
  bool Walk(Walker& walker, ReleaseId release, int rounds = 400) {
    const auto walked = [&] {
      return database_.Ask(fmt::format("SELECT walked_at IS NOT NULL FROM release WHERE id = {}",
                                       release)) == "t";
    };
    for (int i = 0; i < rounds && !walked(); ++i) {
      const milliseconds wait = std::min(walker.RunOnce(), milliseconds(5));
      (void)::poll(nullptr, 0, static_cast<int>(wait.count()));
    }
    return walked();
  }

  std::string OfPath(const std::string& what, std::uint64_t index) {
    return database_.Ask(fmt::format(
        "SELECT {} FROM path p LEFT JOIN nar n ON n.id = p.nar_id LEFT JOIN upstream u ON u.id = "
        "n.upstream_id LEFT JOIN narinfo i ON i.id = p.narinfo_id WHERE p.hash = '{}'",
        what, cache_.Path(index).hash().ToString()));
  }
  std::string StateOf(std::uint64_t index) {
    return OfPath("p.state || coalesce(' ' || p.reason, '')", index);
  }
  std::string Count(const std::string& from) {
    return database_.Ask("SELECT count(*) FROM " + from);
  }

  // --- NARs

  // The NAR of the path could not be had where its narinfo is from.
  void FailNar(std::uint64_t index) {
    const std::string nar = OfPath("n.id", index);
    database_.Ask(
        "UPDATE nar SET state = 'set_aside', reason = 'nar-hash-mismatch', message = "
        "'damaged' WHERE id = " +
        nar + " RETURNING 1");
    database_.Ask(
        "INSERT INTO path_elsewhere (path_id, tried, looking) SELECT id, ARRAY[(SELECT "
        "upstream_id FROM nar WHERE id = nar_id)], true FROM path WHERE nar_id = " +
        nar + " RETURNING 1");
  }
  bool Looking() { return Count("path_elsewhere WHERE looking") != "0"; }
  // One step of the failover between these; how long it wants to wait.
  milliseconds FailOverOnce(const std::vector<const FaultHttpServer*>& servers) {
    const WalkOptions options = Impatient();
    PgElsewhereStore store(database_.pool(), database_.leader());
    NarFailover failover(client_, database_.store(), store, database_.leader(),
                         Policies(servers).upstreams, options.failures, options.upstream_pauses);
    return failover.RunOnce();
  }
  milliseconds FailOverOnce() { return FailOverOnce({&first_, &second_}); }
  void FailOver(int rounds = 200) {
    for (int i = 0; i < rounds && Looking(); ++i) {
      const milliseconds wait = std::min(FailOverOnce(), milliseconds(5));
      (void)::poll(nullptr, 0, static_cast<int>(wait.count()));
    }
  }

  GeneratedCache cache_{7, kPaths};
  Result<nix::SecretKey> second_key_ =
      nix::SecretKey::FromSeed("second-1", Bytes(32, std::byte{9}));
  FaultHttpServer first_;
  FaultHttpServer second_;
  test::WalkDatabase database_;
  http::HttpClient client_{http::HttpClientOptions{}};
};

TEST_F(SeveralUpstreamsTest, WhatTheFirstLacksComesFromTheNextAndStaysAsThatServesIt) {
  for (std::uint64_t i = 0; i < kPaths; i += 3) {
    Lack(first_, i);
  }
  auto walker = MakeWalker();
  ASSERT_TRUE(Walk(*walker, Submit()));
  EXPECT_EQ(Count("path WHERE state = 'known'"), "60");
  for (std::uint64_t i = 0; i < kPaths; ++i) {
    const FaultHttpServer& from = i % 3 == 0 ? second_ : first_;
    EXPECT_EQ(OfPath("u.url", i), RootOf(from)) << i;
    EXPECT_EQ(OfPath("convert_from(i.content, 'UTF8')", i), NarInfoAt(from, i)) << i;
    EXPECT_EQ(first_.Count(Url(i)), 1) << i;
    EXPECT_EQ(second_.Count(Url(i)), i % 3 == 0 ? 1 : 0) << i;
  }
}

TEST_F(SeveralUpstreamsTest, OnlyWhatAllLackIsMissing) {
  Lack(first_, 5);
  Lack(second_, 5);
  auto walker = MakeWalker();
  ASSERT_TRUE(Walk(*walker, Submit()));
  EXPECT_EQ(StateOf(5), "missing http-404");
  EXPECT_EQ(first_.Count(Url(5)) + second_.Count(Url(5)), 2);
  EXPECT_EQ(Count("path WHERE state = 'known'"), "59");
}

TEST_F(SeveralUpstreamsTest, ARefusedNarInfoIsTakenFromTheNextAtOnce) {
  Forge(first_, 5);
  auto walker = MakeWalker();
  ASSERT_TRUE(Walk(*walker, Submit()));
  EXPECT_EQ(StateOf(5), "known");
  EXPECT_EQ(OfPath("u.url", 5), RootOf(second_));
  EXPECT_EQ(first_.Count(Url(5)), 1);
}

TEST_F(SeveralUpstreamsTest, ARefusalIsTheReasonWhenTheNextLacksThePath) {
  Forge(first_, 5);
  Lack(second_, 5);
  auto walker = MakeWalker();
  ASSERT_TRUE(Walk(*walker, Submit()));
  EXPECT_EQ(StateOf(5), "set_aside signature-invalid");
  EXPECT_TRUE(OfPath("p.message", 5).starts_with(RootOf(first_))) << OfPath("p.message", 5);
  EXPECT_EQ(first_.Count(Url(5)), 3) << "a damaged copy may have been served";
  EXPECT_EQ(second_.Count(Url(5)), 1) << "it has said that it lacks it";
}

TEST_F(SeveralUpstreamsTest, EachIsBelievedByItsOwnKeysOnly) {
  Lack(first_, 5);
  second_.Serve(Url(5), {Answer(200, cache_.NarInfo(5))});
  auto walker = MakeWalker();
  ASSERT_TRUE(Walk(*walker, Submit()));
  EXPECT_EQ(StateOf(5), "set_aside signature-untrusted");
}

TEST_F(SeveralUpstreamsTest, OneThatIsDownIsPassedOver) {
  GoDown(first_);
  auto walker = MakeWalker();
  ASSERT_TRUE(Walk(*walker, Submit()));
  EXPECT_EQ(Count("path WHERE state = 'known'"), "60");
  EXPECT_EQ(Count("nar n JOIN upstream u ON u.id = n.upstream_id WHERE u.url = '" +
                  RootOf(second_) + "'"),
            "60");
}

TEST_F(SeveralUpstreamsTest, OneThatRefusesUsIsPassedOver) {
  for (std::uint64_t i = 0; i < kPaths; ++i) {
    first_.Serve(Url(i), {Answer(401, "who are you")});
  }
  auto walker = MakeWalker();
  ASSERT_TRUE(Walk(*walker, Submit()));
  EXPECT_EQ(Count("path WHERE state = 'known'"), "60");
}

TEST_F(SeveralUpstreamsTest, AnOperatorsPauseOfOneUpstreamLeavesTheOtherAtWork) {
  (void)Policies({&first_, &second_});
  database_.Ask("UPDATE upstream_host SET paused_at = now(), pause_reason = 'test' WHERE host = '" +
                RootOf(first_).substr(7) + "' RETURNING 1");
  auto walker = MakeWalker();
  ASSERT_TRUE(Walk(*walker, Submit()));
  EXPECT_EQ(Count("path WHERE state = 'known'"), "60");
  EXPECT_EQ(first_.connections(), 0);
}

TEST_F(SeveralUpstreamsTest, WhatOnlyTheOneThatIsDownMayHaveWaitsForIt) {
  GoDown(first_);
  Lack(second_, 5);
  const ReleaseId release = Submit();
  auto walker = MakeWalker();
  EXPECT_FALSE(Walk(*walker, release, 60));
  EXPECT_EQ(StateOf(5), "discovered");
  EXPECT_EQ(second_.Count(Url(5)), 1) << "it has said that it lacks it";
  EXPECT_NE(database_.Ask("SELECT message FROM release").find("waits for " + RootOf(first_)),
            std::string::npos)
      << database_.Ask("SELECT message FROM release");
  ComeBack(first_);
  ASSERT_TRUE(Walk(*walker, release));
  EXPECT_EQ(StateOf(5), "known");
  EXPECT_EQ(OfPath("u.url", 5), RootOf(first_));
}

TEST_F(SeveralUpstreamsTest, AReleaseThatWaitsForAnUpstreamHoldsNoOtherUp) {
  GoDown(first_);
  Lack(second_, 5);
  const ReleaseId waiting = Submit();
  auto walker = MakeWalker();
  EXPECT_FALSE(Walk(*walker, waiting, 60));
  // The second one needs a path that the first one, which is before it, does not.
  const nix::StorePath other =
      nix::StorePath::Parse("/nix/store/" + std::string(32, 'a') + "-other").value();
  nix::NarInfoFields fields = cache_.Fields(6);
  fields.store_path = other;
  fields.references.clear();
  fields.url = kUrlElsewhere;
  second_.Serve("/" + std::string(other.hash_part()) + ".narinfo", {Answer(200, OfSecond(fields))});
  const ReleaseId next = database_.AddRelease("other", RootOf(first_));
  const std::vector<PathName> names{{std::string(other.hash_part()), std::string(other.name())}};
  ASSERT_TRUE(database_.store().AddRoots(next, names).has_value());
  ASSERT_TRUE(database_.store().BeginWalk(next).has_value());
  EXPECT_TRUE(Walk(*walker, next));
  EXPECT_EQ(StateOf(5), "discovered");
}

TEST_F(SeveralUpstreamsTest, ARestartWithOtherUpstreamsKeepsWhatWasAccepted) {
  const ReleaseId release = Submit();
  {
    const auto walked = database_.store().NextReleaseToWalk();
    ASSERT_TRUE(walked && *walked);
    const WalkOptions options = Impatient();
    WalkUpstream upstream(Policies({&first_}).upstreams[0], client_, database_.store(),
                          options.walk_window_max, options.upstream_pauses, Clock::Real());
    ReleaseWalk walk(**walked, database_.store(), {&upstream},
                     std::make_shared<NarInfoVerifier>(1, 1000), options);
    ASSERT_TRUE(walk.Run([&] { return walk.statistics().narinfos_saved >= 10; }).has_value());
  }
  const std::string accepted = Count("path WHERE state = 'known'");
  ASSERT_NE(accepted, "60");
  GoDown(first_);
  Walker walker(client_, database_.store(), Policies({&second_}), Impatient());
  ASSERT_TRUE(Walk(walker, release));
  EXPECT_EQ(Count("path WHERE state = 'known'"), "60");
  EXPECT_EQ(Count("nar WHERE upstream_id = (SELECT id FROM upstream WHERE url = '" +
                  RootOf(first_) + "')"),
            accepted);
}

TEST_F(SeveralUpstreamsTest, WhatWasLeftToAnUpstreamThatIsNotConfiguredAnyMoreIsMissing) {
  GoDown(first_);
  Lack(second_, 5);
  const ReleaseId release = Submit();
  auto walker = MakeWalker();
  EXPECT_FALSE(Walk(*walker, release, 60));
  Walker other(client_, database_.store(), Policies({&second_}), Impatient());
  ASSERT_TRUE(Walk(other, release));
  EXPECT_EQ(StateOf(5), "missing http-404");
}

TEST_F(SeveralUpstreamsTest, ANarThatFailedIsTakenFromWhoeverElseHasIt) {
  nix::NarInfoFields fields = cache_.Fields(5);
  fields.url = kUrlElsewhere;
  second_.Serve(Url(5), {Answer(200, OfSecond(fields))});
  auto walker = MakeWalker();
  ASSERT_TRUE(Walk(*walker, Submit()));
  FailNar(5);
  FailOver();
  EXPECT_EQ(StateOf(5), "known");
  EXPECT_EQ(OfPath("u.url || '/' || n.url || ' ' || n.state", 5),
            RootOf(second_) + "/" + kUrlElsewhere + " wanted");
  EXPECT_EQ(OfPath("convert_from(i.content, 'UTF8')", 5), OfSecond(fields));
  EXPECT_EQ(database_.Ask("SELECT count(*) FROM event WHERE what LIKE 'its narinfo was taken "
                          "from%'"),
            "1");
}

TEST_F(SeveralUpstreamsTest, ANarThatNobodyElseHasFailsForItsFirstReason) {
  Lack(second_, 5);
  auto walker = MakeWalker();
  ASSERT_TRUE(Walk(*walker, Submit()));
  FailNar(5);
  FailOver();
  EXPECT_EQ(StateOf(5), "set_aside nar-hash-mismatch");
  EXPECT_EQ(second_.Count(Url(5)), 1);
}

TEST_F(SeveralUpstreamsTest, AnotherNarOfThatPathIsNotTakenInItsPlace) {
  nix::NarInfoFields fields = cache_.Fields(5);
  fields.nar_hash = cache_.Fields(6).nar_hash;
  second_.Serve(Url(5), {Answer(200, OfSecond(fields))});
  auto walker = MakeWalker();
  ASSERT_TRUE(Walk(*walker, Submit()));
  FailNar(5);
  FailOver();
  EXPECT_EQ(StateOf(5), "set_aside nar-hash-mismatch");
  EXPECT_EQ(database_.Ask("SELECT count(*) FROM event WHERE what LIKE '%another NAR%'"), "1");
}

TEST_F(SeveralUpstreamsTest, AForgedNarInfoIsNotTakenInItsPlace) {
  Forge(second_, 5);
  auto walker = MakeWalker();
  ASSERT_TRUE(Walk(*walker, Submit()));
  FailNar(5);
  FailOver();
  EXPECT_EQ(StateOf(5), "set_aside nar-hash-mismatch");
  EXPECT_EQ(second_.Count(Url(5)), 3);
}

TEST_F(SeveralUpstreamsTest, ANarThatFailedWaitsForAnUpstreamThatIsDown) {
  auto walker = MakeWalker();
  ASSERT_TRUE(Walk(*walker, Submit()));
  GoDown(second_);
  FailNar(5);
  FailOver(20);
  EXPECT_TRUE(Looking());
  EXPECT_EQ(StateOf(5), "known") << "it has not failed while somebody may have its NAR";
  ComeBack(second_);
  FailOver();
  EXPECT_EQ(OfPath("u.url || ' ' || n.state", 5), RootOf(second_) + " wanted");
}

TEST_F(SeveralUpstreamsTest, ANarThatFailedFailsItsPathWhenNoOtherUpstreamIsConfiguredAnyMore) {
  auto walker = MakeWalker();
  ASSERT_TRUE(Walk(*walker, Submit()));
  FailNar(5);
  for (int i = 0; i < 5 && Looking(); ++i) {
    (void)FailOverOnce({&first_});
  }
  EXPECT_FALSE(Looking());
  EXPECT_EQ(StateOf(5), "set_aside nar-hash-mismatch");
  EXPECT_EQ(second_.Count(Url(5)), 0);
}

TEST_F(SeveralUpstreamsTest, WhatWaitsForAHostThatIsDownIsTakenFromAnother) {
  auto walker = MakeWalker();
  ASSERT_TRUE(Walk(*walker, Submit()));
  Lack(second_, 7);
  database_.Ask("UPDATE nar SET needed = true RETURNING 1");
  database_.Ask("UPDATE path SET needed = true RETURNING 1");
  database_.Ask(
      "UPDATE upstream_host SET breaker = 'open', breaker_opens = 2, breaker_until = "
      "now() + interval '1 hour' WHERE host = '" +
      RootOf(first_).substr(7) + "' RETURNING 1");
  const std::string elsewhere =
      "path p JOIN nar n ON n.id = p.nar_id JOIN upstream u ON u.id = "
      "n.upstream_id WHERE u.url = '" +
      RootOf(second_) + "'";
  for (int i = 0; i < 100 && Count(elsewhere) != "59"; ++i) {
    (void)FailOverOnce();
  }
  EXPECT_EQ(Count(elsewhere), "59");
  EXPECT_EQ(OfPath("u.url || ' ' || n.state", 7), RootOf(first_) + " wanted")
      << "it waits until its host is back";
  database_.Ask("UPDATE upstream_host SET breaker = 'closed' RETURNING 1");
  FailOver(10);
  EXPECT_FALSE(Looking());
}

}  // namespace
}  // namespace hnx::coordinator
