// Readers in other processes, while the writer appends, clears, flushes, cuts and opens again.
#include <cstdio>
#include <random>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "hyper/core/core_reader.h"
#include "hyper/storage/flat_core_storage.h"
#include "tests/unit/hyper_core/core_fixture.h"
#include "tests/unit/hyper_core/scratch_folder.h"

namespace hnx::hyper {
namespace {

constexpr int kWriterSteps = 300;
constexpr int kReaders = 4;
constexpr std::string_view kDone = "done";

// Every block can be told from its number alone, and none of its bytes is zero.
std::string BlockText(std::uint64_t block) {
  std::mt19937_64 random(block);
  std::string text(1 + random() % 9000, ' ');
  for (char& character : text) {
    character = static_cast<char>('!' + random() % 90);
  }
  return text;
}

void Write(const std::filesystem::path& folder) {
  std::mt19937_64 random(1);
  const auto open = [&] {
    return Must(Hypercore::Open(Must(FlatCoreStorage::OpenForWriting(folder))));
  };
  std::unique_ptr<Hypercore> core = open();
  for (int step = 0; step < kWriterSteps; ++step) {
    std::vector<std::string> texts;
    for (std::uint64_t i = 0; i <= random() % 3; ++i) {
      texts.push_back(BlockText(core->length() + i));
    }
    std::vector<ByteView> blocks;
    for (const std::string& text : texts) {
      blocks.push_back(AsBytes(text));
    }
    Must(core->Append(blocks));
    if (step % 3 == 0) {
      const std::uint64_t begin = random() % core->length();
      const std::uint64_t end = std::min(core->length(), begin + 1 + random() % 4);
      Must(core->Clear({BlockIndex(begin), BlockIndex(end)}, LockWait::kWait));
    }
    if (step % 7 == 0) {
      Must(core->Flush());
    }
    if (step % 11 == 0) {
      const Result<CoreHead> cut = core->CutUnannouncedTail(core->length() - 1);
      if (!cut && cut.error().code != ErrorCode::kUnavailable) {  // a reader may be in it
        Must(cut);
      }
    }
    if (step % 50 == 0) {
      core.reset();
      core = open();
    }
  }
  Must(core->SetUserData(kDone, AsBytes("yes")));
}

class Reading {
 public:
  explicit Reading(const std::filesystem::path& folder, unsigned seed)
      : reader_(Must(CoreReader::Open(Must(FlatCoreStorage::OpenReadOnly(folder))))),
        random_(seed) {}

  // Reads until the writer is done; how many blocks were seen whole.
  std::uint64_t Run() {
    while (!Done()) {
      (void)Must(reader_->Refresh());
      if (reader_->length() == 0) {
        continue;
      }
      const BlockIndex block(random_() % reader_->length());
      if (random_() % 100 == 0) {
        const AuditReport report = Must(reader_->Audit());
        Expect(report.clean(), report.clean() ? "" : report.findings[0].ToString());
      } else if (random_() % 2 == 0) {
        ReadVerified(block);
      } else {
        ReadLocked(block);
      }
    }
    const AuditReport report = Must(reader_->Audit());
    Expect(report.clean(), "the audit at the end");
    return seen_;
  }

 private:
  bool Done() const {
    for (const UserDataItem& item : reader_->user_data()) {
      if (item.key == kDone) {
        return true;
      }
    }
    return false;
  }
  static void Expect(bool right, const std::string& what) {
    if (!right) {
      throw std::runtime_error("wrong: " + what);
    }
  }
  void ReadVerified(BlockIndex block) {
    const Result<Bytes> bytes = reader_->Get(block);
    if (bytes) {
      Expect(AsText(*bytes) == BlockText(block.value()), "a verified block");
      ++seen_;
    } else {
      ExpectGone(bytes.error());
    }
  }
  void ReadLocked(BlockIndex first) {
    const BlockIndex end(std::min(reader_->length(), first.value() + 1 + random_() % 3));
    const Result<CoreReader::LockedBlocks> locked = reader_->LockRange({first, end});
    if (!locked) {
      ExpectGone(locked.error());
      return;
    }
    std::string expected;
    for (BlockIndex at = first; at < end; ++at) {
      expected += BlockText(at.value());
    }
    Expect(locked->bytes.length() == expected.size(), "the length of locked blocks");
    Bytes bytes(locked->bytes.length());
    Must(ReadAt(locked->lock.fd(), locked->bytes.begin.value(), bytes));
    Expect(AsText(bytes) == expected, "locked blocks");
    ++seen_;
  }
  // Cleared, or cut off just now.
  static void ExpectGone(const Error& error) {
    Expect(error.code == ErrorCode::kNotFound || error.code == ErrorCode::kOutOfRange ||
               error.code == ErrorCode::kUnavailable,
           error.ToString());
  }

  std::unique_ptr<CoreReader> reader_;
  std::mt19937_64 random_;
  std::uint64_t seen_ = 0;
};

// Runs `work` in a process of its own, which ends with status 0 when it returns true.
template <class Work>
pid_t InAProcess(Work work) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    int status = 1;
    try {
      status = work() ? 0 : 2;
    } catch (const std::exception& error) {
      (void)std::fprintf(stderr, "process %d: %s\n", ::getpid(), error.what());
    }
    ::_exit(status);
  }
  return pid;
}

TEST(LiveReaderTest, NeverSeesATornOrEmptyBlock) {
  const ScratchFolder scratch;
  const std::filesystem::path folder = scratch.path() / "core";
  Must(Hypercore::Create(Must(FlatCoreStorage::OpenForWriting(folder)), SevenCore()));
  std::vector<pid_t> processes;
  for (unsigned i = 0; i < kReaders; ++i) {
    processes.push_back(InAProcess([&] { return Reading(folder, i).Run() > 100; }));
  }
  processes.push_back(InAProcess([&] {
    Write(folder);
    return true;
  }));
  for (const pid_t pid : processes) {
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
        << "process " << pid << ": " << status;
  }
}

TEST(CoreReaderTest, SeesNewHeadsOnlyWhenRefreshed) {
  const auto files = std::make_shared<MemoryCoreFiles>();
  auto core = Must(Hypercore::Create(std::make_unique<MemoryCoreStorage>(files), SevenCore()));
  auto reader = Must(CoreReader::Open(std::make_unique<MemoryCoreStorage>(files)));
  EXPECT_FALSE(Must(reader->Refresh()));
  const ByteView block = AsBytes("new");
  Must(core->Append(std::span(&block, 1)));
  EXPECT_EQ(reader->length(), 0U);
  EXPECT_TRUE(Must(reader->Refresh()));
  EXPECT_EQ(reader->head(), core->head());
  EXPECT_FALSE(Must(reader->Refresh()));
  Must(core->Flush());
  EXPECT_TRUE(Must(reader->Refresh()));
  EXPECT_EQ(ToString(Must(reader->Get(BlockIndex(0)))), "new");
}

TEST(CoreReaderTest, RefreshTellsOfWhatAReadHasSeenBefore) {
  const auto files = std::make_shared<MemoryCoreFiles>();
  auto core = Must(Hypercore::Create(std::make_unique<MemoryCoreStorage>(files), SevenCore()));
  const ByteView block = AsBytes("old");
  Must(core->Append(std::span(&block, 1)));
  auto reader = Must(CoreReader::Open(std::make_unique<MemoryCoreStorage>(files)));
  Must(core->Append(std::span(&block, 1)));
  EXPECT_TRUE(Must(reader->StillThere(BlockIndex(0), Must(reader->Locate(BlockIndex(0))))));
  EXPECT_EQ(reader->length(), 2U);
  EXPECT_TRUE(Must(reader->Refresh()));
  EXPECT_FALSE(Must(reader->Refresh()));
}

TEST(CoreReaderTest, KeepsItsViewWhenTheNewOneDoesNotVerify) {
  const auto files = std::make_shared<MemoryCoreFiles>();
  auto core = Must(Hypercore::Create(std::make_unique<MemoryCoreStorage>(files), SevenCore()));
  const ByteView block = AsBytes("good");
  Must(core->Append(std::span(&block, 1)));
  auto reader = Must(CoreReader::Open(std::make_unique<MemoryCoreStorage>(files)));
  Must(core->Append(std::span(&block, 1)));
  Must(core->Flush());
  files->of(CoreFile::kTree)[40 + 20] ^= std::byte{1};  // the root
  EXPECT_EQ(CodeOf(reader->Refresh()), ErrorCode::kDataLoss);
  EXPECT_EQ(reader->length(), 1U);
}

TEST(CoreReaderTest, DoesNotOpenWhatIsNoCore) {
  EXPECT_EQ(CodeOf(CoreReader::Open(std::make_unique<MemoryCoreStorage>())), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace hnx::hyper
