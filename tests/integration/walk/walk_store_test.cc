// What a save keeps when its narinfos are not the usual ones, and what a walk remembers.
#include "coordinator/store/walk_store.h"

#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include "coordinator/store/path_cache.h"
#include "walk_database.h"

namespace hnx::coordinator {
namespace {

std::string HashOf(int number) {
  return fmt::format("{:032}", number);
}

class WalkStoreTest : public ::testing::Test {
 protected:
  ReleaseId Submit(const std::string& channel, const std::vector<int>& roots) {
    const ReleaseId release = database_.AddRelease(channel, "http://upstream");
    std::vector<PathName> names;
    for (const int root : roots) {
      names.push_back({HashOf(root), "name"});
    }
    EXPECT_TRUE(database_.store().AddRoots(release, names).has_value());
    EXPECT_TRUE(database_.store().BeginWalk(release).has_value());
    return release;
  }
  PathId PathOf(int number) {
    return std::stoll(database_.Ask("SELECT id FROM path WHERE hash = '" + HashOf(number) + "'"));
  }
  VerifiedNarInfo InfoOf(int number, int nar, const std::vector<int>& references) {
    VerifiedNarInfo info{.path = PathOf(number),
                         .name = "signed",
                         .content = fmt::format("narinfo of {}\n\\ \x01\xff", number),
                         .url = fmt::format("nar/{}.nar", nar),
                         .file = fmt::format("{}.nar", nar),
                         .compression = "none",
                         .nar_hash = {},
                         .nar_size = 100,
                         .file_hash = std::nullopt,
                         .file_size = 0,
                         .references = {}};
    info.nar_hash[0] = static_cast<std::byte>(nar);
    for (const int reference : references) {
      info.references.push_back({HashOf(reference), "name"});
    }
    return info;
  }
  SaveOutcome Save(ReleaseId release, const std::vector<VerifiedNarInfo>& infos) {
    auto outcome = database_.store().SaveWalkResults(release, infos, {});
    EXPECT_TRUE(outcome.has_value()) << outcome.error().ToString();
    return outcome.value_or(SaveOutcome{});
  }
  std::set<std::string> Discovered(const SaveOutcome& outcome) {
    std::set<std::string> hashes;
    for (const FrontierPath& path : outcome.discovered) {
      hashes.insert(path.hash);
    }
    return hashes;
  }
  std::string Count(const std::string& from) {
    return database_.Ask("SELECT count(*) FROM " + from);
  }

  test::WalkDatabase database_;
};

TEST_F(WalkStoreTest, EveryByteOfANarInfoIsKept) {
  const ReleaseId release = Submit("a", {1});
  const VerifiedNarInfo info = InfoOf(1, 1, {});
  Save(release, {info});
  EXPECT_EQ(database_.Ask("SELECT encode(content, 'escape') FROM narinfo"),
            "narinfo of 1\n\\\\ \x01\\377");
  EXPECT_EQ(database_.Ask("SELECT octet_length(content) FROM narinfo"),
            std::to_string(info.content.size()));
}

TEST_F(WalkStoreTest, TheSameSaveAgainChangesNothing) {
  const ReleaseId release = Submit("a", {1, 2});
  const std::vector<VerifiedNarInfo> infos{InfoOf(1, 1, {2, 3}), InfoOf(2, 2, {3})};
  EXPECT_EQ(Discovered(Save(release, infos)), std::set<std::string>{HashOf(3)});
  const SaveOutcome again = Save(release, infos);
  EXPECT_EQ(again.paths_discovered, 0U);
  EXPECT_EQ(again.narinfos_changed, 0U);
  EXPECT_EQ(Count("narinfo"), "2");
  EXPECT_EQ(Count("nar"), "2");
  EXPECT_EQ(Count("path_reference"), "3");
  EXPECT_EQ(Count("release_path"), "3");
  EXPECT_EQ(database_.Ask("SELECT sum(narinfos) FROM release_delta"), "2");
}

TEST_F(WalkStoreTest, PathsOfOneNarShareItsRow) {
  const ReleaseId release = Submit("a", {1, 2, 3});
  Save(release, {InfoOf(1, 7, {}), InfoOf(2, 7, {1})});
  Save(release, {InfoOf(3, 7, {1, 2})});
  EXPECT_EQ(Count("nar"), "1");
  EXPECT_EQ(Count("narinfo"), "3");
  EXPECT_EQ(Count("path WHERE state = 'known' AND nar_id IS NOT NULL"), "3");
  EXPECT_EQ(Count("path_reference"), "3");
  EXPECT_EQ(Count("release_frontier"), "0");
}

TEST_F(WalkStoreTest, AReferenceThatIsNamedTwiceIsOne) {
  const ReleaseId release = Submit("a", {1});
  VerifiedNarInfo info = InfoOf(1, 1, {2, 2});
  info.references.push_back({HashOf(1), "itself"});
  const SaveOutcome outcome = Save(release, {info});
  EXPECT_EQ(outcome.paths_discovered, 1U);
  EXPECT_EQ(Count("path_reference"), "1");
}

TEST_F(WalkStoreTest, APathKnownFromOneReleaseStillJoinsTheNext) {
  const ReleaseId first = Submit("a", {1});
  Save(first, {InfoOf(1, 1, {3})});
  const ReleaseId second = Submit("b", {2});
  const SaveOutcome outcome = Save(second, {InfoOf(2, 2, {3})});
  EXPECT_EQ(outcome.paths_discovered, 1U);
  EXPECT_TRUE(outcome.discovered.empty()) << "somebody knew it: the frontier tells what it needs";
  const auto frontier = database_.store().NextFrontier(second, 0, 10, {});
  ASSERT_TRUE(frontier.has_value());
  ASSERT_EQ(frontier->paths.size(), 1U);
  EXPECT_EQ(frontier->paths[0].hash, HashOf(3));
}

// A replica that takes over may lack the last commits, and gives the numbers of their paths to
// others.
TEST_F(WalkStoreTest, NumbersThatWereReadFromAServerThatIsGoneCountForNothing) {
  const ReleaseId release = Submit("a", {1, 2});
  Save(release, {InfoOf(1, 1, {3})});
  const std::vector<VerifiedNarInfo> second{InfoOf(2, 2, {3})};
  test::WalkDatabase::KillServer();
  const auto refused = database_.store().SaveWalkResults(release, second, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable) << refused.error().ToString();
  EXPECT_EQ(Count("narinfo"), "1");
  Save(release, second);  // read anew
  EXPECT_EQ(Count("narinfo"), "2");
}

TEST_F(WalkStoreTest, RootsThatWereAddedOnTwoServersDoNotMakeAWalk) {
  const ReleaseId release = database_.AddRelease("a", "http://upstream");
  const std::vector<PathName> roots{{HashOf(1), "name"}};
  ASSERT_TRUE(database_.store().AddRoots(release, roots).has_value());
  test::WalkDatabase::KillServer();
  EXPECT_FALSE(database_.store().BeginWalk(release).has_value())
      << "roots that were added before may be lost";
  EXPECT_TRUE(database_.store().AddRoots(release, roots).has_value());
  EXPECT_TRUE(database_.store().BeginWalk(release).has_value());
}

TEST_F(WalkStoreTest, ADeletedReleaseLeavesNoRowsBehind) {
  const ReleaseId release = Submit("a", {1, 2});
  Save(release, {InfoOf(1, 1, {3})});
  {
    pqxx::connection connection(database_.uri());
    pqxx::work work(connection);
    work.exec("DELETE FROM release WHERE id = " + std::to_string(release));
    work.commit();
  }
  EXPECT_EQ(Count("release_path"), "0");
  EXPECT_EQ(Count("release_frontier"), "0");
  EXPECT_EQ(Count("path"), "3");
}

TEST(PathCacheTest, RemembersWhatIsAskedForAndStaysSmall) {
  PathCache cache;
  EXPECT_FALSE(cache.Find(HashOf(1)));
  cache.Put(HashOf(1), {.path = 11, .release = 5});
  ASSERT_TRUE(cache.Find(HashOf(1)));
  EXPECT_EQ(cache.Find(HashOf(1))->path, 11);
  EXPECT_EQ(cache.Find(HashOf(1))->release, 5);
  cache.Put(HashOf(1), {.path = 11, .release = 6});
  EXPECT_EQ(cache.Find(HashOf(1))->release, 6);
  const int many = static_cast<int>(PathCache::kEntries) * 2;
  // The head of a hash decides where it stands.
  const auto spread = [](int number) {
    std::string hash = HashOf(number);
    return std::string(hash.rbegin(), hash.rend());
  };
  for (int i = 2; i < many; ++i) {
    cache.Put(spread(i), {.path = i, .release = 5});
  }
  int kept = 0;
  for (int i = 2; i < many; ++i) {
    const auto known = cache.Find(spread(i));
    kept += known ? 1 : 0;
    EXPECT_TRUE(!known || known->path == i);
  }
  EXPECT_GT(kept, static_cast<int>(PathCache::kEntries) / 2);
  EXPECT_LE(kept, static_cast<int>(PathCache::kEntries));
  cache.Clear();
  EXPECT_FALSE(cache.Find(HashOf(1)));
}

}  // namespace
}  // namespace hnx::coordinator
