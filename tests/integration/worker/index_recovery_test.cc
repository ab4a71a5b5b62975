// What an index worker does before its first append: it asks who holds the index, fetches it when
// its disk lost it, and refuses to begin when nobody can tell how long the index was.
#include "worker/recovery/index_recovery.h"

#include <filesystem>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "hyper/drive/hyperdrive.h"
#include "hyper/node/peer_node.h"
#include "worker/index_key.h"

namespace hnx::test {
namespace {

namespace fs = std::filesystem;
using hyper::ReadLimits;
using worker::DataDirectory;
using worker::IndexRecoveryOptions;
using worker::IndexStart;
using namespace std::chrono_literals;

// How long is waited for those who never answer.
constexpr std::chrono::milliseconds kSilence{3'000};

template <class T>
T Must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << result.error().ToString();
    throw std::runtime_error(result.error().ToString());
  }
  if constexpr (!std::is_void_v<T>) {
    return *std::move(result);
  }
}

// The drive that the key file makes, in a folder, and who serves it.
struct Copy {
  fs::path folder;
  std::unique_ptr<hyper::Corestore> store;
  std::unique_ptr<hyper::Hyperdrive> drive;
  std::unique_ptr<hyper::PeerNode> node;

  void Put(int from, int to) const {
    for (int i = from; i < to; ++i) {
      const std::string path = fmt::format("/file-{:03}", i % 60);
      Must(drive->Put(path, AsBytes(path + std::string(static_cast<std::size_t>(i), 'x'))));
    }
  }
};

class IndexRecoveryTest : public testing::Test {
 protected:
  IndexRecoveryTest() {
    std::string pattern = (fs::temp_directory_path() / "hnx-recovery-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    options_.key_file = folder_ / "index.key";
    Must(worker::CreateIndexKeyFile(options_.key_file));
    key_ = Must(worker::ReadIndexKeyFile(options_.key_file));
    origin_ = Make("origin");
    origin_.Put(0, 90);
    OpenData();
  }
  ~IndexRecoveryTest() override {
    data_.reset();
    origin_ = {};
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  Copy Make(const std::string& name) const {
    Copy copy;
    copy.folder = folder_ / name;
    copy.store = Must(hyper::Corestore::Create(copy.folder, key_));
    copy.drive = Must(hyper::Hyperdrive::OpenOrCreate(*copy.store));
    return copy;
  }
  static std::string Serve(Copy* copy) {
    hyper::PeerNodeOptions options;
    options.listen = {"127.0.0.1:0"};
    copy->node = Must(hyper::PeerNode::Start(std::move(options)));
    Must(
        copy->node->AddServedDrive({copy->drive->key(), copy->drive->content_key(), copy->folder}));
    return copy->node->addresses().front();
  }
  // An address at which nobody answers.
  std::string Silent() {
    hyper::PeerNodeOptions options;
    options.listen = {"127.0.0.1:0"};
    const auto node = Must(hyper::PeerNode::Start(std::move(options)));
    return node->addresses().front();
  }
  void OpenData() {
    data_.reset();
    data_ = Must(DataDirectory::Open(folder_ / "data"));
  }
  fs::path DriveFolder() const { return data_->DriveFolder(Must(worker::MirrorKeyOf(key_))); }
  // The data directory has the index as it is at the origin now.
  void HaveTheIndex() {
    fs::create_directories(DriveFolder().parent_path());
    fs::copy(origin_.folder, DriveFolder(), fs::copy_options::recursive);
    Must(data_->SetIndexDrive(Must(worker::MirrorKeyOf(key_))));
    const auto head = origin_.drive->head();
    Must(data_->SetAcceptedIndex({head.db_length, head.content_length}));
    Must(worker::MarkIndexKeyUsed(options_.key_file));
  }
  void LoseTheDisk() {
    data_.reset();
    fs::remove_all(folder_ / "data");
    OpenData();
    Must(worker::MarkIndexKeyUsed(options_.key_file));
  }

  IndexStart Recover() { return Must(worker::RecoverIndex(*data_, options_)); }
  Error Refusal() {
    const auto start = worker::RecoverIndex(*data_, options_);
    EXPECT_FALSE(start.has_value()) << "it began";
    return start.has_value() ? Error{} : start.error();
  }
  // The drive in the data directory goes on exactly as the origin's would.
  void ExpectItGoesOnLikeTheOrigin() {
    const auto store = Must(hyper::Corestore::Open(DriveFolder()));
    const auto drive = Must(hyper::Hyperdrive::Open(*store));
    EXPECT_EQ(drive->head(), origin_.drive->head());
    for (int i = 90; i < 130; ++i) {
      const std::string path = fmt::format("/later-{}", i);
      Must(drive->Put(path, AsBytes(path)));
      Must(origin_.drive->Put(path, AsBytes(path)));
      ASSERT_EQ(drive->head(), origin_.drive->head()) << path;
    }
    EXPECT_EQ(drive->signed_head(), origin_.drive->signed_head());
  }
  void ExpectNothingWasMade() const {
    EXPECT_FALSE(fs::exists(DriveFolder())) << "a refused start must leave no drive behind";
  }

  fs::path folder_;
  hyper::PrimaryKey key_{};
  Copy origin_;
  IndexRecoveryOptions options_;
  std::unique_ptr<DataDirectory> data_;
};

TEST_F(IndexRecoveryTest, ANewKeyMakesAnEmptyDriveOnce) {
  const IndexStart start = Recover();
  EXPECT_EQ(start.known.db, 0U);
  EXPECT_TRUE(fs::exists(DriveFolder()));
  EXPECT_FALSE(fs::exists(folder_ / "index.key.new"));
  Recover();
  fs::remove_all(DriveFolder());
  const Error error = Refusal();
  EXPECT_EQ(error.code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(error.message.find("--index-holder"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("--accept-length"), std::string::npos) << error.message;
  ExpectNothingWasMade();
}

TEST_F(IndexRecoveryTest, ALostDriveIsFetchedFromAHolderAndWrittenOn) {
  LoseTheDisk();
  options_.holders = {Serve(&origin_)};
  const IndexStart start = Recover();
  EXPECT_EQ(start.known.db, origin_.drive->head().db_length);
  EXPECT_EQ(start.known.content, origin_.drive->head().content_length);
  EXPECT_EQ(Must(data_->AcceptedIndex()).db, start.known.db) << "nothing is cut below that";
  EXPECT_FALSE(fs::exists(data_->RecoveryFolder()));
  ExpectItGoesOnLikeTheOrigin();
}

TEST_F(IndexRecoveryTest, TheLongestOfSeveralHoldersCounts) {
  Copy shorter = Make("shorter");
  shorter.Put(0, 70);
  Copy empty = Make("empty");
  LoseTheDisk();
  options_.holders = {Serve(&shorter), Serve(&origin_), Serve(&empty)};
  Recover();
  ExpectItGoesOnLikeTheOrigin();
}

TEST_F(IndexRecoveryTest, ADriveFromAnOlderCopyIsReplacedByAHoldersLongerOne) {
  HaveTheIndex();
  origin_.Put(90, 120);
  options_.holders = {Serve(&origin_)};
  Recover();
  ExpectItGoesOnLikeTheOrigin();
  for (const auto& entry : fs::directory_iterator(folder_ / "data/drives")) {
    EXPECT_EQ(entry.path(), DriveFolder());
  }
}

TEST_F(IndexRecoveryTest, ADriveThatIsLongerThanItsHoldersStaysAsItIs) {
  Copy shorter = Make("shorter");
  shorter.Put(0, 70);
  HaveTheIndex();
  options_.holders = {Serve(&shorter)};
  Recover();
  ExpectItGoesOnLikeTheOrigin();
}

TEST_F(IndexRecoveryTest, AHolderWithAnotherTreeAtALengthOfOursStopsEverything) {
  Copy other = Make("other");
  other.Put(1, 60);  // other content under the same key
  HaveTheIndex();
  options_.holders = {Serve(&other)};
  EXPECT_EQ(Refusal().code, ErrorCode::kDataLoss);
}

TEST_F(IndexRecoveryTest, ALostDriveNeedsEveryHolderToAnswer) {
  LoseTheDisk();
  const std::string silent = Silent();
  options_.answer_max = kSilence;
  options_.holders = {silent};
  const Error error = Refusal();
  EXPECT_EQ(error.code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(error.message.find(silent + " gave no answer"), std::string::npos) << error.message;
  ExpectNothingWasMade();
}

TEST_F(IndexRecoveryTest, HoldersThatHaveNothingDoNotMakeALostIndexANewOne) {
  Copy empty = Make("empty");
  LoseTheDisk();
  options_.holders = {Serve(&empty)};
  const Error error = Refusal();
  EXPECT_EQ(error.code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(error.message.find("has length 0"), std::string::npos) << error.message;
  ExpectNothingWasMade();
  options_.accept_length = 0;
  Recover();
  EXPECT_TRUE(fs::exists(DriveFolder())) << "the operator says that it was never published";
}

TEST_F(IndexRecoveryTest, OfAWholeDriveOneHolderMustAnswer) {
  HaveTheIndex();
  options_.answer_max = kSilence;
  options_.holders = {Silent()};
  EXPECT_EQ(Refusal().code, ErrorCode::kFailedPrecondition) << "it may be an older copy";
  options_.accept_length = origin_.drive->head().db_length;
  Recover();
  ExpectItGoesOnLikeTheOrigin();
}

TEST_F(IndexRecoveryTest, TheOperatorsWordDoesNotStandAgainstWhatAHolderShows) {
  LoseTheDisk();
  options_.answer_max = kSilence * 3;
  const std::string held = Serve(&origin_);
  options_.holders = {held, Silent()};
  options_.accept_length = origin_.drive->head().db_length - 1;
  const Error error = Refusal();
  EXPECT_EQ(error.code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(
      error.message.find(fmt::format("{} has length {}", held, origin_.drive->head().db_length)),
      std::string::npos)
      << error.message;
  ExpectNothingWasMade();
  options_.accept_length = origin_.drive->head().db_length;
  Recover();
  ExpectItGoesOnLikeTheOrigin();
}

TEST_F(IndexRecoveryTest, TheWordIsHandedOnForADriveThatTheLogHasToBuild) {
  LoseTheDisk();
  options_.accept_length = 57;
  const IndexStart start = Recover();
  EXPECT_EQ(start.known.db, 57U) << "a database that knows less must not begin anew";
  EXPECT_EQ(start.accept_length, 57U);
}

TEST_F(IndexRecoveryTest, FromTheLogHoldersAreAskedAndNothingIsFetched) {
  LoseTheDisk();
  options_.holders = {Serve(&origin_)};
  options_.from_log = true;
  const IndexStart start = Recover();
  EXPECT_EQ(start.known.db, origin_.drive->head().db_length);
  const auto store = Must(hyper::Corestore::Open(DriveFolder()));
  EXPECT_EQ(Must(hyper::Hyperdrive::Open(*store))->head().db_length, 0U);
}

TEST_F(IndexRecoveryTest, ACrashBetweenTheRenamesIsMendedByTheNextStart) {
  HaveTheIndex();
  origin_.Put(90, 120);
  options_.holders = {Serve(&origin_)};
  // As after the crash: the old drive moved away, a whole copy not yet in its place.
  worker::IndexHolders holders({.key = origin_.drive->key(),
                                .primary_key = key_,
                                .folder = data_->RecoveryFolder(),
                                .addresses = options_.holders,
                                .swarm = {},
                                .stopping = {}});
  Must(holders.Fetch());
  fs::rename(DriveFolder(), folder_ / "data/drives/.new-replaced");
  OpenData();
  Recover();
  ExpectItGoesOnLikeTheOrigin();
}

TEST_F(IndexRecoveryTest, ACopyThatWasPutInPlaceButHasNoSecretKeyYetIsTakenOver) {
  LoseTheDisk();
  options_.holders = {Serve(&origin_)};
  worker::IndexHolders holders({.key = origin_.drive->key(),
                                .primary_key = key_,
                                .folder = data_->RecoveryFolder(),
                                .addresses = options_.holders,
                                .swarm = {},
                                .stopping = {}});
  Must(holders.Fetch());
  Must(data_->PutRecoveredDrive(origin_.drive->key()));
  OpenData();
  Recover();
  ExpectItGoesOnLikeTheOrigin();
}

TEST_F(IndexRecoveryTest, AWorkerThatIsToldToStopDoesNotWaitForSilentHolders) {
  LoseTheDisk();
  options_.holders = {Silent()};
  options_.stopping = [] { return true; };
  EXPECT_EQ(Refusal().code, ErrorCode::kCancelled);
  ExpectNothingWasMade();
}

TEST_F(IndexRecoveryTest, ANewKeyRemembersTheMirrorThatItReplaces) {
  options_.key_file = folder_ / "next.key";
  Must(worker::CreateIndexKeyFile(options_.key_file, origin_.drive->key()));
  EXPECT_EQ(Recover().predecessor, origin_.drive->key());
}

}  // namespace
}  // namespace hnx::test
