#include <algorithm>
#include <memory>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "hyper/core/proof_verifier.h"
#include "hyper/core/replica_core.h"
#include "tests/property/hyper_core/proof_world.h"
#include "tests/unit/hyper_core/core_fixture.h"

namespace hnx::hyper {
namespace {

ProofRequest ForBlock(std::uint64_t block, std::uint64_t nodes) {
  ProofRequest request;
  request.block = BlockRequest{BlockIndex(block), nodes};
  return request;
}
ProofRequest ForHash(std::uint64_t index, std::uint64_t nodes) {
  ProofRequest request;
  request.hash = HashRequest{TreeIndex(index), nodes};
  return request;
}
ProofRequest ForUpgrade(std::uint64_t start, std::uint64_t length) {
  ProofRequest request;
  request.upgrade = UpgradeRequest{start, length};
  request.manifest = start == 0;
  return request;
}
ProofRequest WithSeek(ProofRequest request, std::uint64_t bytes) {
  request.seek = SeekRequest{bytes, 0};
  return request;
}

std::vector<std::uint64_t> IndicesOf(const std::vector<TreeNode>& nodes) {
  std::vector<std::uint64_t> indices;
  for (const TreeNode& node : nodes) {
    indices.push_back(node.index.value());
  }
  return indices;
}
using Indices = std::vector<std::uint64_t>;

class ProofTest : public CoreTest {
 protected:
  ProofTest() { Create(); }

  Result<Proof> Prove(const ProofRequest& request) { return core_->Prove(request); }
  ProofVerdict Judge(const ProofRequest& request, const Proof& proof) {
    return Must(Asker(*core_, request).Judge(request, proof));
  }
  // Why it was refused; "verified" and the like when it was not.
  std::string Fault(const ProofVerdict& verdict) {
    if (const auto* refused = std::get_if<ProofRefused>(&verdict)) {
      return std::string(ProofFaultName(refused->fault));
    }
    const char* const names[] = {"verified", "refused", "stale", "fork ahead", "conflict"};
    return names[verdict.index()];
  }
  std::string FaultOf(const ProofRequest& request, const Proof& proof) {
    return Fault(Judge(request, proof));
  }
};

// -- Building

TEST_F(ProofTest, ListsTheSiblingsOfABlockUpToTheNodeThatTheAskerHas) {
  AppendMany(13);
  EXPECT_EQ(IndicesOf(Must(Prove(ForBlock(5, 0))).block->nodes), Indices({}));
  EXPECT_EQ(IndicesOf(Must(Prove(ForBlock(5, 3))).block->nodes), Indices({8, 13, 3}));
}

TEST_F(ProofTest, ListsTheRootsOfAnUpgradeAndWhatCompletesTheTreeBefore) {
  AppendMany(13);
  EXPECT_EQ(IndicesOf(Must(Prove(ForUpgrade(0, 13))).upgrade->nodes), Indices({7, 19, 24}));
  EXPECT_EQ(IndicesOf(Must(Prove(ForUpgrade(5, 8))).upgrade->nodes), Indices({10, 13, 19, 24}));
}

TEST_F(ProofTest, GoesOnToTheSignedLengthWhenAShorterUpgradeIsAskedFor) {
  AppendMany(13);
  const Proof proof = Must(Prove(ForUpgrade(3, 4)));
  EXPECT_EQ(IndicesOf(proof.upgrade->nodes), Indices({6, 9, 12}));
  EXPECT_EQ(IndicesOf(proof.upgrade->additional_nodes), Indices({14, 19, 24}));
}

TEST_F(ProofTest, PutsABlockInPlaceOfTheUpgradeNodeThatCoversIt) {
  AppendMany(13);
  ProofRequest request = ForUpgrade(0, 13);
  request.block = BlockRequest{BlockIndex(9), 0};
  const Proof proof = Must(Prove(request));
  EXPECT_EQ(IndicesOf(proof.upgrade->nodes), Indices({7, 24}));
  EXPECT_EQ(IndicesOf(proof.block->nodes), Indices({16, 21}));
}

TEST_F(ProofTest, PutsASeekInPlaceOfTheSiblingThatContainsIt) {
  AppendMany(8);  // of 51 bytes each
  const Proof proof = Must(Prove(WithSeek(ForBlock(0, 3), 51 * 5 + 10)));
  EXPECT_EQ(IndicesOf(proof.block->nodes), Indices({2, 5}));
  EXPECT_EQ(IndicesOf(proof.seek->nodes), Indices({10, 8, 13}));
}

TEST_F(ProofTest, GivesTheManifestAloneEvenOfAnEmptyCore) {
  ProofRequest request;
  request.manifest = true;
  const Proof proof = Must(Prove(request));
  EXPECT_EQ(proof.manifest, core_->manifest());
  EXPECT_FALSE(proof.block || proof.upgrade);
}

TEST_F(ProofTest, AnswersNothingOfAnEmptyCore) {
  EXPECT_EQ(CodeOf(Prove(ForUpgrade(0, 1))), ErrorCode::kNotFound);
}

TEST_F(ProofTest, CallsNonsenseInvalid) {
  AppendMany(13);
  ProofRequest both = ForUpgrade(5, 8);
  both.block = BlockRequest{BlockIndex(6), 0};
  both.seek = SeekRequest{400, 0};
  ProofRequest huge_padding = WithSeek(ForBlock(0, 3), 100);
  huge_padding.seek->padding = UINT64_MAX;
  ProofRequest beyond_upgrade = ForUpgrade(0, 5);
  beyond_upgrade.block = BlockRequest{BlockIndex(9), 0};
  for (const ProofRequest& request :
       {ForUpgrade(0, 14), ForUpgrade(13, 1), ForUpgrade(4, 0), ForUpgrade(UINT64_MAX, 2),
        ForUpgrade(2, UINT64_MAX), ForBlock(5, 4), ForBlock(12, 1), ForBlock(5, UINT64_MAX),
        ForHash(25, 0), ForHash(15, 0), ForHash(UINT64_MAX, 0), ForHash(UINT64_MAX - 1, 0),
        WithSeek(ForBlock(0, 2), 51 * 4), WithSeek(ForBlock(0, 2), UINT64_MAX), both, huge_padding,
        beyond_upgrade}) {
    EXPECT_EQ(CodeOf(Prove(request)), ErrorCode::kInvalidArgument);
  }
}

TEST_F(ProofTest, DoesNotFindWhatIsNotThere) {
  AppendMany(13);
  Clear(3, 5);
  ProofRequest other_fork = ForBlock(0, 0);
  other_fork.fork = 1;
  EXPECT_EQ(CodeOf(Prove(ForBlock(4, 0))), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(Prove(ForBlock(13, 0))), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(Prove(ForBlock(UINT64_MAX, 0))), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(Prove(other_fork)), ErrorCode::kNotFound);
  EXPECT_TRUE(Prove(ForHash(8, 1)).has_value());  // the tree of cleared blocks stays
}

TEST_F(ProofTest, TellsWhereTheBlockLiesInsteadOfReadingIt) {
  AppendMany(5);
  const Proof proof = Must(core_->Prove(ForBlock(2, 0), BlockBytes::kLocate));
  EXPECT_EQ(proof.block->bytes, Must(core_->Locate(BlockIndex(2))));
  EXPECT_TRUE(proof.block->value.view().empty());
}

class CountingNodes final : public TreeNodes {
 public:
  explicit CountingNodes(Hypercore& core) : core_(core) {}
  Result<TreeNode> Get(TreeIndex index) override {
    ++count;
    return NodeOf(core_, index);
  }
  std::string Name() const override { return "counted"; }
  int count = 0;

 private:
  Hypercore& core_;
};

TEST_F(ProofTest, ReadsNoMoreNodesThanAFewForEachLevel) {
  const auto core = MakeCore({}, 1, std::vector<std::size_t>(5000, 10));
  CountingNodes nodes(*core);
  std::vector<TreeNode> roots;
  for (const TreeIndex index : flat_tree::FullRoots(5000)) {
    roots.push_back(NodeOf(*core, index));
  }
  const MerkleTree tree = Must(MerkleTree::FromRoots(5000, roots));
  const CoreIdentity identity{core->key(), core->manifest()};
  for (const std::uint64_t byte : {0U, 5U, 12345U, 40959U, 49999U, 50000U}) {
    for (const ProofRequest& request :
         {WithSeek(ForUpgrade(0, 5000), byte), WithSeek(ForUpgrade(4097, 900), byte),
          WithSeek(ForBlock(77, 12), byte), ForBlock(4095, 12)}) {
      nodes.count = 0;
      (void)BuildProof({identity, core->head(), tree, nodes}, request);
      EXPECT_LE(nodes.count, 60);
    }
  }
}

// -- Verifying

TEST_F(ProofTest, RefusesEveryWrongFieldOfEveryProofOfSmallTrees) {
  std::uint32_t seed = 0;
  for (const std::size_t length : {1U, 2U, 3U, 5U, 8U, 11U}) {
    core_ = MakeCore({}, 3, std::vector<std::size_t>(length, 9));
    for (std::uint64_t start = 0; start < length; ++start) {
      for (std::uint64_t block = 0; block < length; ++block) {
        ProofRequest request = ForUpgrade(start, length - start);
        request.block = BlockRequest{BlockIndex(block), 0};
        const Proof proof = Must(Prove(request));
        ASSERT_EQ(FaultOf(request, proof), "verified") << length << " " << start << " " << block;
        Asker asker(*core_, request);
        ForEachMutation(proof, ++seed, [&](const Proof& wrong, const std::string& what) {
          EXPECT_NE(Fault(Must(asker.Judge(request, wrong))), "verified")
              << length << " " << start << " " << block << " " << what;
        });
      }
    }
  }
}

TEST_F(ProofTest, RefusesAnswersToAnotherQuestion) {
  AppendMany(13);
  ProofRequest with_manifest = ForBlock(5, 3);
  with_manifest.manifest = true;
  const Proof block = Must(Prove(ForBlock(5, 3)));
  EXPECT_EQ(FaultOf(ForBlock(4, 3), block), "unasked");
  EXPECT_EQ(FaultOf(ForHash(10, 3), block), "unasked");
  EXPECT_EQ(FaultOf(ForUpgrade(0, 13), block), "unasked");
  EXPECT_EQ(FaultOf(ForBlock(5, 3), Must(Prove(with_manifest))), "unasked");
  EXPECT_EQ(FaultOf(ForBlock(5, 3), Must(Prove(ForHash(10, 3)))), "unasked");
  EXPECT_EQ(FaultOf(ForBlock(5, 3), Proof()), "unasked");
}

TEST_F(ProofTest, RefusesABlockThatLeadsToANodeWeDoNotHave) {
  AppendMany(13);
  const Proof short_path = Must(Prove(ForBlock(5, 1)));
  EXPECT_EQ(FaultOf(ForBlock(5, 3), short_path), "malformed");
}

TEST_F(ProofTest, NeedsAManifestForItsFirstUpgrade) {
  AppendMany(3);
  const ProofRequest request = ForUpgrade(0, 3);
  Proof proof = Must(Prove(request));
  proof.manifest.reset();
  EXPECT_EQ(FaultOf(request, proof), "manifest");
  proof.manifest = Manifest::SingleSigner(KeyPair::Generate().public_key);
  EXPECT_EQ(FaultOf(request, proof), "manifest");
}

TEST_F(ProofTest, RefusesListsAndSizesBeyondEveryLimit) {
  AppendMany(13);
  const ProofRequest request = ForUpgrade(0, 13);
  Proof proof = Must(Prove(request));
  Proof long_list = proof;
  long_list.upgrade->nodes.resize(kProofNodesMax + 1, proof.upgrade->nodes[0]);
  Proof far = proof;
  far.upgrade->additional_nodes.push_back({TreeIndex(UINT64_MAX), 1, {}});
  Proof large = proof;
  large.upgrade->nodes[0].size = UINT64_MAX;
  Proof long_signature = proof;
  long_signature.upgrade->signature.resize(kProofSignatureBytesMax + 1);
  for (const Proof& wrong : {long_list, far, large, long_signature}) {
    EXPECT_EQ(FaultOf(request, wrong), "malformed");
  }
}

TEST_F(ProofTest, KeepsNoNodeWhoseSizeAPeerMayHaveShifted) {
  AppendMany(8);
  // Nodes 8 and 10 are siblings that are only listed: the sum of their sizes is all that is signed.
  const ProofRequest request = ForHash(8, 3);
  Proof shifted = Must(Prove(request));
  shifted.hash->nodes[0].size += 20;
  shifted.hash->nodes[1].size -= 20;
  const ProofVerdict verdict = Judge(request, shifted);
  ASSERT_EQ(Fault(verdict), "verified");
  EXPECT_EQ(IndicesOf(std::get<VerifiedProof>(verdict).nodes), Indices({3, 9, 11, 13}));
}

TEST_F(ProofTest, KeepsBothSiblingsOfABlock) {
  AppendMany(8);
  const ProofRequest request = ForBlock(4, 3);
  const ProofVerdict verdict = Judge(request, Must(Prove(request)));
  EXPECT_EQ(IndicesOf(std::get<VerifiedProof>(verdict).nodes), Indices({3, 8, 9, 10, 11, 13}));
}

TEST_F(ProofTest, TellsAStaleUpgradeFromAWrongOne) {
  AppendMany(13);
  const ProofRequest request = ForUpgrade(5, 8);
  const Proof proof = Must(Prove(request));
  Asker further(*core_, ForUpgrade(7, 6));
  EXPECT_EQ(Fault(Must(further.Judge(request, proof))), "stale");
}

TEST_F(ProofTest, FindsAnEqualTreeWhenItProbesForAConflict) {
  AppendMany(13);
  Asker asker(*core_, ForUpgrade(9, 4));
  ProofRequest probe = ConflictProbe({9, 0, 0, {}, {}}, 13);
  EXPECT_EQ(probe.upgrade, (UpgradeRequest{0, 9}));
  EXPECT_EQ(Fault(Must(asker.Judge(probe, Must(Prove(probe))))), "verified");
}

TEST_F(ProofTest, KnowsAForkAheadFromAClaimOfOne) {
  AppendMany(3);
  Asker asker(*core_, ForUpgrade(2, 1));
  ProofRequest request = ForUpgrade(2, 1);
  request.fork = 1;
  Proof claim = Must(Prove(ForUpgrade(2, 1)));
  claim.fork = 1;
  const ProofVerdict claimed = Must(asker.Judge(request, claim));
  ASSERT_EQ(Fault(claimed), "fork ahead");
  EXPECT_FALSE(std::get<ForkAhead>(claimed).is_signed);

  // The same, signed for another fork: a lie.
  ProofRequest whole = ForUpgrade(0, 3);
  whole.fork = 1;
  Proof lie = Must(Prove(ForUpgrade(0, 3)));
  lie.fork = 1;
  EXPECT_EQ(Fault(Must(asker.Judge(whole, lie))), "signature");
}

TEST_F(ProofTest, ReportsTwoSignedTreesAndKeepsNeither) {
  // The owner signs five blocks, loses three of them and signs others.
  AppendMany(5);
  auto other_files = std::make_shared<MemoryCoreFiles>();
  auto other =
      Must(Hypercore::Create(std::make_unique<MemoryCoreStorage>(other_files), SevenCore()));
  for (int i = 0; i < 7; ++i) {
    const std::string block = i < 2
                                  ? std::string(50, static_cast<char>('a' + i)) + std::to_string(i)
                                  : "another " + std::to_string(i);
    const ByteView view = AsBytes(block);
    Must(other->Append(std::span(&view, 1)));
  }
  auto replica = Must(ReplicaCore::Create(std::make_unique<MemoryCoreStorage>(), core_->key()));
  ProofRequest request = Must(replica->RequestUpgrade(5));
  Must(replica->Receive(request, Must(core_->Prove(request))));
  const CoreHead head = Must(replica->Commit()).head;

  request = Must(replica->RequestUpgrade(7));
  const ReceiveVerdict refused = Must(replica->Receive(request, Must(other->Prove(request))));
  ASSERT_TRUE(std::holds_alternative<ProofRefused>(refused));
  EXPECT_EQ(std::get<ProofRefused>(refused).fault, ProofFault::kSignature);

  const ProofRequest probe = ConflictProbe(replica->head(), 7);
  const ReceiveVerdict verdict = Must(replica->Receive(probe, Must(other->Prove(probe))));
  ASSERT_TRUE(std::holds_alternative<TreeConflict>(verdict));
  const auto& conflict = std::get<TreeConflict>(verdict);
  EXPECT_EQ(conflict.length, 5);
  EXPECT_NE(conflict.our_hash, conflict.their_hash);
  EXPECT_FALSE(replica->anything_staged());
  EXPECT_EQ(replica->head(), head);
  // Anybody who knows the key can judge both.
  for (const Proof& proof : {conflict.ours, conflict.theirs}) {
    auto judge = Must(ReplicaCore::Create(std::make_unique<MemoryCoreStorage>(), core_->key()));
    const ReceiveVerdict judged = Must(judge->Receive(probe, proof));
    EXPECT_TRUE(std::holds_alternative<ProofStaged>(judged));
  }
}

}  // namespace
}  // namespace hnx::hyper
