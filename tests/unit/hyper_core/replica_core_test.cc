#include "hyper/core/replica_core.h"

#include <algorithm>
#include <memory>
#include <random>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "hyper/core/oplog.h"
#include "hyper/core/recorded_core.h"
#include "hyper/drive/corestore.h"
#include "hyper/storage/flat_core_storage.h"
#include "tests/unit/hyper_core/core_fixture.h"
#include "tests/unit/hyper_core/failing_storage.h"
#include "tests/unit/hyper_core/scratch_folder.h"

namespace hnx::hyper {
namespace {

// A core of our own (core_) and a copy of it that it fills.
class ReplicaCoreTest : public CoreTest {
 protected:
  ReplicaCoreTest() {
    Create();
    AppendMany(20);
    replica_ = Must(ReplicaCore::Create(Storage(copy_), core_->key()));
  }

  static std::unique_ptr<CoreStorage> Storage(const std::shared_ptr<MemoryCoreFiles>& files) {
    return std::make_unique<MemoryCoreStorage>(files);
  }
  ReceiveVerdict Give(const ProofRequest& request) {
    return Must(replica_->Receive(request, Must(core_->Prove(request))));
  }
  void Upgrade() {
    EXPECT_TRUE(
        std::get<ProofStaged>(Give(Must(replica_->RequestUpgrade(core_->length())))).upgraded);
    Must(replica_->Commit());
  }
  void GiveBlock(std::uint64_t block) {
    const ReceiveVerdict verdict =
        Give(Must(replica_->RequestBlock(BlockIndex(block), core_->length())));
    EXPECT_TRUE(std::holds_alternative<ProofStaged>(verdict));
  }
  void Fill(const std::vector<std::uint64_t>& blocks) {
    for (const std::uint64_t block : blocks) {
      GiveBlock(block);
    }
    Must(replica_->Commit());
  }
  void ReopenReplica() {
    replica_.reset();
    replica_ = Must(ReplicaCore::Open(Storage(copy_)));
  }
  std::vector<std::uint64_t> Present() {
    std::vector<std::uint64_t> present;
    for (std::uint64_t i = 0; i < replica_->length(); ++i) {
      if (Must(replica_->Has(BlockIndex(i)))) {
        EXPECT_EQ(Must(replica_->Get(BlockIndex(i))), Must(core_->Get(BlockIndex(i))));
        present.push_back(i);
      }
    }
    return present;
  }
  using Blocks = std::vector<std::uint64_t>;

  std::shared_ptr<MemoryCoreFiles> copy_ = std::make_shared<MemoryCoreFiles>();
  std::unique_ptr<ReplicaCore> replica_;
};

TEST_F(ReplicaCoreTest, KnowsNothingButItsKeyAtFirst) {
  EXPECT_EQ(replica_->key(), core_->key());
  EXPECT_EQ(replica_->length(), 0);
  EXPECT_FALSE(replica_->manifest().has_value());
  ReopenReplica();
  EXPECT_EQ(replica_->key(), core_->key());
  EXPECT_FALSE(replica_->manifest().has_value());
}

TEST_F(ReplicaCoreTest, TakesTheOwnersHeadAndManifest) {
  Upgrade();
  EXPECT_EQ(replica_->head(), core_->head());
  EXPECT_EQ(replica_->manifest(), core_->manifest());
  ReopenReplica();
  EXPECT_EQ(replica_->head(), core_->head());
  EXPECT_EQ(replica_->manifest(), core_->manifest());
}

TEST_F(ReplicaCoreTest, IsFilledInAnyOrder) {
  Upgrade();
  Fill({17, 3, 4, 19});
  Fill({0});
  EXPECT_EQ(Present(), Blocks({0, 3, 4, 17, 19}));
  ReopenReplica();
  EXPECT_EQ(Present(), Blocks({0, 3, 4, 17, 19}));
  Must(replica_->Flush());
  ReopenReplica();
  EXPECT_EQ(Present(), Blocks({0, 3, 4, 17, 19}));
  EXPECT_TRUE(Must(replica_->Audit()).clean());
}

TEST_F(ReplicaCoreTest, TakesMoreWhileACommitWaitsForTheDisk) {
  Upgrade();
  GiveBlock(3);
  GiveBlock(4);
  const auto work = Must(replica_->BeginCommit());
  GiveBlock(3);  // once more: it is there
  GiveBlock(9);
  EXPECT_EQ(Must(replica_->NextMissing({BlockIndex(3), BlockIndex(20)})), BlockIndex(5));
  EXPECT_EQ(Must(replica_->NextMissing({BlockIndex(9), BlockIndex(20)})), BlockIndex(10));
  EXPECT_EQ(Present(), Blocks({}));
  EXPECT_EQ(Must(replica_->GetStaged(BlockIndex(3))), Must(core_->Get(BlockIndex(3))));
  EXPECT_EQ(Must(replica_->GetStaged(BlockIndex(9))), Must(core_->Get(BlockIndex(9))));
  work->Run();
  const ReplicaCore::Committed committed = Must(replica_->EndCommit(*work));
  EXPECT_EQ(committed.blocks, std::vector<BlockRange>({{BlockIndex(3), BlockIndex(5)}}));
  EXPECT_EQ(Present(), Blocks({3, 4}));
  EXPECT_TRUE(replica_->anything_staged());
  Must(replica_->Commit());
  EXPECT_EQ(Present(), Blocks({3, 4, 9}));
  ReopenReplica();
  EXPECT_EQ(Present(), Blocks({3, 4, 9}));
  EXPECT_TRUE(Must(replica_->Audit()).clean());
}

TEST_F(ReplicaCoreTest, GrowsWhileACommitWaitsForTheDisk) {
  Upgrade();
  GiveBlock(3);
  const auto work = Must(replica_->BeginCommit());
  AppendMany(11);
  EXPECT_TRUE(
      std::get<ProofStaged>(Give(Must(replica_->RequestUpgrade(core_->length())))).upgraded);
  GiveBlock(30);
  work->Run();
  Must(replica_->EndCommit(*work));
  EXPECT_EQ(replica_->length(), 20);
  EXPECT_EQ(replica_->staged_head(), core_->head());
  Must(replica_->Commit());
  EXPECT_EQ(replica_->head(), core_->head());
  ReopenReplica();
  EXPECT_EQ(Present(), Blocks({3, 30}));
}

TEST_F(ReplicaCoreTest, DoesNothingElseToItsFilesWhileACommitIsUnderWay) {
  Upgrade();
  Fill({5});
  GiveBlock(3);
  const auto work = Must(replica_->BeginCommit());
  for (const Result<void>& refused : {replica_->Clear({BlockIndex(5), BlockIndex(6)}),
                                      replica_->Flush(), replica_->DropStaged()}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kFailedPrecondition);
  }
  EXPECT_FALSE(replica_->BeginCommit());
  work->Run();
  Must(replica_->EndCommit(*work));
  Must(replica_->Clear({BlockIndex(5), BlockIndex(6)}));
  EXPECT_EQ(Present(), Blocks({3}));
}

TEST_F(ReplicaCoreTest, TakesABlockTogetherWithItsFirstUpgrade) {
  Fill({11});
  EXPECT_EQ(replica_->head(), core_->head());
  EXPECT_EQ(Present(), Blocks({11}));
}

TEST_F(ReplicaCoreTest, GrowsWithItsOwner) {
  Upgrade();
  Fill({2, 9});
  AppendMany(13);
  Fill({31});
  EXPECT_EQ(replica_->head(), core_->head());
  EXPECT_EQ(Present(), Blocks({2, 9, 31}));
}

TEST_F(ReplicaCoreTest, JudgesAnswersByWhatIsStagedInAnyOrder) {
  Upgrade();
  // All asked for before any answer came, as over a network.
  std::vector<ProofRequest> requests;
  for (std::uint64_t block = 0; block < 20; ++block) {
    requests.push_back(Must(replica_->RequestBlock(BlockIndex(block), 20)));
  }
  std::shuffle(requests.begin(), requests.end(), std::mt19937(5));
  for (const ProofRequest& request : requests) {
    EXPECT_TRUE(std::holds_alternative<ProofStaged>(Give(request)));
  }
  EXPECT_EQ(Present(), Blocks({}));
  const ReplicaCore::Committed committed = Must(replica_->Commit());
  EXPECT_EQ(committed.blocks, std::vector<BlockRange>({{BlockIndex(0), BlockIndex(20)}}));
  EXPECT_EQ(replica_->contiguous_length(), 20);
  EXPECT_EQ(Present().size(), 20);
}

TEST_F(ReplicaCoreTest, AsksForFewerNodesTheMoreItHas) {
  Upgrade();
  EXPECT_EQ(Must(replica_->RequestBlock(BlockIndex(4), 20)).block->nodes, 4);
  Fill({5});
  EXPECT_EQ(Must(replica_->RequestBlock(BlockIndex(4), 20)).block->nodes, 0);
  EXPECT_EQ(Must(replica_->RequestBlock(BlockIndex(6), 20)).block->nodes, 1);
}

TEST_F(ReplicaCoreTest, TellsWhatIsMissing) {
  Upgrade();
  Fill({0, 1, 2, 5});
  GiveBlock(3);
  const auto range = [](std::uint64_t begin, std::uint64_t end) {
    return BlockRange{BlockIndex(begin), BlockIndex(end)};
  };
  EXPECT_EQ(replica_->contiguous_length(), 3);
  EXPECT_EQ(Must(replica_->NextAbsent(range(0, 20))), BlockIndex(3));
  EXPECT_EQ(Must(replica_->NextMissing(range(0, 20))), BlockIndex(4));
  EXPECT_EQ(Must(replica_->NextMissing(range(5, 6))), BlockIndex(6));
  EXPECT_EQ(Must(replica_->NextPresent(range(3, 20))), BlockIndex(5));
  EXPECT_EQ(Must(replica_->NextPresent(range(6, 100))), BlockIndex(100));
  EXPECT_EQ(Must(replica_->NextAbsent(range(20, 100))), BlockIndex(20));
  EXPECT_TRUE(Must(replica_->HasAll(range(0, 3))));
  EXPECT_FALSE(Must(replica_->HasAll(range(0, 4))));
  EXPECT_FALSE(Must(replica_->HasAll(range(5, 21))));
}

TEST_F(ReplicaCoreTest, ReadsNothingThatIsNotThere) {
  Upgrade();
  Fill({7});
  EXPECT_EQ(CodeOf(replica_->Get(BlockIndex(6))), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(replica_->Get(BlockIndex(20))), ErrorCode::kOutOfRange);
  EXPECT_EQ(CodeOf(replica_->Locate(BlockIndex(1))), ErrorCode::kNotFound);
}

TEST_F(ReplicaCoreTest, TakesNothingFromALiar) {
  Upgrade();
  const ProofRequest request = Must(replica_->RequestBlock(BlockIndex(4), 20));
  Proof proof = Must(core_->Prove(request));
  proof.block->value = BlockValue(ToBytes("something else"));
  const ReceiveVerdict verdict = Must(replica_->Receive(request, proof));
  EXPECT_EQ(std::get<ProofRefused>(verdict).fault, ProofFault::kMismatch);
  EXPECT_FALSE(replica_->anything_staged());
  EXPECT_EQ(copy_->of(CoreFile::kData), Bytes());
}

TEST_F(ReplicaCoreTest, TakesABlockOnce) {
  Upgrade();
  const ProofRequest request = Must(replica_->RequestBlock(BlockIndex(4), 20));
  EXPECT_TRUE(std::get<ProofStaged>(Give(request)).block.has_value());
  EXPECT_FALSE(std::get<ProofStaged>(Give(request)).block.has_value());
  Must(replica_->Commit());
  EXPECT_FALSE(std::get<ProofStaged>(Give(request)).block.has_value());
  EXPECT_FALSE(replica_->anything_staged());
}

TEST_F(ReplicaCoreTest, TakesBytesThatItOnlyBorrows) {
  Upgrade();
  const ProofRequest request = Must(replica_->RequestBlock(BlockIndex(4), 20));
  Proof proof = Must(core_->Prove(request));
  Bytes receive_buffer = ToBytes(proof.block->value.view());
  proof.block->value = BlockValue::Borrowed(receive_buffer);
  Must(replica_->Receive(request, proof));
  receive_buffer.assign(receive_buffer.size(), std::byte{0});
  Must(replica_->Commit());
  EXPECT_EQ(Present(), Blocks({4}));
}

TEST_F(ReplicaCoreTest, ForgetsWhatIsDropped) {
  Upgrade();
  Fill({4});
  const Bytes data = copy_->of(CoreFile::kData);
  GiveBlock(5);
  GiveBlock(18);
  Must(replica_->DropStaged());
  EXPECT_FALSE(replica_->anything_staged());
  EXPECT_EQ(Present(), Blocks({4}));
  Fill({5});
  EXPECT_EQ(Present(), Blocks({4, 5}));
}

TEST_F(ReplicaCoreTest, ClearsBlocksAndTakesThemAgain) {
  Upgrade();
  Fill({0, 1, 4, 5, 6, 12, 19});
  Must(replica_->Clear({BlockIndex(1), BlockIndex(13)}));
  EXPECT_EQ(Present(), Blocks({0, 19}));
  EXPECT_EQ(replica_->contiguous_length(), 1);
  ReopenReplica();
  EXPECT_EQ(Present(), Blocks({0, 19}));
  Fill({5, 6, 7});
  EXPECT_EQ(Present(), Blocks({0, 5, 6, 7, 19}));
  EXPECT_TRUE(Must(replica_->Audit()).clean());
}

TEST_F(ReplicaCoreTest, PunchesTheBytesOfWhatItClears) {
  Upgrade();
  Fill({4, 5, 6, 12});
  const ByteRange gone = Must(replica_->Locate(BlockIndex(5)));
  Must(replica_->Clear({BlockIndex(5), BlockIndex(6)}));
  const Bytes& data = copy_->of(CoreFile::kData);
  EXPECT_TRUE(std::all_of(data.begin() + static_cast<std::ptrdiff_t>(gone.begin.value()),
                          data.begin() + static_cast<std::ptrdiff_t>(gone.end.value()),
                          [](std::byte byte) { return byte == std::byte{0}; }));
  EXPECT_EQ(Present(), Blocks({4, 6, 12}));
}

TEST_F(ReplicaCoreTest, ClearsNothingWhileBlocksAreStaged) {
  Upgrade();
  GiveBlock(3);
  EXPECT_EQ(CodeOf(replica_->Clear({BlockIndex(0), BlockIndex(20)})),
            ErrorCode::kFailedPrecondition);
}

TEST_F(ReplicaCoreTest, GoesOnAfterAFullDisk) {
  Upgrade();
  auto failure = std::make_shared<Failure>();
  replica_.reset();
  replica_ = Must(ReplicaCore::Open(std::make_unique<FailingStorage>(Storage(copy_), failure)));
  const ProofRequest request = Must(replica_->RequestBlock(BlockIndex(4), 20));
  const Proof proof = Must(core_->Prove(request));
  failure->writes_left = 0;
  EXPECT_EQ(CodeOf(replica_->Receive(request, proof)), ErrorCode::kResourceExhausted);
  EXPECT_FALSE(replica_->anything_staged());
  failure->writes_left = 1;
  Must(replica_->Receive(request, proof));
  EXPECT_EQ(CodeOf(replica_->Commit()), ErrorCode::kResourceExhausted);
  EXPECT_EQ(Present(), Blocks({}));
  failure->writes_left = 1000;
  Must(replica_->Commit());
  EXPECT_EQ(Present(), Blocks({4}));
  ReopenReplica();
  EXPECT_EQ(Present(), Blocks({4}));
}

TEST_F(ReplicaCoreTest, AsksToBeCommittedWhenItIsFull) {
  core_.reset();
  files_ = std::make_shared<MemoryCoreFiles>();
  Create();
  const std::string block(std::size_t{1} << 20, 'x');
  constexpr std::uint64_t kFull = kReplicaStagedBytesMax >> 20;
  const std::vector<ByteView> blocks(kFull + 1, AsBytes(block));
  Must(core_->Append(blocks));
  Upgrade();
  for (std::uint64_t i = 0; i < kFull; ++i) {
    EXPECT_FALSE(replica_->full());
    EXPECT_EQ(replica_->commit_due(), i << 20 >= kReplicaCommitBytes);
    GiveBlock(i);
  }
  EXPECT_TRUE(replica_->full());
  const ProofRequest request = Must(replica_->RequestBlock(BlockIndex(kFull), kFull + 1));
  const Proof proof = Must(core_->Prove(request));
  EXPECT_EQ(CodeOf(replica_->Receive(request, proof)), ErrorCode::kResourceExhausted);
  Must(replica_->Commit());
  EXPECT_TRUE(std::holds_alternative<ProofStaged>(Must(replica_->Receive(request, proof))));
}

TEST_F(ReplicaCoreTest, ServesWhatItHasToTheNext) {
  Upgrade();
  Fill({3, 4, 17});
  auto next = Must(ReplicaCore::Create(std::make_unique<MemoryCoreStorage>(), core_->key()));
  for (const std::uint64_t block : {17U, 3U, 4U}) {
    const ProofRequest request = Must(next->RequestBlock(BlockIndex(block), 20));
    const ReceiveVerdict verdict = Must(next->Receive(request, Must(replica_->Prove(request))));
    EXPECT_TRUE(std::holds_alternative<ProofStaged>(verdict));
  }
  Must(next->Commit());
  EXPECT_EQ(next->head(), core_->head());
  EXPECT_EQ(Must(next->Get(BlockIndex(17))), Must(core_->Get(BlockIndex(17))));
  const ProofRequest missing = Must(next->RequestBlock(BlockIndex(9), 20));
  EXPECT_EQ(CodeOf(replica_->Prove(missing)), ErrorCode::kNotFound);
  ProofRequest unknown_node;
  unknown_node.hash = HashRequest{TreeIndex(20), 0};
  EXPECT_EQ(CodeOf(replica_->Prove(unknown_node)), ErrorCode::kNotFound);
}

TEST_F(ReplicaCoreTest, IsReadLiveWithItsGaps) {
  auto reader = Must(CoreReader::Open(Storage(copy_)));
  EXPECT_EQ(reader->length(), 0);
  Upgrade();
  Fill({3, 4, 17});
  EXPECT_TRUE(Must(reader->Refresh()));
  EXPECT_EQ(reader->head(), core_->head());
  EXPECT_EQ(reader->manifest(), core_->manifest());
  EXPECT_EQ(Must(reader->Get(BlockIndex(4))), Must(core_->Get(BlockIndex(4))));
  EXPECT_EQ(CodeOf(reader->Get(BlockIndex(5))), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(reader->Locate(BlockIndex(10))), ErrorCode::kNotFound);
  EXPECT_TRUE(reader->LockRange({BlockIndex(3), BlockIndex(5)}).has_value());
  EXPECT_EQ(CodeOf(reader->LockRange({BlockIndex(3), BlockIndex(6)})), ErrorCode::kNotFound);
  Must(replica_->Clear({BlockIndex(3), BlockIndex(4)}));
  EXPECT_TRUE(Must(reader->Refresh()));
  EXPECT_EQ(CodeOf(reader->Get(BlockIndex(3))), ErrorCode::kNotFound);
  EXPECT_TRUE(Must(reader->Audit()).clean());
}

TEST_F(ReplicaCoreTest, IsNotMadeTwice) {
  EXPECT_EQ(CodeOf(ReplicaCore::Create(Storage(copy_), core_->key())), ErrorCode::kAlreadyExists);
}

TEST_F(ReplicaCoreTest, IsNoCoreOfOurOwn) {
  core_.reset();
  EXPECT_EQ(CodeOf(ReplicaCore::Open(Storage(files_))), ErrorCode::kFailedPrecondition);
}

TEST_F(ReplicaCoreTest, IsNotOpenedWhenItsSignatureIsDamaged) {
  Upgrade();
  replica_.reset();
  MemoryCoreStorage storage(copy_);
  OplogContent content = Must(ReadOplog(storage));
  content.entries.back().upgrade->signature[10] ^= std::byte{1};
  OplogContent without = Must(ReadOplog(storage));
  without.end = kOplogEntriesOffset;
  Must(OplogWriter(storage, without).Append(content.entries));
  EXPECT_EQ(CodeOf(ReplicaCore::Open(Storage(copy_))), ErrorCode::kDataLoss);
}

// Cores that were made before manifests: the key is the public key.
TEST_F(ReplicaCoreTest, TakesOldCoresWithoutAManifest) {
  KeyPair pair = KeyPair::FromSeed(SevenKey());
  OplogHeader header;
  header.key = CoreKey{pair.public_key.bytes};
  header.key_pair = StoredKeyPair{pair.public_key, std::move(pair.secret_key)};
  auto files = std::make_shared<MemoryCoreFiles>();
  MemoryCoreStorage storage(files);
  Must(RecordedCore::MakeFiles(storage, header));
  core_ = Must(Hypercore::Open(Storage(files)));
  AppendMany(6);
  copy_ = std::make_shared<MemoryCoreFiles>();
  replica_ = Must(ReplicaCore::Create(Storage(copy_), core_->key()));
  Fill({2, 5});
  EXPECT_EQ(Present(), Blocks({2, 5}));
  EXPECT_FALSE(replica_->manifest().has_value());
  ReopenReplica();
  EXPECT_EQ(replica_->head(), core_->head());
}

TEST(ReplicaInCorestoreTest, LiesBesideCoresOfOurOwn) {
  const ScratchFolder scratch;
  auto store = Must(Corestore::Create(scratch.path() / "store"));
  auto own = Must(store->OpenOrCreateNamed("db"));
  const CoreKey own_key = own->key();
  const ByteView block = AsBytes("ours");
  Must(own->Append(std::span(&block, 1)));
  own.reset();
  EXPECT_EQ(CodeOf(store->OpenReplica(own_key)), ErrorCode::kFailedPrecondition);

  auto theirs = Must(Hypercore::Create(std::make_unique<MemoryCoreStorage>(), SevenCore()));
  Must(theirs->Append(std::span(&block, 1)));
  for (int i = 0; i < 2; ++i) {
    auto replica = Must(store->OpenReplica(theirs->key()));
    EXPECT_EQ(replica->length(), i == 0 ? 0 : 1);
    if (i == 0) {
      const ProofRequest request = Must(replica->RequestBlock(BlockIndex(0), 1));
      Must(replica->Receive(request, Must(theirs->Prove(request))));
      Must(replica->Commit());
    }
    EXPECT_EQ(CodeOf(store->OpenReplica(theirs->key())), ErrorCode::kUnavailable);
  }
  EXPECT_EQ(Must(store->OpenNamed("db"))->length(), 1);
}

// -- A copy of a core of our own becomes the core again.

TEST_F(ReplicaCoreTest, BecomesItsOwnersCoreAgainAndGoesOnWithTheSameTree) {
  Upgrade();
  Fill({0, 7, 19});
  replica_.reset();
  auto recovered = Must(Hypercore::TakeOver(Storage(copy_), SevenCore()));
  EXPECT_TRUE(recovered->writable());
  EXPECT_EQ(recovered->head(), core_->head());
  for (int i = 0; i < 9; ++i) {
    const ByteView block = AsBytes(i % 2 == 0 ? "even" : "odd one");
    Must(recovered->Append({&block, 1}));
    Must(core_->Append({&block, 1}));
    ASSERT_EQ(recovered->head(), core_->head()) << "after " << i << " blocks";
  }
  recovered = nullptr;
  recovered = Must(Hypercore::Open(Storage(copy_)));
  EXPECT_EQ(recovered->head(), core_->head()) << "with the same signature";
  EXPECT_TRUE(Must(recovered->Has(BlockIndex(7))));
  EXPECT_EQ(CodeOf(recovered->Get(BlockIndex(8))), ErrorCode::kNotFound) << "it stays absent";
  EXPECT_EQ(Must(recovered->Get(BlockIndex(20))), ToBytes("even"));
  EXPECT_TRUE(Must(recovered->Audit()).clean());
}

TEST_F(ReplicaCoreTest, IsTakenOverAtEveryPointOfACrashAsOften) {
  Upgrade();
  Fill({3});
  replica_.reset();
  EXPECT_TRUE(Must(Hypercore::TakeOver(Storage(copy_), SevenCore()))->writable());
  const auto again = Must(Hypercore::TakeOver(Storage(copy_), SevenCore()));
  EXPECT_EQ(again->head(), core_->head());
}

TEST_F(ReplicaCoreTest, WithNothingInItIsTakenOverAsAnEmptyCore) {
  replica_.reset();
  const auto taken = Must(Hypercore::TakeOver(Storage(copy_), SevenCore()));
  EXPECT_EQ(taken->length(), 0);
  const ByteView block = AsBytes("first");
  EXPECT_EQ(Must(taken->Append({&block, 1})).length, 1);
}

TEST_F(ReplicaCoreTest, IsNotTakenOverByAnotherKey) {
  Upgrade();
  replica_.reset();
  PrimaryKey other{};
  KeyPair pair = DeriveKeyPair(other, kRootStoreNamespace, "db");
  Manifest manifest = Manifest::SingleSigner(pair.public_key);
  EXPECT_EQ(CodeOf(Hypercore::TakeOver(Storage(copy_), {manifest, std::move(pair), {}})),
            ErrorCode::kFailedPrecondition);
  EXPECT_EQ(Must(ReplicaCore::Open(Storage(copy_)))->head(), core_->head()) << "it stays a copy";
}

}  // namespace
}  // namespace hnx::hyper
