// The role index: publish batches become blocks that are a pure function of the log.
#include <gmock/gmock.h>

#include "hyper/drive/drive_reader.h"
#include "hyper/drive/hyperdrive.h"
#include "nix/hash.h"
#include "worker/data_directory.h"
#include "worker/index_key.h"
#include "worker_fixture.h"

namespace hnx::test {
namespace {

using State = FakeCoordinator::State;

pb::PublishOperation Put(const std::string& path, const std::string& content,
                         std::size_t first = 1 << 20) {
  pb::PublishOperation operation;
  operation.mutable_put()->set_path(path);
  operation.mutable_put()->set_size(content.size());
  operation.mutable_put()->set_sha256(ToString(nix::Sha256::Of(AsBytes(content))));
  operation.mutable_put()->set_data(content.substr(0, first));
  return operation;
}

pb::PublishOperation More(const std::string& data) {
  pb::PublishOperation operation;
  operation.set_more(data);
  return operation;
}

pb::PublishOperation Link(const std::string& path, const std::string& linkname) {
  pb::PublishOperation operation;
  operation.mutable_link()->set_path(path);
  operation.mutable_link()->set_linkname(linkname);
  return operation;
}

pb::PublishOperation Remove(const std::string& path) {
  pb::PublishOperation operation;
  operation.set_remove(path);
  return operation;
}

class IndexRoleTest : public WorkerTest {
 protected:
  IndexRoleTest() {
    options_.roles = {"mirror,index"};
    options_.index_key_file = folder_ / "index.key";
    EXPECT_TRUE(worker::CreateIndexKeyFile(options_.index_key_file).has_value());
  }

  void Publish(std::vector<pb::PublishOperation> operations) {
    coordinator_.With([&](State& state) { state.batches.push_back(std::move(operations)); });
  }
  bool AllAccepted() {
    return coordinator_.WaitFor(
        [](const State& state) { return state.batches_accepted == state.batches.size(); });
  }
  hyper::DriveKey MirrorKey() const {
    return *worker::MirrorKeyOf(*worker::ReadIndexKeyFile(options_.index_key_file));
  }
  std::unique_ptr<hyper::DriveReader> Index() const {
    hyper::DriveReaderOptions options;
    options.folder = std::filesystem::path(options_.data) / "drives" / MirrorKey().id();
    return *hyper::DriveReader::Open(options);
  }
  pb::DriveHead RecordedIndex() {
    pb::DriveHead head;
    coordinator_.With([&](State& state) {
      for (const auto& [key, drive] : state.drives) {
        if (drive.kind == pb::DriveState::KIND_INDEX) {
          head = drive.recorded;
        }
      }
    });
    return head;
  }
};

TEST_F(IndexRoleTest, TheDriveHasTheKeyThatTheKeyFileGives) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitFor([](const State& s) { return !s.drives.empty(); }));
  coordinator_.With(
      [&](State& state) { EXPECT_EQ(state.drives.begin()->first, ToString(MirrorKey().bytes())); });
  EXPECT_EQ(Index()->key(), MirrorKey());
}

TEST_F(IndexRoleTest, AppliesPutsLinksAndRemovalsInOrder) {
  const std::string large(3'000'000, 'L');
  Publish({Put("/nix-cache-info", "StoreDir: /nix/store\n"), Put("/a.narinfo", "a"),
           Put("/large", large, 1 << 20), More(large.substr(1 << 20, 1 << 20)),
           More(large.substr(2 << 20)), Put("/empty", ""), Link("/nar/x", "../../shard/nar/x")});
  Publish({Remove("/a.narinfo"), Put("/b.narinfo", "b")});
  StartWorker();
  ASSERT_TRUE(AllAccepted());
  const auto index = Index();
  EXPECT_EQ(ToString(*index->ReadFile("/large", 1 << 23)), large);
  EXPECT_EQ(ToString(*index->ReadFile("/b.narinfo", 100)), "b");
  EXPECT_EQ(ToString(*index->ReadFile("/empty", 100)), "");
  EXPECT_FALSE(index->Entry("/a.narinfo")->has_value());
  EXPECT_EQ(index->Entry("/nar/x")->value().linkname, "../../shard/nar/x");
}

TEST_F(IndexRoleTest, AFileWithAnotherHashIsNeverPublished) {
  pb::PublishOperation lie = Put("/a.narinfo", "truth");
  lie.mutable_put()->set_data("false");
  Publish({Put("/good", "good"), lie});
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitFor([](const State& s) { return s.calls > 5; }));
  coordinator_.With([](State& state) { EXPECT_EQ(state.batches_accepted, 0U); });
  EXPECT_LE(Index()->version(), 1U);
}

TEST_F(IndexRoleTest, ABatchWhoseAcceptanceWasLostIsMadeAgainWithTheSameBlocks) {
  Publish({Put("/a", "a")});
  StartWorker();
  ASSERT_TRUE(AllAccepted());
  const pb::DriveHead before = RecordedIndex();
  coordinator_.With([](State& state) { state.accept = false; });
  Publish({Put("/b", "b"), Link("/nar/b", "../../s/nar/b")});
  std::string once;
  ASSERT_TRUE(coordinator_.WaitFor([&](const State& s) {
    for (const auto& drive : s.last_request.drives()) {
      if (drive.kind() == pb::DriveState::KIND_INDEX && drive.publish_batch() == 2) {
        once = drive.head().SerializeAsString();
        return true;
      }
    }
    return false;
  }));
  StopWorker();
  EXPECT_EQ(RecordedIndex().SerializeAsString(), before.SerializeAsString());
  coordinator_.With([](State& state) { state.accept = true; });
  StartWorker();
  ASSERT_TRUE(AllAccepted());
  EXPECT_EQ(RecordedIndex().SerializeAsString(), once);
}

TEST_F(IndexRoleTest, ADriveShorterThanAcceptedIsNotAppendedTo) {
  Publish({Put("/a", "a")});
  StartWorker();
  ASSERT_TRUE(AllAccepted());
  StopWorker();
  std::filesystem::remove_all(std::filesystem::path(options_.data) / "drives" / MirrorKey().id());
  Publish({Put("/b", "b")});
  options_.accept_length = static_cast<std::int64_t>(RecordedIndex().db_length());
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitFor([calls = std::uint64_t{0}](const State& s) mutable {
    calls = calls == 0 ? s.calls : calls;
    return s.calls >= calls + 4;
  }));
  coordinator_.With([](State& state) { EXPECT_EQ(state.batches_accepted, 1U); });
  EXPECT_LE(Index()->version(), 1U);
}

TEST_F(IndexRoleTest, ABatchThatIsAskedForAgainWhileItIsAppendedIsAppendedOnce) {
  coordinator_.With([](State& state) { state.calls_during_batch_read = 3; });
  Publish({Put("/a", "a")});
  StartWorker();
  ASSERT_TRUE(AllAccepted());
  ASSERT_TRUE(coordinator_.WaitFor([calls = std::uint64_t{0}](const State& s) mutable {
    calls = calls == 0 ? s.calls : calls;
    return s.calls >= calls + 4;
  }));
  coordinator_.With([](State& state) { EXPECT_EQ(state.batch_reads, 1U); });
}

TEST_F(IndexRoleTest, AcceptedBatchesAreNotCutForADatabaseThatForgotThem) {
  Publish({Put("/a", "a")});
  StartWorker();
  ASSERT_TRUE(AllAccepted());
  const pb::DriveHead older = RecordedIndex();
  Publish({Put("/b", "b")});
  ASSERT_TRUE(AllAccepted());
  ASSERT_TRUE(coordinator_.WaitFor([calls = std::uint64_t{0}](const State& s) mutable {
    calls = calls == 0 ? s.calls : calls;
    return s.calls >= calls + 2;  // the answer that told so was heard
  }));
  StopWorker();
  coordinator_.With([&](State& state) {
    state.accept = false;
    state.batches_accepted = 1;
    state.batches.back() = {Put("/c", "c")};
    for (auto& [key, drive] : state.drives) {
      if (drive.kind == pb::DriveState::KIND_INDEX) {
        drive.recorded = older;
        drive.cut_tail = true;
      }
    }
  });
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitFor([calls = std::uint64_t{0}](const State& s) mutable {
    calls = calls == 0 ? s.calls : calls;
    return s.calls >= calls + 4;
  }));
  EXPECT_TRUE(Index()->Entry("/b")->has_value());
  EXPECT_FALSE(Index()->Entry("/c")->has_value());
}

// A holder had seen the content of the second batch and not its entries when the disk was lost.
class IndexFromAHalfTold : public IndexRoleTest {
 protected:
  void SetUp() override {
    Publish({Put("/a", "a")});
    StartWorker();
    ASSERT_TRUE(AllAccepted());
    first_ = RecordedIndex();
    Publish({Put("/b", "b"), Put("/c", "c")});
    ASSERT_TRUE(AllAccepted());
    second_ = RecordedIndex();
    StopWorker();
    {
      const auto data = *worker::DataDirectory::Open(options_.data);
      const auto store = *hyper::Corestore::Open(data->DriveFolder(MirrorKey()));
      const auto drive = *hyper::Hyperdrive::Open(*store);
      ASSERT_TRUE(
          drive->CutUnannouncedTail(first_.db_length(), second_.content_length()).has_value());
      ASSERT_TRUE(
          data->SetAcceptedIndex({first_.db_length(), second_.content_length()}).has_value());
    }
    coordinator_.With([&](State& state) {
      state.batches_accepted = 1;
      for (auto& [key, drive] : state.drives) {
        if (drive.kind == pb::DriveState::KIND_INDEX) {
          drive.recorded = first_;
        }
      }
    });
  }

  pb::DriveHead first_;
  pb::DriveHead second_;
};

TEST_F(IndexFromAHalfTold, TheBatchMakesTheSameContentAgain) {
  StartWorker();
  ASSERT_TRUE(AllAccepted());
  EXPECT_EQ(RecordedIndex().SerializeAsString(), second_.SerializeAsString());
}

TEST_F(IndexFromAHalfTold, ABatchThatMakesOtherContentIsNeverTold) {
  coordinator_.With([](State& state) { state.batches.back() = {Put("/b", "x"), Put("/c", "y")}; });
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitFor([](const State& s) { return s.batch_reads >= 3; }));
  coordinator_.With([](State& state) { EXPECT_EQ(state.batches_accepted, 1U); });
  EXPECT_EQ(RecordedIndex().SerializeAsString(), first_.SerializeAsString());
}

TEST_F(IndexRoleTest, AnotherKeyOnTheSameDirectoryIsRefused) {
  StartWorker();
  StopWorker();
  options_.index_key_file = folder_ / "other.key";
  ASSERT_TRUE(worker::CreateIndexKeyFile(options_.index_key_file).has_value());
  worker::WorkerOptions options = options_;
  ASSERT_TRUE(worker::Complete(&options).has_value());
  const auto started = worker::Worker::Start(options, {});
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().code, ErrorCode::kFailedPrecondition);
}

}  // namespace
}  // namespace hnx::test
