#include "hyper/drive/drive_reader.h"

#include <atomic>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drive_fixture.h"
#include "hyper/drive/find_drive.h"

namespace hnx::hyper {
namespace {

using DriveReaderTest = DriveFixture;

std::string ReadExtent(const BlobExtent& extent) {
  std::string bytes(extent.length(), '\0');
  EXPECT_TRUE(
      ReadAt(extent.fd(), extent.offset(), std::as_writable_bytes(std::span(bytes))).has_value());
  return bytes;
}

TEST_F(DriveReaderTest, FindsTheDriveByKeyAndWithoutOne) {
  Put("/a", "1");
  EXPECT_EQ(OpenReader()->key(), drive_->key());
  auto reader = Must(DriveReader::Open({folder(), drive_->key()}));
  EXPECT_EQ(reader->content_key(), drive_->content_key());
  EXPECT_EQ(Read(*reader, "/a"), "1");
  EXPECT_EQ(CodeOf(DriveReader::Open({folder(), drive_->content_key()})),
            ErrorCode::kInvalidArgument)
      << "the content core is no drive";
  EXPECT_EQ(CodeOf(DriveReader::Open({folder(), DriveKey(Key(1))})), ErrorCode::kNotFound);
}

TEST_F(DriveReaderTest, AnEmptyDriveHasNothing) {
  auto reader = OpenReader();
  EXPECT_EQ(reader->version(), 0U);
  EXPECT_TRUE(Paths(Must(reader->List("/"))).empty());
  EXPECT_FALSE(Must(reader->Entry("/a")));
  EXPECT_TRUE(Must(reader->Audit()).clean());
  Put("/a", "1");
  EXPECT_TRUE(Must(reader->Refresh()));
  EXPECT_EQ(Read(*reader, "/a"), "1");
}

TEST_F(DriveReaderTest, MovesOnlyByRefresh) {
  Put("/a", "1");
  auto reader = OpenReader();
  auto list = Must(reader->List("/"));
  Put("/b", "2");
  EXPECT_FALSE(Must(reader->Entry("/b")));
  EXPECT_TRUE(Must(reader->Refresh()));
  EXPECT_FALSE(Must(reader->Refresh()));
  EXPECT_TRUE(Must(reader->Entry("/b")));
  EXPECT_EQ(Paths(std::move(list)), (std::vector<std::string>{"/a"})) << "a list keeps its version";
}

TEST_F(DriveReaderTest, ListsAFolderOnly) {
  for (const char* path : {"/nar/a", "/nar/b/c", "/narx", "/nar0", "/na"}) {
    Put(path, "x");
  }
  auto reader = OpenReader();
  EXPECT_EQ(Paths(Must(reader->List("/nar"))), (std::vector<std::string>{"/nar/a", "/nar/b/c"}));
  EXPECT_EQ(Paths(Must(reader->List("/nar/"))), Paths(Must(reader->List("nar"))));
  EXPECT_EQ(Paths(Must(reader->List("/"))).size(), 5U);
}

TEST_F(DriveReaderTest, ReadsRangesOfABlob) {
  const std::string content = Pattern(200'000);
  Put("/before", Pattern(10, 2));
  Put("/a", content);
  auto reader = OpenReader();
  const BlobId blob = *Must(reader->Entry("/a"))->blob;
  for (const auto& [offset, length] : {std::pair<std::size_t, std::size_t>{0, 200'000},
                                       {0, 1},
                                       {65'535, 2},
                                       {65'536, 65'536},
                                       {131'000, 69'000},
                                       {200'000, 0}}) {
    std::string read;
    Must(reader->ReadBlob(blob, offset, length, [&](ByteView piece) -> Result<void> {
      EXPECT_LE(piece.size(), kBlobBlockBytes);
      read += AsText(piece);
      return {};
    }));
    EXPECT_EQ(read, content.substr(offset, length)) << offset;
  }
  EXPECT_EQ(CodeOf(reader->ReadBlob(blob, 1, 200'000, {})), ErrorCode::kOutOfRange);
}

TEST_F(DriveReaderTest, LocatesABlobForSendfile) {
  const std::string content = Pattern(100'000);
  Put("/x", "before");
  Put("/a", content);
  Put("/empty", "");
  auto reader = OpenReader();
  EXPECT_EQ(ReadExtent(Must(reader->Locate(*Must(reader->Entry("/a"))->blob))), content);
  EXPECT_EQ(Must(reader->Locate(*Must(reader->Entry("/empty"))->blob)).length(), 0U);
}

TEST_F(DriveReaderTest, HostileBlobIdsAreRefused) {
  Put("/a", Pattern(100'000));
  auto reader = OpenReader();
  const BlobId good = *Must(reader->Entry("/a"))->blob;
  std::vector<BlobId> hostile(6, good);
  hostile[0].block_length = 3;
  hostile[1].byte_length = 100'001;
  hostile[2].byte_offset = 1;
  hostile[3].block_offset = 1;
  hostile[3].block_length = 1;
  hostile[4].block_length = 0;
  hostile[5] = {kSafeIntegerMax, kSafeIntegerMax, kSafeIntegerMax, kSafeIntegerMax};
  for (const BlobId& blob : hostile) {
    EXPECT_EQ(CodeOf(reader->Locate(blob)), ErrorCode::kDataLoss);
    EXPECT_EQ(CodeOf(reader->ReadBlob(blob, 0, 1, [](ByteView) -> Result<void> { return {}; })),
              ErrorCode::kDataLoss);
  }
}

TEST_F(DriveReaderTest, ABlobThatIsBeingSentIsNotCleared) {
  const std::string content = Pattern(300'000);
  Put("/a", content);
  auto reader = OpenReader();
  const BlobId blob = *Must(reader->Entry("/a"))->blob;
  {
    const BlobExtent sending = Must(reader->Locate(blob));
    EXPECT_EQ(CodeOf(drive_->Clear(blob)), ErrorCode::kUnavailable);
    EXPECT_EQ(ReadExtent(sending), content);
  }
  Must(drive_->Clear(blob));
  EXPECT_EQ(CodeOf(reader->Locate(blob)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(reader->ReadFile("/a", 1 << 20)), ErrorCode::kNotFound);
}

TEST_F(DriveReaderTest, SeesATailThatWasCutAndWrittenAnew) {
  const DriveHead announced = Put("/a", "1");
  Put("/b", "lost");
  auto reader = OpenReader();
  EXPECT_EQ(Read(*reader, "/b"), "lost");
  Must(drive_->CutUnannouncedTail(announced.db_length, announced.content_length));
  Put("/b", "kept");
  Put("/c", "more");
  EXPECT_TRUE(Must(reader->Refresh()));
  EXPECT_EQ(Read(*reader, "/b"), "kept");
  EXPECT_TRUE(Must(reader->Audit()).clean());
}

TEST_F(DriveReaderTest, LimitsTheFilesItReadsWhole) {
  Put("/a", Pattern(1001));
  auto reader = OpenReader();
  EXPECT_EQ(CodeOf(reader->ReadFile("/a", 1000)), ErrorCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(reader->ReadFile("/b", 1000)), ErrorCode::kNotFound);
}

TEST_F(DriveReaderTest, OneFlippedBitInEachFileIsFoundAndNamed) {
  // So many that both cores write tree and bitfield.
  auto batch = Must(drive_->BeginBatch());
  for (unsigned i = 0; i < 1'000; ++i) {
    Must(batch->Put(fmt::format("/{}", i), AsBytes(Pattern(100, i))));
  }
  Must(batch->Commit());
  batch.reset();
  drive_.reset();
  store_.reset();
  ASSERT_TRUE(Must(OpenReader()->Audit()).clean());
  std::size_t files = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder() / "cores")) {
    const std::string name = file.path().filename();
    if (!file.is_regular_file() || file.file_size() == 0) {
      continue;
    }
    ++files;
    SCOPED_TRACE(file.path().string());
    // A place that means something: the newest header slot, a node, the first bit, a block.
    const std::streamoff at = name == "oplog" ? 40 : (name == "tree" ? 20 : 0);
    std::fstream raw(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    raw.seekg(at);
    const char original = static_cast<char>(raw.get());
    raw.seekp(at).put(static_cast<char>(original ^ 1)).flush();
    // Even when no drive opens on it any more.
    const auto audit = Must(AuditStoreFolder(folder()));
    ASSERT_FALSE(audit.clean());
    EXPECT_NE(audit.findings[0].find("/" + file.path().parent_path().filename().string()),
              std::string::npos);
    EXPECT_NE(audit.findings[0].find(": " + name + " at byte"), std::string::npos)
        << audit.findings[0];
    raw.seekp(at).put(original).flush();
  }
  EXPECT_EQ(files, 8U);
  EXPECT_TRUE(Must(OpenReader()->Audit()).clean());
}

TEST_F(DriveReaderTest, ManyThreadsShareOneReaderWhileTheDriveGrows) {
  const std::string content = Pattern(100'000);
  Put("/0", content);
  const auto reader = OpenReader();
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        while (!done) {
          const auto entry = reader->Entry("/0");
          const auto list = reader->List("/");
          const auto file = reader->ReadFile("/0", 1 << 20);
          if (!entry || !*entry || !list || !(*list)->Next() || !file || AsText(*file) != content ||
              !reader->Locate(*(*entry)->blob)) {
            ++wrong;
          }
        }
      });
    }
    for (int i = 1; i < 30; ++i) {
      Put(fmt::format("/{}", i), "x");
      EXPECT_TRUE(Must(reader->Refresh()));
    }
    done = true;
  }
  EXPECT_EQ(wrong, 0);
}

// One process appends, deletes and clears; four read. Every byte they get is right.
TEST_F(DriveReaderTest, FourProcessesReadWhileOneAppendsAndClears) {
  constexpr int kRounds = 40;
  constexpr std::size_t kFileBytes = 150'000;
  Put("/round", "0");
  std::vector<pid_t> readers;
  for (int i = 0; i < 4; ++i) {
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid != 0) {
      readers.push_back(pid);
      continue;
    }
    // Exit code 0: every file was whole and right, or told as gone.
    const auto reader = DriveReader::Open({folder(), std::nullopt});
    int seen = -1;
    while (reader && seen < kRounds) {
      if (const auto refreshed = (*reader)->Refresh(); !refreshed) {
        std::fprintf(stderr, "refresh: %s\n", refreshed.error().ToString().c_str());
        ::_exit(2);
      }
      const auto round = (*reader)->ReadFile("/round", 100);
      if (!round) {
        std::fprintf(stderr, "round: %s\n", round.error().ToString().c_str());
        ::_exit(3);
      }
      seen = std::stoi(ToString(*round));
      for (int back = 0; back < 3; ++back) {
        const std::string path = fmt::format("/file/{}", seen - back);
        const auto entry = (*reader)->Entry(path);
        if (!entry) {
          std::fprintf(stderr, "entry: %s\n", entry.error().ToString().c_str());
          ::_exit(4);
        }
        if (!*entry) {
          continue;
        }
        const auto extent = (*reader)->Locate(*(*entry)->blob);
        if (!extent) {
          if (extent.error().code == ErrorCode::kNotFound) {
            continue;
          }
          std::fprintf(stderr, "locate: %s\n", extent.error().ToString().c_str());
          ::_exit(5);
        }
        if (ReadExtent(*extent) != Pattern(kFileBytes, static_cast<unsigned>(seen - back))) {
          ::_exit(6);
        }
      }
    }
    ::_exit(reader ? 0 : 1);
  }
  for (int round = 1; round <= kRounds; ++round) {
    auto batch = Must(drive_->BeginBatch());
    Must(batch->Put(fmt::format("/file/{}", round),
                    AsBytes(Pattern(kFileBytes, static_cast<unsigned>(round)))));
    Must(batch->Put("/round", AsBytes(std::to_string(round))));
    const auto old = Must(drive_->Entry(fmt::format("/file/{}", round - 2)));
    Must(batch->Del(fmt::format("/file/{}", round - 2)));
    Must(batch->Commit());
    if (old) {
      Must(drive_->Clear(*old->blob, LockWait::kWait));
    }
  }
  for (const pid_t pid : readers) {
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
}

}  // namespace
}  // namespace hnx::hyper
