// The program hyp, run as a user runs it.
#include <algorithm>
#include <fstream>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "mirror/drive_link.h"
#include "mirror/index_layout.h"
#include "mirror_fixture.h"
#include "nix/hash.h"

namespace hnx::hyp {
namespace {

using testing::HasSubstr;
using HypTest = MirrorFixture;

std::size_t Lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST_F(HypTest, ListsEveryNarOfTheMirrorThroughItsLinks) {
  Publish("a", "content a");
  Publish("b", "content b");
  const Outcome listed = Hyp({"ls", Address("/nar")});
  EXPECT_EQ(listed.status, 0) << listed.err;
  EXPECT_EQ(Lines(listed.out), 2U) << listed.out;
  const Outcome json = Hyp({"ls", "--json", Address("/nar")});
  const auto line = nlohmann::json::parse(json.out.substr(0, json.out.find('\n')));
  EXPECT_EQ(line["shard"], shard().key().id());
  EXPECT_EQ(line["size"], NarOf("content a").size());
}

TEST_F(HypTest, HostileLoopingAndUnlistedLinksAreAbsent) {
  Publish("a", "content a");
  ASSERT_TRUE(index().Symlink("/nar/evil", "../../../etc/passwd").has_value());
  ASSERT_TRUE(index().Symlink("/nar/loop", "/nar/loop").has_value());
  ASSERT_TRUE(index().Symlink("/link", "nix-cache-info").has_value());
  const auto self = mirror::DriveLink::Make(index().key(), "self");
  ASSERT_TRUE(index().Symlink("/nar/self", self).has_value());
  const auto none = mirror::DriveLink::Make(shard().key(), "none");
  ASSERT_TRUE(index().Symlink("/nar/none", none).has_value());
  EXPECT_EQ(Lines(Hyp({"ls", Address("/nar")}).out), 1U);
  for (const char* path : {"/nar/evil", "/nar/loop", "/nar/self", "/nar/none", "/link"}) {
    const Outcome cat = Hyp({"cat", Address(path)});
    EXPECT_EQ(cat.status, 1) << path;
    EXPECT_EQ(cat.out, "") << path;
  }
}

TEST_F(HypTest, ReadsFilesThroughLinks) {
  const nix::StorePath path = Publish("a", "content a");
  const std::string nar =
      "/nar/" + nlohmann::json::parse(Hyp({"ls", "--json", Address("/nar")}).out)["path"]
                    .get<std::string>()
                    .substr(5);
  EXPECT_EQ(Hyp({"cat", Address(nar)}).out, NarOf("content a"));
  EXPECT_THAT(Hyp({"cat", Address(mirror::NarInfoPath(path.hash_part()))}).out,
              HasSubstr("StorePath: " + path.ToString()));
  const auto to = folder() / "got";
  EXPECT_EQ(Hyp({"get", Address("/nar"), to.string()}).status, 0);
  EXPECT_TRUE(std::filesystem::exists(to / nar.substr(5)));
}

TEST_F(HypTest, PutsIntoOurDriveAndIntoNoOther) {
  const Outcome made = Hyp({"create", "drive", "--json"});
  ASSERT_EQ(made.status, 0) << made.err;
  const auto drive = nlohmann::json::parse(made.out);
  const std::string address = drive["address"];
  EXPECT_EQ(address, "hyper://" + drive["key"].get<std::string>());
  const auto source = folder() / "source";
  std::ofstream(source) << "some text";
  EXPECT_EQ(Hyp({"put", source.string(), address + "/a/b"}).status, 0);
  EXPECT_EQ(Hyp({"cat", "hyper://" + drive["id"].get<std::string>() + "/a/b"}).out, "some text");
  EXPECT_EQ(Hyp({"put", source.string(), address}).status, 2) << "no path";

  const Outcome open = Hyp({"put", source.string(), Address("/x")});
  EXPECT_EQ(open.status, 1);
  EXPECT_THAT(open.err, HasSubstr("another process"));
  CloseDrives();
  const Outcome index_of_mirror = Hyp({"put", source.string(), Address("/x")});
  EXPECT_EQ(index_of_mirror.status, 1);
  EXPECT_THAT(index_of_mirror.err, HasSubstr("only its worker writes"));
  const std::filesystem::path ours = drive["folder"].get<std::string>();
  std::ofstream(ours / "primary-key") << std::string(32, 'x');
  EXPECT_THAT(Hyp({"put", source.string(), address + "/c"}).err, HasSubstr("is not ours"));
  std::filesystem::remove(ours / "primary-key");
  EXPECT_THAT(Hyp({"put", source.string(), address + "/c"}).err, HasSubstr("is not ours"));
  EXPECT_EQ(Hyp({"cat", address + "/a/b"}).out, "some text") << "reading needs no primary key";
}

TEST_F(HypTest, TellsWhatAMirrorIs) {
  const auto info = nlohmann::json::parse(Hyp({"info", "--json", Address()}).out);
  EXPECT_EQ(info["key"], index().key().hex());
  EXPECT_EQ(info["mirror"]["shards"][0]["id"], shard().key().id());
  EXPECT_EQ(info["mirror"]["shards"][0]["here"], true);
}

TEST_F(HypTest, WrongUseIsStatusTwo) {
  EXPECT_EQ(Hyp({"ls", "hyper://nonsense"}).status, 2);
  EXPECT_EQ(Hyp({"ls"}).status, 2);
  EXPECT_EQ(Hyp({"cat", Address("/..")}).status, 2);
  EXPECT_EQ(Hyp({"ls", "hyper://" + std::string(64, '0')}).status, 1) << "not here";
}

TEST_F(HypTest, VerifiesAHealthyMirror) {
  const nix::StorePath a = Publish("a", "content a");
  Publish("b", std::string(300'000, 'b'), {a});
  const Outcome own = Hyp({"verify", Address()});
  EXPECT_EQ(own.status, 0) << own.out << own.err;
  EXPECT_THAT(own.err, HasSubstr("the mirror itself names"));
  const Outcome trusted =
      Hyp({"verify", "--json", Address(), "--trusted-public-keys", trusted_key()});
  EXPECT_EQ(trusted.status, 0) << trusted.out << trusted.err;
  const auto report = nlohmann::json::parse(trusted.out);
  EXPECT_EQ(report["narinfos"], 2);
  EXPECT_EQ(report["nars"], 2);
  EXPECT_EQ(report["drives"], 2);
}

TEST_F(HypTest, VerifyNamesAnUntrustedSignature) {
  const nix::StorePath a = Publish("a", "content a");
  const Outcome verified = Hyp({"verify", Address(), "--trusted-public-keys",
                                "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="});
  EXPECT_EQ(verified.status, 1);
  EXPECT_THAT(verified.out, HasSubstr(std::string(a.hash_part()) + ".narinfo"));
}

TEST_F(HypTest, VerifyNamesANarWithOtherBytesAMissingOneAndAnOpenReference) {
  const nix::StorePath a = Publish("a", "content a");
  Publish("b", "content b", {a});
  ASSERT_TRUE(index().Del(mirror::NarInfoPath(a.hash_part())).has_value());
  Publish("c", "content c");
  Publish("d", "content d");
  std::vector<std::string> nars;
  for (const char* content : {"content c", "content d"}) {
    const std::string hash =
        nix::Hash::FromSha256(nix::Sha256::Of(AsBytes(NarOf(content)))).ToNix32Digits();
    nars.push_back(mirror::NarPath(hash + ".nar"));
  }
  ASSERT_TRUE(shard().Put(nars[0], AsBytes(NarOf("content x"))).has_value());
  ASSERT_TRUE(index().Del(nars[1]).has_value());
  const Outcome verified = Hyp({"verify", Address()});
  EXPECT_EQ(verified.status, 1);
  EXPECT_THAT(verified.out, HasSubstr("which is not published"));
  EXPECT_THAT(verified.out, HasSubstr(nars[0]));
  EXPECT_THAT(verified.out, HasSubstr(nars[1] + " is absent"));
  EXPECT_EQ(Lines(verified.out), 4U) << verified.out;
}

TEST_F(HypTest, VerifySaysWhenAShardIsNotHere) {
  Publish("a", "content a");
  const auto shard_folder = folder() / shard().key().id();
  CloseDrives();
  std::filesystem::rename(shard_folder, folder() / "away");
  const Outcome verified = Hyp({"verify", Address()});
  EXPECT_EQ(verified.status, 3) << verified.out << verified.err;
  EXPECT_THAT(verified.out, HasSubstr("not here: shard"));
  EXPECT_EQ(Lines(Hyp({"ls", Address("/nar")}).out), 1U) << "listed from the index alone";
}

TEST_F(HypTest, VerifyFindsAndNamesOneFlippedBitInEachFileOfEachCore) {
  Publish("a", "content a");
  FillUntilFlushed();
  CloseDrives();
  ASSERT_EQ(Hyp({"verify", Address()}).status, 0);
  std::size_t files = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder())) {
    const std::string name = file.path().filename();
    if (!file.is_regular_file() || file.file_size() == 0 ||
        (name != "oplog" && name != "tree" && name != "bitfield" && name != "data")) {
      continue;
    }
    ++files;
    const std::uint64_t byte = name == "oplog" ? 50 : (name == "tree" ? 20 : 0);
    FlipBit(file.path(), byte);
    const Outcome verified = Hyp({"verify", Address()});
    EXPECT_EQ(verified.status, 1) << file.path();
    EXPECT_THAT(verified.out, HasSubstr(name)) << file.path();
    FlipBit(file.path(), byte);
  }
  EXPECT_EQ(files, 16U);
  EXPECT_EQ(Hyp({"verify", Address()}).status, 0);
}

}  // namespace
}  // namespace hnx::hyp
