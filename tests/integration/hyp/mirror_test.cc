// hyp mirror out of local folders: what it writes, what it leaves alone, what a hostile drive
// cannot make it do.
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>

#include "base/file.h"
#include "mirror/drive_link.h"
#include "mirror/index_layout.h"
#include "mirror_fixture.h"

namespace hnx::hyp {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class MirrorTest : public MirrorFixture {
 protected:
  Outcome Mirror(std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"mirror", Address(), target().string(), "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = Hyp(std::move(words));
    said_ = nlohmann::json::parse(outcome.out.empty() ? "{}" : outcome.out);
    return outcome;
  }
  const nlohmann::json& said() const { return said_; }
  fs::path target() const { return folder() / "target"; }
  fs::path IndexPath(const std::string& path) const { return target() / (index_id() + path); }
  fs::path ShardPath(const std::string& path) const { return target() / (shard_id() + path); }
  std::string index_id() const { return index_id_; }
  std::string shard_id() const { return shard_id_; }

  static std::string Text(const fs::path& file) {
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
  }
  static void Write(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  // The NAR of the only file in the index's /nar.
  std::string NarFile() {
    return nlohmann::json::parse(Hyp({"ls", "--json", Address("/nar")}).out)["path"];
  }

 private:
  nlohmann::json said_;
  const std::string index_id_ = index().key().id();
  const std::string shard_id_ = shard().key().id();
};

TEST_F(MirrorTest, WritesIndexAndShardsSideBySideSoThatTheLinksResolve) {
  Publish("a", "content a");
  const std::string nar = NarFile();
  const Outcome outcome = Mirror();
  EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
  EXPECT_EQ(Text(IndexPath(nar)), NarOf("content a")) << "through the link";
  EXPECT_EQ(fs::read_symlink(IndexPath(nar)), "../../" + shard_id() + nar);
  EXPECT_EQ(Text(ShardPath(nar)), NarOf("content a"));
  EXPECT_THAT(Text(IndexPath("/mirror.json")), HasSubstr(shard_id()));

  const fs::path moved = folder() / "moved";
  fs::rename(target(), moved);
  EXPECT_EQ(Text(moved / (index_id() + nar)), NarOf("content a"));
}

TEST_F(MirrorTest, ASecondRunWritesNothingAndAThirdOnlyWhatIsNew) {
  Publish("a", "content a");
  ASSERT_EQ(Mirror().status, 0);
  EXPECT_EQ(said()["files"], 4);  // a NAR, its link, its narinfo, mirror.json
  ASSERT_EQ(Mirror().status, 0);
  EXPECT_EQ(said()["files"], 0);
  EXPECT_EQ(said()["unchanged"], 4);
  Publish("b", "content b");
  ASSERT_EQ(Mirror().status, 0);
  EXPECT_EQ(said()["files"], 3);
}

TEST_F(MirrorTest, AnEntryThatChangedIsWrittenAnewAndOneThatIsGoneIsRemoved) {
  ASSERT_TRUE(index().Put("/changes", AsBytes("old")).has_value());
  ASSERT_TRUE(index().Put("/goes/deep/down", AsBytes("soon")).has_value());
  ASSERT_EQ(Mirror().status, 0);
  ASSERT_TRUE(index().Put("/changes", AsBytes("new")).has_value());
  ASSERT_TRUE(index().Del("/goes/deep/down").has_value());
  ASSERT_EQ(Mirror().status, 0);
  EXPECT_EQ(Text(IndexPath("/changes")), "new");
  EXPECT_EQ(said()["removed"], 1);
  EXPECT_FALSE(fs::exists(IndexPath("/goes"))) << "folders that became empty";
}

TEST_F(MirrorTest, WhatIsNotOursStays) {
  ASSERT_TRUE(index().Put("/goes", AsBytes("soon")).has_value());
  ASSERT_TRUE(index().Put("/keeps/mine", AsBytes("theirs")).has_value());
  Write(IndexPath("/keeps/mine"), "my own");
  Write(IndexPath("/beside"), "my own");
  EXPECT_EQ(Mirror().status, 3) << "one file was left out";
  EXPECT_THAT(said()["leftOut"][0], HasSubstr("/keeps/mine"));
  Write(IndexPath("/goes"), "changed by hand");
  ASSERT_TRUE(index().Del("/goes").has_value());
  EXPECT_EQ(Mirror().status, 3);
  EXPECT_EQ(said()["removed"], 0);
  EXPECT_EQ(Text(IndexPath("/keeps/mine")), "my own");
  EXPECT_EQ(Text(IndexPath("/beside")), "my own");
  EXPECT_EQ(Text(IndexPath("/goes")), "changed by hand");
}

TEST_F(MirrorTest, AFolderThatAnotherProgramFilledIsTakenOverFileByFile) {
  Publish("a", "content a");
  const std::string nar = NarFile();
  Write(ShardPath(nar), NarOf("content a"));
  ASSERT_EQ(Mirror().status, 0);
  EXPECT_EQ(said()["files"], 3) << "all but the NAR";
  EXPECT_EQ(said()["unchanged"], 1);
}

TEST_F(MirrorTest, AFileThatWasDamagedIsWrittenAgain) {
  Publish("a", "content a");
  const std::string nar = NarFile();
  ASSERT_EQ(Mirror().status, 0);
  Write(ShardPath(nar), "damaged");
  ASSERT_EQ(Mirror().status, 0);
  EXPECT_EQ(Text(ShardPath(nar)), NarOf("content a"));
}

TEST_F(MirrorTest, LinksOfADriveLeadOnlyIntoItsShards) {
  Publish("a", "content a");
  Write(folder() / "secret", "secret");
  const auto other = hyper::DriveKey::Parse(std::string(64, '1'));
  for (const auto& [path, to] : std::vector<std::pair<std::string, std::string>>{
           {"/nar/absolute", (folder() / "secret").string()},
           {"/nar/up", "../../../secret"},
           {"/nar/unlisted", mirror::DriveLink::Make(*other, "unlisted")},
           {"/nar/self", mirror::DriveLink::Make(index().key(), "self")},
           {"/nar/other", mirror::DriveLink::Make(shard().key(), "name")},
           {"/inside", "mirror.json"}}) {
    ASSERT_TRUE(index().Symlink(path, to).has_value());
  }
  ASSERT_TRUE(shard().Symlink("/nar/of-shard", "../mirror.json").has_value());
  EXPECT_EQ(Mirror().status, 3);
  EXPECT_EQ(said()["leftOutTotal"], 7) << said();
  for (const char* path :
       {"/nar/absolute", "/nar/up", "/nar/unlisted", "/nar/self", "/nar/other", "/inside"}) {
    EXPECT_FALSE(fs::is_symlink(IndexPath(path))) << path;
  }
  EXPECT_FALSE(fs::is_symlink(ShardPath("/nar/of-shard")));
}

TEST_F(MirrorTest, LinksThatLieInTheFolderAreNotFollowed) {
  Publish("a", "content a");
  ASSERT_TRUE(index().Put("/file", AsBytes("from the drive")).has_value());
  ASSERT_TRUE(index().Put("/folder/file", AsBytes("from the drive")).has_value());
  const fs::path outside = folder() / "outside";
  Write(outside / "file", "outside");
  fs::create_directories(IndexPath(""));
  fs::create_symlink(outside / "file", IndexPath("/file"));
  fs::create_directory_symlink(outside, IndexPath("/folder"));
  EXPECT_EQ(Mirror().status, 3);
  EXPECT_EQ(said()["leftOutTotal"], 2) << said();
  EXPECT_EQ(Text(outside / "file"), "outside");
  EXPECT_EQ(std::distance(fs::directory_iterator(outside), {}), 1);

  // The folder of a whole drive, and our own.
  fs::remove_all(target());
  fs::create_directories(target());
  fs::create_directory_symlink(outside, target() / shard_id());
  EXPECT_EQ(Mirror().status, 1);
  fs::remove(target() / shard_id());
  fs::remove_all(target() / ".hyp");
  fs::create_directory_symlink(outside, target() / ".hyp");
  EXPECT_EQ(Mirror().status, 1);
  EXPECT_EQ(std::distance(fs::directory_iterator(outside), {}), 1);
}

TEST_F(MirrorTest, NamesThatNoFileCanHaveAreLeftOut) {
  ASSERT_TRUE(index().Put("/" + std::string(256, 'n'), AsBytes("long")).has_value());
  std::string deep;
  for (int i = 0; i < 65; ++i) {
    deep += "/d";
  }
  ASSERT_TRUE(index().Put(deep, AsBytes("deep")).has_value());
  ASSERT_TRUE(index().Put("/both", AsBytes("a file")).has_value());
  ASSERT_TRUE(index().Put("/both/below", AsBytes("below a file")).has_value());
  EXPECT_EQ(Mirror({"--threads", "1"}).status, 3);
  EXPECT_EQ(said()["leftOutTotal"], 3) << said();
  EXPECT_EQ(Text(IndexPath("/both")), "a file");
}

TEST_F(MirrorTest, TwoAtOnceInOneFolderAreRefused) {
  fs::create_directories(target() / ".hyp");
  const UniqueFd held(::open((target() / ".hyp").c_str(), O_RDONLY | O_DIRECTORY));
  ASSERT_EQ(::flock(held.get(), LOCK_EX), 0);
  const Outcome outcome = Mirror();
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("another hyp mirrors into the folder"));
}

TEST_F(MirrorTest, APatternTakesStorePathsWithAllThatTheyReferTo) {
  const nix::StorePath library = Publish("library", "content l");
  Publish("program", "content p", {library});
  const nix::StorePath other = Publish("other", "content o");
  ASSERT_EQ(Mirror({"--match", "-prog"}).status, 0);
  EXPECT_TRUE(fs::exists(IndexPath(mirror::NarInfoPath(library.hash_part()))));
  EXPECT_FALSE(fs::exists(IndexPath(mirror::NarInfoPath(other.hash_part()))));
  EXPECT_EQ(std::distance(fs::directory_iterator(ShardPath("/nar")), {}), 2);
  EXPECT_EQ(Mirror({"--match", "-nothing-like-it"}).status, 1);
  EXPECT_EQ(Mirror({"--match", "("}).status, 2) << "no regular expression";

  // Another selection adds; it does not take away.
  ASSERT_EQ(Mirror({"--match", "-other"}).status, 0);
  EXPECT_EQ(said()["removed"], 0);
  EXPECT_EQ(std::distance(fs::directory_iterator(ShardPath("/nar")), {}), 3);
}

TEST_F(MirrorTest, AReleaseThatIsNotThereIsNamed) {
  const Outcome outcome = Mirror({"--release", "nixos-unstable"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("no settled release of the channel nixos-unstable"));
  EXPECT_EQ(Mirror({"--release", "../x"}).status, 2);
}

// Killed after any of its files, it goes on and ends with the same folder.
TEST_F(MirrorTest, AKilledRunIsContinued) {
  for (const char* name : {"a", "b", "c", "d"}) {
    Publish(name, std::string("content ") + name);
  }
  std::uint64_t written = 0;
  int kills = 0;
  for (; kills < 100; ++kills) {
    ::setenv("HNX_CRASH_AT", "hyp.mirror.file_written:3", 1);
    const Outcome outcome = Mirror({"--threads", "1"});
    ::unsetenv("HNX_CRASH_AT");
    if (outcome.status == 0) {
      written = said()["files"];
      break;
    }
  }
  EXPECT_GE(kills, 2);
  EXPECT_LT(written, 5U) << "the last run had little left to do";
  ASSERT_EQ(Mirror().status, 0);
  EXPECT_EQ(said()["files"], 0);
  EXPECT_EQ(said()["unchanged"], 13);
  EXPECT_TRUE(fs::is_empty(target() / ".hyp" / "parts"));
}

TEST_F(MirrorTest, ShardsAreListedOneALine) {
  EXPECT_EQ(Hyp({"shards", Address()}).out, shard_id() + "\n");
  EXPECT_EQ(Hyp({"shards", Address(), "--hex"}).out, shard().key().hex() + "\n");
}

}  // namespace
}  // namespace hnx::hyp
