#include <type_traits>

#include <gtest/gtest.h>

#include "base/hex.h"
#include "hyper/codec/compact_encoding.h"
#include "hyper/codec/flat_tree.h"
#include "hyper/codec/index_types.h"
#include "hyper/codec/z_base_32.h"

namespace hnx::hyper {
namespace {

Bytes Hex(std::string_view text) {
  return DecodeHex(text).value();
}

std::string EncodedUint(std::uint64_t value) {
  Encoder encoder;
  encoder.Uint(value);
  return EncodeHex(encoder.bytes());
}

TEST(CompactEncodingTest, UsesTheShortestFormOfAnUnsignedInteger) {
  EXPECT_EQ(EncodedUint(0), "00");
  EXPECT_EQ(EncodedUint(0xfc), "fc");
  EXPECT_EQ(EncodedUint(0xfd), "fdfd00");
  EXPECT_EQ(EncodedUint(0xffff), "fdffff");
  EXPECT_EQ(EncodedUint(0x10000), "fe00000100");
  EXPECT_EQ(EncodedUint(0xffffffff), "feffffffff");
  EXPECT_EQ(EncodedUint(0x100000000), "ff0000000001000000");
}

TEST(CompactEncodingTest, ReadsBackWhatItWrote) {
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{252}, std::uint64_t{253},
                                    std::uint64_t{65536}, std::uint64_t{1} << 40, UINT64_MAX}) {
    Encoder encoder;
    encoder.Uint(value);
    encoder.String("text");
    Decoder decoder(encoder.bytes());
    EXPECT_EQ(decoder.Uint("value").value(), value);
    EXPECT_EQ(decoder.String("text").value(), "text");
    EXPECT_TRUE(decoder.ExpectEnd("all").has_value());
  }
}

TEST(CompactEncodingTest, RefusesEveryTruncation) {
  Encoder encoder;
  encoder.Uint(std::uint64_t{1} << 40);
  encoder.Buffer(Bytes(300));
  for (std::size_t size = 0; size < encoder.size(); ++size) {
    Decoder decoder(ByteView(encoder.bytes()).first(size));
    const bool whole = decoder.Uint("number").has_value() && decoder.Buffer("buffer").has_value();
    EXPECT_FALSE(whole) << size;
  }
}

TEST(CompactEncodingTest, RefusesALengthBeyondTheInput) {
  const Bytes input = Hex("ffffffffffffffffff0102");
  EXPECT_FALSE(Decoder(input).Buffer("buffer").has_value());
  EXPECT_FALSE(Decoder(input).Count(1, "items").has_value());
}

TEST(CompactEncodingTest, NamesTheFieldInItsErrors) {
  EXPECT_NE(Decoder({}).Uint("manifest quorum").error().message.find("manifest quorum"),
            std::string::npos);
}

TEST(CompactEncodingTest, RefusesTrailingBytes) {
  EXPECT_FALSE(Decoder(Hex("00")).ExpectEnd("header").has_value());
}

TEST(ZBase32Test, SpellsKeysAsHyperdriveDoes) {
  const Bytes key = Hex("9d56810a89a0211db2a242b81ce8eac5265ac648769910177524c82908ab866d");
  const std::string id = EncodeZBase32(key);
  EXPECT_EQ(id.size(), 52U);
  EXPECT_EQ(DecodeZBase32(id).value(), key);
}

TEST(ZBase32Test, KnowsTheExamplesOfItsDescription) {
  EXPECT_EQ(EncodeZBase32(Hex("f0bfc7")), "6n9hq");
  EXPECT_EQ(EncodeZBase32(Hex("d47a04")), "4t7ye");
  EXPECT_EQ(EncodeZBase32({}), "");
}

TEST(ZBase32Test, RefusesWhatIsNoSpellingOfBytes) {
  EXPECT_FALSE(DecodeZBase32("y").has_value());     // five bits
  EXPECT_FALSE(DecodeZBase32("yb").has_value());    // padding that is not zero
  EXPECT_FALSE(DecodeZBase32("yyl").has_value());   // no such character
  EXPECT_FALSE(DecodeZBase32("YYYY").has_value());  // upper case
  EXPECT_FALSE(DecodeZBase32("yyy").has_value());   // seven bits too many
}

TEST(IndexTypesTest, DoNotMix) {
  static_assert(!std::is_convertible_v<BlockIndex, TreeIndex>);
  static_assert(!std::is_convertible_v<TreeIndex, BlockIndex>);
  static_assert(!std::is_convertible_v<BlockIndex, ByteOffset>);
  static_assert(!std::is_convertible_v<std::uint64_t, BlockIndex>);
  static_assert(!std::is_convertible_v<BlockIndex, std::uint64_t>);
  static_assert(!std::is_invocable_v<std::minus<>, BlockIndex, TreeIndex>);
  static_assert(!std::is_invocable_v<std::less<>, BlockIndex, ByteOffset>);
  EXPECT_EQ(BlockIndex(7) - BlockIndex(3), 4U);
}

TEST(FlatTreeTest, PutsParentsBetweenTheirChildren) {
  using namespace flat_tree;  // NOLINT(google-build-using-namespace): its functions are the words
  EXPECT_EQ(LeafOf(BlockIndex(3)), TreeIndex(6));
  EXPECT_EQ(Parent(TreeIndex(0)), TreeIndex(1));
  EXPECT_EQ(Parent(TreeIndex(1)), TreeIndex(3));
  EXPECT_EQ(Parent(TreeIndex(5)), TreeIndex(3));
  EXPECT_EQ(Sibling(TreeIndex(1)), TreeIndex(5));
  EXPECT_EQ(Sibling(TreeIndex(10)), TreeIndex(8));
  EXPECT_EQ(Children(TreeIndex(3)), std::pair(TreeIndex(1), TreeIndex(5)));
  EXPECT_EQ(BlocksBelow(TreeIndex(11)), (BlockRange{BlockIndex(4), BlockIndex(8)}));
}

TEST(FlatTreeTest, ChildrenAndParentsUndoEachOther) {
  for (std::uint64_t i = 1; i < 2000; i += 2) {
    const auto [left, right] = flat_tree::Children(TreeIndex(i));
    EXPECT_EQ(flat_tree::Parent(left), TreeIndex(i));
    EXPECT_EQ(flat_tree::Parent(right), TreeIndex(i));
    EXPECT_EQ(flat_tree::Sibling(left), right);
    EXPECT_EQ(flat_tree::Sibling(right), left);
  }
}

TEST(FlatTreeTest, CoversEveryLengthWithOneRootPerSetBit) {
  EXPECT_TRUE(flat_tree::FullRoots(0).empty());
  EXPECT_EQ(flat_tree::FullRoots(3), (std::vector{TreeIndex(1), TreeIndex(4)}));
  for (std::uint64_t length = 1; length < 300; ++length) {
    BlockIndex covered(0);
    for (const TreeIndex root : flat_tree::FullRoots(length)) {
      EXPECT_EQ(flat_tree::BlocksBelow(root).begin, covered);
      covered = flat_tree::BlocksBelow(root).end;
      EXPECT_LT(root.value(), flat_tree::SlotCount(length));
    }
    EXPECT_EQ(covered, BlockIndex(length));
  }
}

}  // namespace
}  // namespace hnx::hyper
