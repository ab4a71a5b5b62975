#include <atomic>
#include <thread>

#include <fmt/core.h>

#include "drive_fixture.h"
#include "mirror/drive_link.h"
#include "mirror/index_layout.h"
#include "mirror/mirror_reader.h"
#include "mirror/published_index.h"

namespace hnx::mirror {
namespace {

using hyper::Corestore;
using hyper::DriveKey;
using hyper::Hyperdrive;
using hyper::Must;
using hyper::PrimaryKey;
using hyper::ScratchFolder;

DriveKey KeyOf(unsigned char fill) {
  std::array<std::byte, 32> bytes{};
  bytes.fill(std::byte{fill});
  return DriveKey(bytes);
}

TEST(DriveLinkTest, MakesWhatItParses) {
  const std::string link = DriveLink::Make(KeyOf(5), "a.nar.xz");
  EXPECT_EQ(link, "../../" + KeyOf(5).id() + "/nar/a.nar.xz");
  const DriveLink parsed = Must(DriveLink::Parse("/nar/a.nar.xz", link));
  EXPECT_EQ(parsed.shard, KeyOf(5));
  EXPECT_EQ(parsed.file, "a.nar.xz");
}

TEST(DriveLinkTest, EveryOtherFormIsRefused) {
  const std::string id = KeyOf(5).id();
  for (const std::string& linkname :
       {std::string(), "hyper://" + id + "/nar/a", "../" + id + "/nar/a", "/" + id + "/nar/a",
        "../../" + KeyOf(5).hex() + "/nar/a", "../../" + id + "/nar/b", "../../" + id + "/nar/a/",
        "../../" + id + "/nar//a", "../../" + id + "/nar/../a", "../.././" + id + "/nar/a",
        "../../../" + id + "/nar/a", "..\\..\\" + id + "\\nar\\a", "../../" + id + "/other/a",
        "../../" + std::string(52, 'Y') + "/nar/a", "../../" + id.substr(1) + "/nar/a",
        "../../" + id + "/nar/a" + std::string(1, '\0'), std::string("../../../etc/passwd")}) {
    EXPECT_FALSE(DriveLink::Parse("/nar/a", linkname).has_value()) << linkname;
  }
  EXPECT_FALSE(DriveLink::Parse("/other/a", "../../" + id + "/nar/a").has_value());
  EXPECT_FALSE(DriveLink::Parse("/nar/..", "../../" + id + "/nar/..").has_value());
}

TEST(IndexLayoutTest, ASafeNameIsOnePartOfAPath) {
  for (const char* good : {"a", "0abc.nar.xz", "nixos-26.05.1", "a+b_c?d=e"}) {
    EXPECT_TRUE(IsSafeName(good)) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string(".a"), std::string("a/b"),
        std::string("a\\b"), std::string("a b"), std::string("\xc3\xa9"), std::string("a\0", 2),
        std::string(256, 'a')}) {
    EXPECT_FALSE(IsSafeName(bad)) << bad;
  }
}

TEST(MirrorJsonTest, ReadsWhatItWrites) {
  MirrorJson mirror{"https://cache.example.org", {}, {"k-1:AAAA"}, {}, KeyOf(3), std::nullopt, 7};
  mirror.shards.push_back({KeyOf(1), KeyOf(2), 10, 20});
  EXPECT_EQ(Must(MirrorJson::Parse(mirror.Serialize())), mirror);
  EXPECT_EQ(mirror.Serialize(), mirror.Serialize());
  mirror.upstreams = {"https://cache.example.org", "https://other.example.org"};
  EXPECT_EQ(Must(MirrorJson::Parse(mirror.Serialize())), mirror);
}

TEST(MirrorJsonTest, RefusesWhatItCannotTrust) {
  MirrorJson mirror{"u", {}, {}, {{KeyOf(1), KeyOf(2), 10, 20}}, std::nullopt, std::nullopt, 0};
  const std::string good = mirror.Serialize();
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  for (const std::string& text :
       {std::string(), std::string("[]"), good.substr(0, good.size() / 2),
        with("\"formatVersion\": 1", "\"formatVersion\": 2"), with(KeyOf(1).id(), KeyOf(9).id()),
        with("\"bytes\": 20", "\"bytes\": -1"), with("\"length\": 10", "\"length\": 1e3"),
        with(KeyOf(2).hex(), "12"), with("\"predecessor\": null", "\"predecessor\": \"x\""),
        std::string("{\"formatVersion\":1,\"upstream\":\"\",\"publicKeys\":") +
            std::string(10'000, '[')}) {
    EXPECT_FALSE(MirrorJson::Parse(text).has_value()) << text.substr(0, 200);
  }
  mirror.shards.push_back(mirror.shards.front());
  EXPECT_FALSE(MirrorJson::Parse(mirror.Serialize()).has_value()) << "a shard twice";
}

// A folder of drives: an index, and shards that hold NARs.
class MirrorReaderTest : public testing::Test {
 protected:
  struct Writer {
    std::unique_ptr<Corestore> store;
    std::unique_ptr<Hyperdrive> drive;
  };

  MirrorReaderTest() : index_(Make(1)), shard_(Make(2)) {}

  Writer Make(unsigned char fill) {
    PrimaryKey key{};
    key.fill(std::byte{fill});
    const auto made = folder_.path() / fmt::format("new-{}", fill);
    std::string id;
    {
      auto store = Must(Corestore::Create(made, key));
      id = Must(Hyperdrive::OpenOrCreate(*store))->key().id();
    }
    std::filesystem::rename(made, folder_.path() / id);
    Writer writer;
    writer.store = Must(Corestore::Open(folder_.path() / id));
    writer.drive = Must(Hyperdrive::Open(*writer.store));
    return writer;
  }

  void Publish(const std::vector<DriveKey>& shards) {
    MirrorJson mirror;
    mirror.upstream = "https://cache.example.org";
    for (const DriveKey& key : shards) {
      mirror.shards.push_back({key, key, 0, 0});
    }
    Must(index_.drive->Put(kMirrorJsonPath, AsBytes(mirror.Serialize())));
  }
  void Link(const std::string& file, const DriveKey& shard) {
    Must(index_.drive->Symlink(NarPath(file), DriveLink::Make(shard, file)));
  }
  std::unique_ptr<MirrorReader> Open() {
    return Must(MirrorReader::Open({folder_.path(), index_.drive->key()}));
  }
  static std::string NarOf(const MirrorReader& mirror, const std::string& file) {
    const auto found = Must(mirror.ResolveNar(file));
    if (!found) {
      return "absent";
    }
    std::string content;
    Must(found->drive->ReadBlob(found->blob, 0, found->size_bytes(),
                                [&](ByteView piece) -> Result<void> {
                                  content += AsText(piece);
                                  return {};
                                }));
    return content;
  }

  ScratchFolder folder_;
  Writer index_;
  Writer shard_;
};

TEST_F(MirrorReaderTest, FollowsALinkIntoAListedShard) {
  Must(shard_.drive->Put("/nar/a.nar", AsBytes("a's bytes")));
  Link("a.nar", shard_.drive->key());
  Must(index_.drive->Put("/nar/own.nar", AsBytes("own bytes")));
  Publish({shard_.drive->key()});
  auto mirror = Open();
  EXPECT_EQ(NarOf(*mirror, "a.nar"), "a's bytes");
  EXPECT_EQ(NarOf(*mirror, "own.nar"), "own bytes");
  EXPECT_EQ(NarOf(*mirror, "b.nar"), "absent");
  EXPECT_EQ(NarOf(*mirror, "../mirror.json"), "absent");
}

TEST_F(MirrorReaderTest, HostileLoopingAndUnlistedLinksAreAbsent) {
  Must(shard_.drive->Put("/nar/a", AsBytes("x")));
  Must(shard_.drive->Symlink("/nar/again", DriveLink::Make(shard_.drive->key(), "again")));
  Must(shard_.drive->Symlink("/nar/back", DriveLink::Make(index_.drive->key(), "back")));
  Writer unlisted = Make(3);
  Must(unlisted.drive->Put("/nar/u", AsBytes("x")));
  Link("u", unlisted.drive->key());
  Link("again", shard_.drive->key());
  Link("back", shard_.drive->key());
  Link("self", index_.drive->key());
  Must(index_.drive->Symlink("/nar/a", "../../" + shard_.drive->key().id() + "/nar/b"));
  Must(index_.drive->Symlink("/nar/etc", "../../../../etc/passwd"));
  Must(index_.drive->Symlink("/nar/loop", "loop"));
  Must(index_.drive->Symlink(kCacheInfoPath, DriveLink::Make(shard_.drive->key(), "a")));
  Publish({shard_.drive->key()});
  auto mirror = Open();
  for (const char* file : {"u", "again", "back", "self", "a", "etc", "loop"}) {
    EXPECT_EQ(NarOf(*mirror, file), "absent") << file;
  }
  EXPECT_FALSE(Must(mirror->IndexFile(kCacheInfoPath)));
}

TEST_F(MirrorReaderTest, AMissingShardIsAbsentUntilItsFolderComes) {
  Must(shard_.drive->Put("/nar/a", AsBytes("x")));
  Link("a", shard_.drive->key());
  Publish({shard_.drive->key()});
  const auto here = folder_.path() / shard_.drive->key().id();
  const auto away = folder_.path() / "away";
  std::filesystem::rename(here, away);
  auto mirror = Open();
  EXPECT_EQ(NarOf(*mirror, "a"), "absent");
  std::filesystem::rename(away, here);
  EXPECT_EQ(NarOf(*mirror, "a"), "x");
}

TEST_F(MirrorReaderTest, PicksUpWhatIsPublishedLater) {
  auto mirror = Open();
  EXPECT_EQ(*mirror->mirror_json(), MirrorJson{});
  EXPECT_EQ(NarOf(*mirror, "a"), "absent");
  Must(shard_.drive->Put("/nar/a", AsBytes("x")));
  Link("a", shard_.drive->key());
  Publish({shard_.drive->key()});
  EXPECT_TRUE(Must(mirror->Refresh()));
  EXPECT_EQ(NarOf(*mirror, "a"), "x");
  Must(shard_.drive->Put("/nar/b", AsBytes("y")));
  Link("b", shard_.drive->key());
  EXPECT_TRUE(Must(mirror->Refresh()));
  EXPECT_EQ(NarOf(*mirror, "b"), "y");
  Publish({});
  EXPECT_TRUE(Must(mirror->Refresh()));
  EXPECT_EQ(NarOf(*mirror, "b"), "absent") << "its shard is listed no more";
}

TEST_F(MirrorReaderTest, WhatTheIndexLinksToIsThereForAllWhoAskAtOnce) {
  constexpr int kThreads = 4;
  constexpr int kFiles = 100;
  const auto put = [this](const std::string& file) {
    Must(shard_.drive->Put(NarPath(file), AsBytes(file)));
    Link(file, shard_.drive->key());
  };
  Publish({shard_.drive->key()});
  put("0");
  auto mirror = Open();
  ASSERT_EQ(NarOf(*mirror, "0"), "0");  // its shard is open from now on
  std::atomic<int> absent = 0;
  for (int number = 1; number <= kFiles; ++number) {
    const std::string file = std::to_string(number);
    put(file);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        while (!Must(mirror->index()->Entry(NarPath(file)))) {
          std::this_thread::yield();
        }
        absent += Must(mirror->ResolveNar(file)) ? 0 : 1;
      });
    }
    EXPECT_TRUE(Must(mirror->Refresh()));
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
  EXPECT_EQ(absent, 0);
}

TEST_F(MirrorReaderTest, ReadsFilesOfTheIndexWithALimit) {
  Must(index_.drive->Put(kCacheInfoPath, AsBytes("StoreDir: /nix/store\n")));
  auto mirror = Open();
  EXPECT_EQ(ToString(*Must(mirror->ReadIndexFile(kCacheInfoPath, 100))), "StoreDir: /nix/store\n");
  EXPECT_FALSE(Must(mirror->ReadIndexFile("/none", 100)));
  EXPECT_EQ(mirror->ReadIndexFile(kCacheInfoPath, 5).error().code, ErrorCode::kResourceExhausted);
}

TEST_F(MirrorReaderTest, ADamagedMirrorJsonIsAnError) {
  Must(index_.drive->Put(kMirrorJsonPath, AsBytes("{}")));
  EXPECT_EQ(MirrorReader::Open({folder_.path(), index_.drive->key()}).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(MirrorReader::Open({folder_.path(), KeyOf(9)}).error().code, ErrorCode::kNotFound);
}

TEST_F(MirrorReaderTest, TellsWhatTheIndexSaysOfItsMirror) {
  const auto read = [&] {
    const auto reader =
        Must(hyper::DriveReader::Open({index_.store->folder(), index_.drive->key()}));
    return Must(ReadPublishedIndex(*reader));
  };
  EXPECT_TRUE(read().shards.empty());
  EXPECT_TRUE(read().channels.empty());
  Publish({shard_.drive->key()});
  const auto put = [&](const std::string& path, const std::string& text) {
    Must(index_.drive->Put(path, AsBytes(text)));
  };
  put("/channels/nixos-unstable/latest", "r7\n");
  put("/channels/nixos-unstable/r7/manifest.json",
      R"({"submittedAt":"2026-11-01T00:00:10Z","settledAt":"2026-11-02T00:00:00Z"})");
  put("/channels/paths/latest", "r1\n");  // without a manifest
  put("/channels/damaged/latest", "r2\n");
  put("/channels/damaged/r2/manifest.json", "no JSON");
  put("/channels/evil/latest", "../../etc/passwd\n");     // no safe name
  put("/channels/nixos-unstable/r7/latest", "deeper\n");  // no channel's
  const PublishedIndex index = read();
  ASSERT_EQ(index.shards.size(), 1U);
  EXPECT_EQ(index.shards[0].key, shard_.drive->key());
  ASSERT_EQ(index.channels.size(), 3U);
  EXPECT_EQ(index.channels[0].channel, "damaged");
  EXPECT_EQ(index.channels[0].submitted_at_ms, 0);
  EXPECT_EQ(index.channels[1].channel, "nixos-unstable");
  EXPECT_EQ(index.channels[1].latest, "r7");
  EXPECT_EQ(index.channels[1].submitted_at_ms, 1'793'491'210'000);
  EXPECT_EQ(index.channels[2].latest, "r1");
}

}  // namespace
}  // namespace hnx::mirror
