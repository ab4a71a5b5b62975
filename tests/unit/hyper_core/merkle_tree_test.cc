#include "hyper/core/merkle_tree.h"

#include <gtest/gtest.h>

#include "tests/unit/hyper_core/core_fixture.h"

namespace hnx::hyper {
namespace {

TEST(MerkleTreeTest, HashesAsHypercoreDoes) {
  EXPECT_EQ(LeafHash(AsBytes("hello")).ToHex(),
            "f2391083cfaa8043205fed76cdff843902146ca92aebcd7a196814ec45d8c8f8");
  EXPECT_EQ(LeafHash({}).ToHex(),
            "5187b7a8021bf4f2c004ea3a54cfece1754f11c7624d2363c7f4cf4fddd1441e");
  MerkleTree tree;
  std::vector<TreeNode> created;
  for (const std::string_view block : {"hello", "world!", ""}) {
    tree.Append(LeafHash(AsBytes(block)), block.size(), created);
  }
  ASSERT_EQ(created.size(), 4U);
  EXPECT_EQ(created[2].hash.ToHex(),
            "39b5bdb783bd95d59af7446800d3a5bd1a83169d94e1527de039049a9a704967");
  EXPECT_EQ(tree.hash().ToHex(),
            "34673bdd1c928d880f1b1c748f03a83e7a39aceb19f9349c6e53d953589aef8c");
  EXPECT_EQ(tree.byte_length(), 11U);
}

TEST(MerkleTreeTest, HasTheRootsOfItsLength) {
  MerkleTree tree;
  std::vector<TreeNode> created;
  for (std::uint64_t length = 1; length <= 130; ++length) {
    tree.Append(LeafHash(AsBytes("x")), 1, created);
    const std::vector<TreeIndex> expected = flat_tree::FullRoots(length);
    ASSERT_EQ(tree.roots().size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(tree.roots()[i].index, expected[i]);
    }
    EXPECT_EQ(MerkleTree::FromRoots(length, tree.roots()).value(), tree);
  }
}

TEST(MerkleTreeTest, RefusesRootsThatDoNotFitTheLength) {
  MerkleTree tree;
  std::vector<TreeNode> created;
  for (int i = 0; i < 3; ++i) {
    tree.Append(LeafHash(AsBytes("x")), 1, created);
  }
  EXPECT_FALSE(MerkleTree::FromRoots(4, tree.roots()).has_value());
  EXPECT_FALSE(MerkleTree::FromRoots(2, tree.roots()).has_value());
  EXPECT_FALSE(MerkleTree::FromRoots(UINT64_MAX, {}).has_value());
  std::vector<TreeNode> blank = tree.roots();
  blank[1] = TreeNode{blank[1].index, 0, {}};
  EXPECT_FALSE(MerkleTree::FromRoots(3, blank).has_value());
  std::vector<TreeNode> huge = tree.roots();
  huge[0].size = UINT64_MAX;
  EXPECT_FALSE(MerkleTree::FromRoots(3, huge).has_value());
}

TEST(LeafHasherTest, GivesTheHashOfTheWholeBlock) {
  LeafHasher hasher(11);
  hasher.Update(AsBytes("hello "));
  hasher.Update(AsBytes("world"));
  EXPECT_EQ(hasher.Finish(), LeafHash(AsBytes("hello world")));
}

}  // namespace
}  // namespace hnx::hyper
