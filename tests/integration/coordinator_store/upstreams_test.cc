// Several upstreams with files of one name: what is equal is stored once, what differs is refused.
#include <algorithm>
#include <span>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/hex.h"
#include "coordinator/store/pg_elsewhere_store.h"
#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

class UpstreamsTest : public testing::Test {
 protected:
  // Paths 0 and 1 have one NAR, path 2 has its own.
  void Mirror() {
    release_ = rig_.Submit(upstream_);
    rig_.Background();
    second_ = Ask("INSERT INTO upstream (url) VALUES ('http://second') RETURNING id");
  }
  // Path 1's narinfo came from the second upstream, where its NAR has the same name.
  void TakePathFromTheSecond(const std::string& nar_hash = "nar_hash",
                             const std::string& compression = "compression") {
    Ask(
        fmt::format("INSERT INTO nar (upstream_id, url, file, nar_hash, nar_size, compression, "
                    "file_size, narinfo_id, depth, lane, needed) SELECT {}, url, file, {}, "
                    "nar_size, {}, file_size, narinfo_id, depth, lane, true FROM nar WHERE file = "
                    "'{}' RETURNING id",
                    second_, nar_hash, compression, FileOf(0)));
    Ask(
        fmt::format("UPDATE path SET state = 'known', nar_id = (SELECT id FROM nar WHERE "
                    "upstream_id = {}) WHERE hash = '{}' RETURNING id",
                    second_, HashOf(1)));
  }
  void ExpectSettledWithEverything() {
    index_.PublishAll();
    EXPECT_EQ(rig_.View(release_).state, "settled");
    EXPECT_EQ(rig_.View(release_).paths_published, 3U);
  }
  std::string Ask(const std::string& sql) { return Sql(rig_.uri, sql); }

  FakeUpstream upstream_{{.references = {}}, {.references = {0}, .nar = 0}, {.references = {1}}};
  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  FakeWorker worker_{rig_, 1, upstream_};
  FakeWorker other_{rig_, 2, upstream_};
  FakeIndex index_{rig_, upstream_};
  coordinator::ReleaseId release_ = 0;
  std::string second_;  // the second upstream's number
};

TEST_F(UpstreamsTest, OneCopyServesTheSameFileOfTwoUpstreams) {
  Mirror();
  TakePathFromTheSecond();
  worker_.WorkOff();
  EXPECT_EQ(Ask("SELECT count(*) FROM nar WHERE state = 'stored'"), "3");
  EXPECT_EQ(
      Ask("SELECT count(DISTINCT blob_byte_offset) FROM nar WHERE file = '" + FileOf(0) + "'"),
      "1");
  ExpectSettledWithEverything();
}

TEST_F(UpstreamsTest, AFileThatWasStoredForAnotherUpstreamBlocksNobody) {
  Mirror();
  worker_.WorkOff();
  TakePathFromTheSecond();
  other_.WorkOff();
  EXPECT_EQ(Ask("SELECT state FROM nar WHERE upstream_id = " + second_), "stored");
  EXPECT_EQ(Ask("SELECT count(DISTINCT shard_id) FROM nar WHERE file = '" + FileOf(0) + "'"), "1");
  ExpectSettledWithEverything();
  ASSERT_TRUE(other_.Call().has_value());
  EXPECT_TRUE(other_.files().empty()) << "the copy that does not count is dropped";
  EXPECT_EQ(worker_.files().size(), 2U);
}

TEST_F(UpstreamsTest, TwoWorkersAtOnceStoreOneCopyThatCounts) {
  Mirror();
  TakePathFromTheSecond();
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(worker_.Call().has_value());
    ASSERT_TRUE(other_.Call().has_value());
    worker_.Work(1);
    other_.Work(1);
  }
  worker_.WorkOff();
  other_.WorkOff();
  EXPECT_EQ(Ask("SELECT count(*) FROM nar WHERE state = 'stored'"), "3");
  EXPECT_EQ(Ask("SELECT count(*) FROM job"), "0");
  ExpectSettledWithEverything();
}

TEST_F(UpstreamsTest, OtherBytesUnderTheNameOfAStoredFileAreRefusedAndItIsSaidWhy) {
  Mirror();
  worker_.WorkOff();
  TakePathFromTheSecond("sha256('another')");
  other_.WorkOff();
  EXPECT_EQ(Ask("SELECT state || ' ' || reason FROM path WHERE hash = '" + HashOf(1) + "'"),
            "set_aside file-of-another-upstream");
  EXPECT_EQ(Ask("SELECT message FROM path WHERE hash = '" + HashOf(1) + "'"),
            "the mirror keeps another file of this name, which came from http://upstream: /nar/" +
                FileOf(0));
  index_.PublishAll();
  EXPECT_EQ(rig_.View(release_).state, "settled");
  EXPECT_TRUE(index_.Publishes(0));
  EXPECT_FALSE(index_.Publishes(1));
}

TEST_F(UpstreamsTest, TheSameNarCompressedOtherwiseUnderThatNameIsRefusedToo) {
  // Its narinfo would tell clients to decompress what is stored in a way that fails.
  Mirror();
  worker_.WorkOff();
  TakePathFromTheSecond("nar_hash", "'zstd'");
  other_.WorkOff();
  EXPECT_EQ(Ask("SELECT state || ' ' || reason FROM path WHERE hash = '" + HashOf(1) + "'"),
            "set_aside file-of-another-upstream");
  EXPECT_EQ(Ask("SELECT state FROM nar WHERE upstream_id = 1 AND file = '" + FileOf(0) + "'"),
            "stored");
}

class FailedNarTest : public UpstreamsTest {
 protected:
  void MirrorFromTwo(FakeUpstream upstream) {
    upstream_ = std::move(upstream);
    const std::vector<coordinator::ConfiguredUpstream> configured{
        {.url = "http://upstream", .public_keys = {}}, {.url = "http://second", .public_keys = {}}};
    ASSERT_TRUE(rig_.walk->ConfigureUpstreams(configured).has_value());
    release_ = rig_.Submit(upstream_);
    rig_.Background();
  }
  coordinator::PgElsewhereStore Elsewhere() { return {*rig_.pool, *rig_.leader}; }
  std::vector<coordinator::ElsewherePath> Due() {
    const std::vector<coordinator::UpstreamId> askable{1, 2};
    auto due = Elsewhere().Next(askable);
    EXPECT_TRUE(due.has_value()) << due.error().message;
    return due.value_or(std::vector<coordinator::ElsewherePath>());
  }
  // What the second upstream has of a path that the rig walked.
  coordinator::VerifiedNarInfo SecondsNarInfo(int path) {
    const auto column = [&](const std::string& what) {
      return Ask(
          fmt::format("SELECT {} FROM path p JOIN narinfo i ON i.id = p.narinfo_id JOIN nar "
                      "n ON n.id = p.nar_id WHERE p.hash = '{}'",
                      what, HashOf(path)));
    };
    coordinator::VerifiedNarInfo info{.path = std::stoll(column("p.id")),
                                      .name = "p",
                                      .content = column("convert_from(i.content, 'UTF8')"),
                                      .url = "elsewhere/" + FileOf(path),
                                      .file = FileOf(path),
                                      .compression = "xz",
                                      .nar_hash = {},
                                      .nar_size = 1000,
                                      .file_hash = std::nullopt,
                                      .file_size = 100,
                                      .references = {},
                                      .upstream = 2};
    const auto hash = DecodeHex(column("encode(n.nar_hash, 'hex')"));
    std::copy(hash->begin(), hash->end(), info.nar_hash.begin());
    for (const int reference : upstream_[static_cast<std::size_t>(path)].references) {
      info.references.push_back({HashOf(reference), "p"});
    }
    return info;
  }
  void Answer(const coordinator::ElsewhereAnswer& answer) {
    const auto saved = Elsewhere().Save(std::span(&answer, 1));
    ASSERT_TRUE(saved.has_value()) << saved.error().message;
  }
};

TEST_F(FailedNarTest, APathFailsOnlyWhenNoOtherUpstreamHasItsNar) {
  MirrorFromTwo({{.references = {}, .nar_failure = ErrorCode::kNotFound, .nar_failures = 1},
                 {.references = {0}}});
  worker_.WorkOff();
  rig_.Background();
  EXPECT_EQ(rig_.StateOf(0), "known");
  EXPECT_EQ(Ask("SELECT state FROM nar WHERE file = '" + FileOf(0) + "'"), "missing");
  EXPECT_EQ(rig_.View(release_).paths_missing, 0U);
  const auto due = Due();
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].upstream, 2);
  Answer({.asked = due[0], .found = {}, .refused = "it has no narinfo (http-404)", .later = {}});
  const auto last = Due();
  ASSERT_EQ(last.size(), 1U);
  EXPECT_EQ(last[0].upstream, 0) << "all were tried";
  Answer({.asked = last[0], .found = {}, .later = {}});
  rig_.Background();
  EXPECT_EQ(rig_.StateOf(0), "missing");
  EXPECT_EQ(rig_.StateOf(1), "blocked");
  EXPECT_TRUE(Due().empty());
}

TEST_F(FailedNarTest, TheReleaseIsCompleteWithTheNarOfTheOther) {
  MirrorFromTwo({{.references = {}, .nar_failure = ErrorCode::kNotFound, .nar_failures = 1},
                 {.references = {0}}});
  worker_.WorkOff();
  const auto due = Due();
  ASSERT_EQ(due.size(), 1U);
  Answer({.asked = due[0], .found = SecondsNarInfo(0), .later = {}});
  EXPECT_EQ(rig_.releases->Why(HashOf(0))->upstream, "http://second");
  worker_.WorkOff();
  index_.PublishAll();
  const auto view = rig_.View(release_);
  EXPECT_EQ(view.state, "settled");
  EXPECT_EQ(view.paths_published, 2U);
  EXPECT_EQ(view.nars_total, 2U);
  EXPECT_EQ(view.nars_stored, 2U);
  EXPECT_NE(index_.File("/channels/paths/r1/manifest.json")
                .find("{\"url\":\"http://second\",\"paths\":1}"),
            std::string::npos);
}

TEST_F(FailedNarTest, AnAnswerThatComesTooLateChangesNothing) {
  MirrorFromTwo({{.references = {}, .nar_failure = ErrorCode::kNotFound, .nar_failures = 1}});
  worker_.WorkOff();
  const auto due = Due();
  ASSERT_EQ(due.size(), 1U);
  const auto info = SecondsNarInfo(0);
  Ask("UPDATE path_elsewhere SET looking = false RETURNING 1");
  Answer({.asked = due[0], .found = info, .later = {}});
  EXPECT_EQ(Ask("SELECT count(*) FROM nar"), "1");
}

TEST_F(FailedNarTest, OtherReferencesAreNotTaken) {
  MirrorFromTwo({{.references = {}},
                 {.references = {0}, .nar_failure = ErrorCode::kNotFound, .nar_failures = 1}});
  worker_.WorkOff();
  const auto due = Due();
  ASSERT_EQ(due.size(), 1U);
  auto info = SecondsNarInfo(1);
  info.references.clear();
  Answer({.asked = due[0], .found = info, .later = {}});
  EXPECT_EQ(Due().at(0).upstream, 0);
  EXPECT_EQ(Ask("SELECT count(*) FROM event WHERE what LIKE '%other References%'"), "1");
}

TEST_F(FailedNarTest, ANarThatTheMirrorHasAlreadyIsNotFetchedAgain) {
  MirrorFromTwo({{.references = {}},
                 {.references = {}, .nar_failure = ErrorCode::kNotFound, .nar_failures = 1}});
  worker_.WorkOff();
  const auto due = Due();
  ASSERT_EQ(due.size(), 1U);
  auto info = SecondsNarInfo(1);
  // The second upstream's file is the one that path 0 is from.
  info.file = FileOf(0);
  Ask("UPDATE nar SET nar_hash = (SELECT nar_hash FROM nar WHERE id = " +
      std::to_string(due[0].nar) + ") WHERE file = '" + FileOf(0) + "' RETURNING 1");
  Answer({.asked = due[0], .found = info, .later = {}});
  EXPECT_EQ(rig_.StateOf(1), "stored");
}

TEST_F(FailedNarTest, WithoutAnotherUpstreamAPathFailsAtOnce) {
  upstream_ = {{.references = {}, .nar_failure = ErrorCode::kNotFound, .nar_failures = 1}};
  release_ = rig_.Submit(upstream_);
  rig_.Background();
  worker_.WorkOff();
  EXPECT_EQ(rig_.StateOf(0), "missing");
  EXPECT_EQ(Ask("SELECT count(*) FROM path_elsewhere"), "0");
}

}  // namespace
}  // namespace hnx::test
