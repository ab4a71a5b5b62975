// An empty or an older database is filled from an index drive: what is sound is taken over, what is
// not is named and counted and stops nothing else.
#include "coordinator/rescan/rescan.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "coordinator/rescan/rescan_report.h"
#include "coordinator/store/pg_plan_store.h"
#include "coordinator/store/pg_rescan_store.h"
#include "coordinator/store/pg_retire_store.h"
#include "coordinator/store/pg_synchronizer.h"
#include "demo_index.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

using namespace coordinator;  // NOLINT(google-build-using-namespace): the tests' subject

const nix::SecretKey& ForeignKey() {
  static const nix::SecretKey key = [] {
    std::array<std::byte, 32> seed{};
    seed.fill(std::byte{9});
    return *nix::SecretKey::FromSeed("demo-1", seed);  // a throw-away
  }();
  return key;
}

class RescanTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(leader_.Renew().value_or(false)); }

  Result<RescanReport> Run(bool merge = false, bool dry_run = false) {
    EXPECT_TRUE(leader_.Renew().value_or(false));
    RescanOptions options;
    options.trusted_public_keys = {index_.public_key()};
    options.merge = merge;
    options.dry_run = dry_run;
    options.fill.chunk_paths = 2;
    const auto drive = index_.Write();
    return RunRescan(*drive, pool_, leader_, options);
  }
  RescanReport MustRun(bool merge = false) {
    auto report = Run(merge);
    EXPECT_TRUE(report.has_value()) << report.error().message;
    return report.has_value() ? *std::move(report) : RescanReport{};
  }
  static std::uint64_t Found(const RescanReport& report, const std::string& kind) {
    for (const RescanReport::Kind& found : report.findings) {
      if (found.kind == kind) {
        return found.count;
      }
    }
    return 0;
  }
  static std::string Reason(const RescanReport& report, const std::string& object) {
    for (const RescanReport::Kind& kind : report.findings) {
      for (const RescanFinding& finding : kind.named) {
        if (finding.object == object) {
          return finding.reason;
        }
      }
    }
    return "(not named)";
  }
  std::string Get(const std::string& statement) { return Sql(uri_, statement); }
  std::string States() {
    return Get(
        "SELECT string_agg(ltrim(hash, '0') || ' ' || state || coalesce(' by ' || (SELECT "
        "ltrim(b.hash, '0') FROM path b WHERE b.id = p.blocked_by), ''), ', ' ORDER BY hash) FROM "
        "path p");
  }
  std::string Release(const std::string& name) {
    return Get(
        "SELECT state || ' r' || manifest_revision || CASE WHEN is_latest THEN ' latest' "
        "ELSE '' END FROM release WHERE name = '" +
        name + "' ORDER BY id DESC LIMIT 1");
  }
  // What a worker with the shard at these lengths says, in a process that was just started.
  Result<DesiredState> Report(std::uint64_t length, std::uint64_t bytes) {
    WorkerReport report;
    report.worker_id = std::string(32, 'a');
    report.worker_name = "worker-a";
    report.incarnation = 1;
    report.nonce = 1;
    report.sequence = ++sequence_;
    DriveReport drive;
    drive.key = Bytes(index_.shard.bytes().begin(), index_.shard.bytes().end());
    drive.content_key = drive.key;
    drive.head = {.db_length = length,
                  .db_tree_hash = Bytes(32),
                  .content_length = length,
                  .content_tree_hash = Bytes(32),
                  .content_byte_length = bytes};
    report.drives = {drive};
    PgSynchronizer synchronizer(pool_, {}, {}, 1);
    return synchronizer.Synchronize(report);
  }

  const DemoRelease first_{.published = {1, 2, 3}, .missing = 8, .blocked = 9};
  const std::string uri_ = PostgresFixture::Get().NewDatabase();
  PgPool pool_{uri_};
  PgLeader leader_{pool_, "the test"};
  DemoIndex index_;
  std::uint64_t sequence_ = 0;
};

TEST_F(RescanTest, AnEmptyDatabaseIsFilledWithAllThatTheIndexSays) {
  DemoRelease zero = first_;
  zero.published = {0, 1, 2, 3};
  index_.Add(zero);
  const RescanReport report = MustRun();
  EXPECT_FALSE(LeftOut(report)) << RescanJson(report).dump();
  EXPECT_EQ(report.published, 4U);
  EXPECT_EQ(report.nars, 4U);
  EXPECT_EQ(States(),
            " published, 1 published, 2 published, 3 published, 8 missing, 9 discovered by 8");
  EXPECT_EQ(Release("demo-1"), "settled r1 latest");
  EXPECT_EQ(Get("SELECT string_agg(file_size || ' ' || blob_byte_offset || ' ' || "
                "blob_block_offset || ' ' || state, ', ' ORDER BY file) FROM nar"),
            "1000 0 0 stored, 1000 1000 1 stored, 1000 2000 2 stored, 1000 3000 3 stored");
  EXPECT_EQ(Get("SELECT string_agg(depth::text, ',' ORDER BY hash) FROM path"), "0,1,2,3,0,0");
  EXPECT_EQ(
      Get("SELECT string_agg(ltrim(a.hash, '0') || '>' || ltrim(b.hash, '0'), ' ' ORDER BY "
          "a.hash) FROM path_reference e JOIN path a ON a.id = e.referrer JOIN path b ON b.id "
          "= e.reference"),
      "1> 2>1 3>2");
  EXPECT_EQ(Get("SELECT sealed || ' ' || db_length || ' ' || w.name FROM shard s JOIN worker w ON "
                "w.id = s.worker_id"),
            "true 100 (unclaimed)");
  EXPECT_EQ(Get("SELECT name || ' ' || (artifact_id IS NOT NULL) FROM release_file"),
            "git-revision true");
  EXPECT_EQ(Get("SELECT sum(total) || ' ' || sum(published) || ' ' || sum(missing) || ' ' || "
                "sum(blocked) || ' ' || sum(nars_stored) FROM release_delta"),
            "6 4 1 1 4");
  EXPECT_EQ(Get("SELECT count(*) FROM rescanned_file"), "2");
  EXPECT_EQ(Get("SELECT count(*) FROM rescan_narinfo"), "0") << "what was staged is gone";
}

TEST_F(RescanTest, ANarInfoThatNoTrustedKeySignedIsNamedAndItsReleaseIsWalkedAgain) {
  index_.Add({.published = {0, 1, 2}});
  index_.files[DemoIndex::NarInfoPathOf(1)] = index_.NarInfo(1, ForeignKey());
  const RescanReport report = MustRun();
  EXPECT_EQ(Found(report, "narinfo"), 1U);
  EXPECT_TRUE(LeftOut(report));
  EXPECT_NE(Reason(report, DemoIndex::NarInfoPathOf(1)), "(not named)");
  EXPECT_EQ(States(), " published, 1 discovered, 2 published");
  EXPECT_EQ(Release("demo-1"), "walking r1 latest");
  EXPECT_EQ(Get("SELECT ltrim(p.hash, '0') FROM release_frontier f JOIN path p ON p.id = f.path_id "
                "WHERE p.state = 'discovered'"),
            "1");
}

TEST_F(RescanTest, ALinkIntoAShardThatMirrorJsonDoesNotListIsTreatedAsAbsent) {
  index_.Add({.published = {0, 1}});
  std::array<std::byte, 32> other{};
  index_.links[DemoIndex::LinkPathOf(1)] =
      "../../" + hyper::DriveKey(other).id() + "/nar/" + DemoIndex::FileOf(1);
  const RescanReport report = MustRun();
  EXPECT_EQ(Found(report, "link"), 1U);
  EXPECT_NE(Reason(report, DemoIndex::LinkPathOf(1)).find("mirror.json"), std::string::npos);
  EXPECT_EQ(Found(report, "narinfo"), 1U) << "the narinfo that names it is left out, too";
  EXPECT_EQ(States(), " published, 1 discovered");
  EXPECT_EQ(Get("SELECT count(*) FROM shard"), "1");
}

TEST_F(RescanTest, LinksThatLostTheirMetadataGetTheirPlaceFromTheListing) {
  index_.Add({.published = {0, 1}});
  index_.link_metadata[DemoIndex::LinkPathOf(1)] = "null";
  const RescanReport report = MustRun();
  EXPECT_FALSE(LeftOut(report)) << RescanJson(report).dump();
  EXPECT_EQ(Get("SELECT blob_byte_offset FROM nar WHERE file = '" + DemoIndex::FileOf(1) + "'"),
            "1000");
}

TEST_F(RescanTest, ATruncatedListingHasItsReleaseResolvedAgainAndStopsNoOther) {
  index_.Add({.published = {0, 1}});
  index_.Add({.name = "demo-2", .published = {0, 1, 2}, .submitted_at = "2026-11-02T12:00:00Z"});
  std::string& listing = index_.files["/channels/demo/demo-1/listing.zst"];
  listing.resize(listing.size() / 2);
  const RescanReport report = MustRun();
  EXPECT_EQ(Found(report, "listing"), 1U);
  EXPECT_EQ(Release("demo-1"), "resolving r1");
  EXPECT_EQ(Release("demo-2"), "settled r1 latest");
  EXPECT_EQ(States(), " published, 1 published, 2 published");
}

TEST_F(RescanTest, AManifestThatNamesAnotherChannelLeavesItsReleaseOut) {
  const DemoRelease release{.published = {0, 1}};
  index_.Add(release);
  index_.WriteManifest(release, "another");
  const RescanReport report = MustRun();
  EXPECT_EQ(Found(report, "release"), 1U);
  EXPECT_NE(Reason(report, "demo/demo-1").find("another/demo-1"), std::string::npos);
  EXPECT_EQ(Get("SELECT count(*) FROM release"), "0");
  EXPECT_EQ(States(), " published, 1 published");
  EXPECT_EQ(Get("SELECT count(*) FROM retire_candidate"), "0")
      << "nobody can tell that no release needs them";
}

TEST_F(RescanTest, AReleaseFileWithOtherBytesIsNamedAndFetchedAgain) {
  index_.Add({.published = {0}});
  index_.files["/channels/demo/demo-1/git-revision"] = "spoilt!!";
  const RescanReport report = MustRun();
  EXPECT_EQ(Found(report, "file"), 1U);
  EXPECT_EQ(Release("demo-1"), "resolving r1 latest");
}

TEST_F(RescanTest, NarsThatNoNarInfoNamesLeaveOnlyAfterTheirTimeBeganAnew) {
  index_.Add({.published = {0, 1}});
  index_.files.erase(DemoIndex::NarInfoPathOf(1));
  const DemoRelease only{.published = {0}};
  index_.Add(only);
  const RescanReport report = MustRun();
  EXPECT_EQ(report.unnamed_links, 1U);
  Get("UPDATE mirror SET index_key = decode(repeat('01', 32), 'hex')");
  const IndexDescription description{
      .upstreams = {"http://upstream"}, .public_keys = {}, .cache_info = ""};
  RetireOptions options;
  options.run_interval = std::chrono::milliseconds(0);
  PgRetireStore retirer(pool_, leader_, description, options);
  const auto retire = [&] {
    ASSERT_TRUE(leader_.Renew().value_or(false));
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(retirer.Step().has_value());
    }
  };
  retire();
  EXPECT_EQ(Get("SELECT count(*) FROM publish_operation WHERE kind = 'remove'"), "0");
  Get("UPDATE rescanned_link SET unlisted_at = unlisted_at - interval '31 days'");
  retire();
  EXPECT_EQ(Get("SELECT path FROM publish_operation WHERE kind = 'remove'"),
            DemoIndex::LinkPathOf(1));
  EXPECT_EQ(Get("SELECT count(*) FROM path WHERE state = 'published'"), "1");
}

TEST_F(RescanTest, AWorkerThatHasTheShardClaimsItAndNeverAppendsToIt) {
  index_.Add({.published = {0, 1}});
  MustRun();
  const auto answer = Report(120, 120'000);
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  ASSERT_EQ(answer->drives.size(), 1U);
  EXPECT_TRUE(answer->drives[0].sealed);
  EXPECT_EQ(answer->drives[0].recorded.db_length, 0U) << "it is to list all that it holds";
  EXPECT_EQ(Get("SELECT w.name || ' ' || (lost_at IS NULL) FROM shard s JOIN worker w ON w.id = "
                "s.worker_id"),
            "worker-a true");
  EXPECT_EQ(Get("SELECT count(*) FROM worker WHERE name = '(unclaimed)'"), "0");
  EXPECT_EQ(Get("SELECT count(*) FROM nar WHERE state = 'stored'"), "2");
}

TEST_F(RescanTest, AShardThatIsReportedShorterThanTheIndexSaysIsLost) {
  index_.Add({.published = {0, 1}});
  MustRun();
  ASSERT_TRUE(Report(60, 60'000).has_value());
  EXPECT_EQ(Get("SELECT w.name || ' ' || sealed || ' ' || (lost_at IS NOT NULL) || ' ' || "
                "unrepaired FROM shard s JOIN worker w ON w.id = s.worker_id"),
            "worker-a true true true");
}

TEST_F(RescanTest, ADryRunSaysTheSameAndChangesNothing) {
  index_.Add({.published = {0, 1}});
  index_.files[DemoIndex::NarInfoPathOf(1)] = index_.NarInfo(1, ForeignKey());
  const auto report = Run(false, true);
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_EQ(Found(*report, "narinfo"), 1U);
  EXPECT_EQ(report->narinfos_read, 1U);
  for (const char* table :
       {"path", "nar", "shard", "release", "worker", "artifact", "rescan_link"}) {
    EXPECT_EQ(Get(fmt::format("SELECT count(*) FROM {}", table)), "0") << table;
  }
  EXPECT_TRUE(PgRescanStore::CheckFinished(pool_).has_value());
  EXPECT_EQ(MustRun().published, 1U) << "and does not stand in the way of the real one";
}

TEST_F(RescanTest, ADatabaseThatIsNotEmptyIsRefusedWithoutMerge) {
  index_.Add({.published = {0, 1}});
  MustRun();
  const auto again = Run();
  ASSERT_FALSE(again.has_value());
  EXPECT_NE(again.error().message.find("--merge"), std::string::npos) << again.error().message;
}

TEST_F(RescanTest, AnOlderDatabaseLearnsWhatCameAndLetsGoOfWhatLeft) {
  const DemoRelease old_release{.published = {0, 1, 2, 3}};
  index_.Add(old_release);
  MustRun();
  Get("UPDATE release SET pinned = true");
  index_.Remove(old_release, {3});
  index_.Add(
      {.name = "demo-2", .published = {0, 1, 2, 10, 11}, .submitted_at = "2026-11-05T12:00:00Z"});
  const RescanReport report = MustRun(true);
  EXPECT_EQ(Found(report, "retired"), 1U);
  EXPECT_EQ(Found(report, "vanished"), 1U);
  EXPECT_NE(Reason(report, DemoIndex::StorePathOf(3)), "(not named)");
  EXPECT_EQ(Release("demo-1"), "retiring r1");
  EXPECT_EQ(Release("demo-2"), "settled r1 latest");
  EXPECT_EQ(States(), " published, 1 published, 2 published, 3 stored, 10 published, 11 published");
}

TEST_F(RescanTest, WhatTheDatabaseAndTheIndexContradictEachOtherInIsListed) {
  index_.Add({.published = {0, 1}});
  MustRun();
  Get("INSERT INTO shard (key, content_key, worker_id, incarnation, nonce) SELECT "
      "decode(repeat('0a', 32), 'hex'), decode(repeat('0a', 32), 'hex'), worker_id, 0, 0 FROM "
      "shard");
  Get("UPDATE nar SET shard_id = (SELECT max(id) FROM shard) WHERE file = '" +
      DemoIndex::FileOf(1) + "'");
  const RescanReport report = MustRun(true);
  EXPECT_EQ(Found(report, "place"), 1U);
  EXPECT_EQ(Get("SELECT count(DISTINCT shard_id) FROM nar"), "1") << "the index is the newer one";
  EXPECT_EQ(Release("demo-1"), "settled r1 latest");
}

TEST_F(RescanTest, AReleaseThatIsNotClosedUnderReferencesIsWalkedInsteadOfPlanned) {
  index_.Add(first_);  // path 1 refers to path 0, which is not in it
  const RescanReport report = MustRun();
  EXPECT_EQ(Found(report, "listing"), 1U);
  EXPECT_EQ(Release("demo-1").substr(0, 7), "walking");
  EXPECT_EQ(report.published, 3U);
}

TEST_F(RescanTest, AMergeThatFindsNothingNewChangesNothing) {
  index_.Add({.published = {0, 1, 2, 3}, .missing = 8, .blocked = 9});
  index_.Add({.name = "demo-2", .published = {0, 1, 2, 3}, .submitted_at = "2026-11-05T12:00:00Z"});
  MustRun();
  const std::string facts =
      "SELECT string_agg(t::text, '|') FROM (SELECT p.hash, p.state, p.batch, p.depth, p.nar_id, "
      "p.narinfo_id, p.changed_at FROM path p ORDER BY hash) t";
  const std::string before = Get(facts);
  const std::string releases =
      Get("SELECT string_agg(t::text, '|') FROM (SELECT * FROM release ORDER BY id) t");
  const RescanReport report = MustRun(true);
  EXPECT_EQ(report.findings.size(), 0U);
  EXPECT_EQ(Get(facts), before);
  EXPECT_EQ(Get("SELECT string_agg(t::text, '|') FROM (SELECT * FROM release ORDER BY id) t"),
            releases);
}

TEST_F(RescanTest, WhatLiesInAShardThatTheOlderDatabaseKnowsAsLostIsWantedAgain) {
  index_.Add({.published = {0, 1}});
  MustRun();
  Get("UPDATE shard SET lost_at = now(), unrepaired = true");
  // The older database has brought the first one to another shard already, and knows nothing of the
  // path that came after its backup.
  Get("INSERT INTO shard (key, content_key, worker_id, incarnation, nonce) SELECT "
      "decode(repeat('0a', 32), 'hex'), decode(repeat('0a', 32), 'hex'), worker_id, 0, 0 FROM "
      "shard");
  Get("UPDATE nar SET shard_id = (SELECT max(id) FROM shard) WHERE file = '" +
      DemoIndex::FileOf(0) + "'");
  index_.Add({.name = "demo-2", .published = {0, 1, 10}, .submitted_at = "2026-11-05T12:00:00Z"});
  const RescanReport report = MustRun(true);
  EXPECT_EQ(Found(report, "place"), 0U) << "a place that is lost contradicts nothing";
  EXPECT_EQ(States(), " published, 1 published, 10 published");
  EXPECT_EQ(Get("SELECT state || ' ' || (shard_id = (SELECT max(id) FROM shard)) || ' ' || "
                "(lost_shard_id IS NOT NULL) FROM nar WHERE file = '" +
                DemoIndex::FileOf(0) + "'"),
            "stored true false")
      << "what was repaired stays where it is";
  EXPECT_EQ(
      Get("SELECT state || ' ' || (shard_id IS NULL) || ' ' || (lost_shard_id IS NOT NULL) || "
          "' ' || needed FROM nar WHERE file = '" +
          DemoIndex::FileOf(10) + "'"),
      "wanted true true true")
      << "published in the index, held by nobody: it is to be fetched";
}

TEST_F(RescanTest, ARemovalThatWasPlannedBeforeTheCopyTakesNothingOutThatIsTakenInAgain) {
  const DemoRelease old_release{.published = {0, 1, 2, 3}};
  index_.Add(old_release);
  MustRun();
  Get("INSERT INTO publish_batch (batch) VALUES (1), (2)");
  Get("INSERT INTO publish_operation (batch, ordinal, kind, path) VALUES (1, 1, 'remove', '" +
      DemoIndex::NarInfoPathOf(3) + "'), (2, 1, 'remove', '" + DemoIndex::LinkPathOf(3) +
      "'), (2, 2, 'remove', '/channels/demo/demo-1/manifest.json')");
  Get("UPDATE path SET state = 'stored', batch = NULL, watched = false WHERE hash = '" +
      DemoIndex::HashOf(3) + "'");
  Get("UPDATE release SET state = 'retiring', settled_at = NULL");
  index_.Add({.name = "demo-2", .published = {0, 1, 2, 3}, .submitted_at = "2026-11-05T12:00:00Z"});
  const RescanReport report = MustRun(true);
  EXPECT_EQ(Found(report, "leaving"), 1U);
  EXPECT_EQ(States(), " published, 1 published, 2 published, 3 published");
  EXPECT_EQ(Get("SELECT string_agg(batch || ' ' || path, ', ') FROM publish_operation"),
            "1 /channels/demo/demo-1/manifest.json");
  EXPECT_EQ(Get("SELECT string_agg(batch::text, ',') FROM publish_batch"), "1");
}

TEST_F(RescanTest, WhatWasPlannedBeforeTheCopyIsNotPutWithoutWhatItRefersTo) {
  const DemoRelease old_release{.published = {0, 1, 2, 3}};
  index_.Add(old_release);
  MustRun();
  Get("INSERT INTO publish_batch (batch) VALUES (1)");
  Get("INSERT INTO publish_operation (batch, ordinal, kind, path, narinfo_id) SELECT 1, 1, "
      "'put_narinfo', '" +
      DemoIndex::NarInfoPathOf(3) + "', narinfo_id FROM path WHERE hash = '" +
      DemoIndex::HashOf(3) + "'");
  Get("UPDATE path SET batch = 1 WHERE hash = '" + DemoIndex::HashOf(3) + "'");
  Get("UPDATE nar SET linked_batch = 1 WHERE file = '" + DemoIndex::FileOf(3) + "'");
  Get("UPDATE release SET state = 'mirroring', settled_at = NULL, settle_batch = 1");
  // Both have left since, with the release.
  index_.Remove(old_release, {2, 3});
  index_.Add({.name = "demo-2", .published = {0, 1}, .submitted_at = "2026-11-05T12:00:00Z"});
  const RescanReport report = MustRun(true);
  EXPECT_EQ(Found(report, "vanished"), 1U);
  EXPECT_EQ(States(), " published, 1 published, 2 stored, 3 stored");
  EXPECT_EQ(Get("SELECT count(*) FROM publish_operation"), "0");
  EXPECT_EQ(Get("SELECT count(*) FROM publish_batch"), "0");
  EXPECT_EQ(Get("SELECT linked_batch IS NULL FROM nar WHERE file = '" + DemoIndex::FileOf(3) + "'"),
            "t");
  EXPECT_EQ(Get("SELECT state || ' ' || plan_phase || ' ' || (settle_batch IS NULL) FROM release "
                "WHERE name = 'demo-1'"),
            "mirroring 0 true")
      << "the release at work is planned again, so that its paths look for what they wait for";
}

TEST_F(RescanTest, ABlockedPathIsReadWhenItsCauseHeals) {
  index_.Add({.published = {0, 1}, .missing = 8, .blocked = 9});
  MustRun();
  Get("UPDATE path SET state = 'discovered', reason = NULL WHERE hash = '" + DemoIndex::HashOf(8) +
      "'");
  PgPlanStore planner(pool_, leader_);
  while (planner.BlockStep().value_or(false)) {
  }
  EXPECT_EQ(Get("SELECT blocked_by IS NULL FROM path WHERE hash = '" + DemoIndex::HashOf(9) + "'"),
            "t");
  EXPECT_EQ(Release("demo-1"), "walking r1 latest") << "so that its narinfo is read";
}

}  // namespace
}  // namespace hnx::test
