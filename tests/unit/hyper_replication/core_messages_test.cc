// The bytes of hypercore/alpha: what JavaScript writes is what we write, and nothing that a hostile
// peer writes gets past the limits.
#include "hyper/replication/core_messages.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "hyper/core/keys.h"

namespace hnx::hyper {
namespace {

std::string HexOf(const Bytes& bytes) {
  return EncodeHex(bytes);
}
Bytes FromHex(std::string_view text) {
  return *DecodeHex(text);
}

TreeNode NodeAt(std::uint64_t index) {
  TreeNode node;
  node.index = TreeIndex(index);
  node.size = index * 10 + 1;
  node.hash.bytes.fill(std::byte{0xab});
  return node;
}

template <class Message, class Decode>
void ExpectEachPrefixRefused(const Message& message, Decode decode, std::size_t whole) {
  const Bytes bytes = Encoded(message);
  for (std::size_t length = 0; length < whole; ++length) {
    const auto decoded = decode(ByteView(bytes).first(length));
    EXPECT_FALSE(decoded.has_value()) << "the first " << length << " of " << bytes.size();
  }
}

TEST(CoreMessagesTest, SyncIsFlagsAndThreeNumbers) {
  SyncMessage sync;
  sync.can_upgrade = true;
  sync.uploading = true;
  sync.has_manifest = true;
  sync.length = 300;
  EXPECT_EQ(HexOf(Encoded(sync)), "0b00fd2c0100");
  EXPECT_EQ(*DecodeSync(Encoded(sync)), sync);
  ExpectEachPrefixRefused(sync, DecodeSync, 6);
}

TEST(CoreMessagesTest, RequestsCarryWhatTheirFlagsSay) {
  RequestMessage request;
  request.id = 7;
  request.priority = 2;
  request.proof.block = BlockRequest{BlockIndex(5), 3};
  request.proof.seek = SeekRequest{1000, 0};
  request.proof.upgrade = UpgradeRequest{0, 10};
  request.proof.manifest = true;
  EXPECT_EQ(HexOf(Encoded(request)), "3d07000503fde80300000a02");
  EXPECT_EQ(*DecodeRequest(Encoded(request)), request);
  ExpectEachPrefixRefused(request, DecodeRequest, Encoded(request).size());
}

TEST(CoreMessagesTest, ABlockCanBeReadStraightIntoItsMessage) {
  const Bytes value(1000, std::byte{0x5a});
  DataMessage message;
  message.request = 3;
  message.proof.block.emplace();
  message.proof.block->index = BlockIndex(9);
  message.proof.block->nodes = {NodeAt(20), NodeAt(27)};
  Bytes around(EncodedSizeAround(message, value.size()));
  const std::span<std::byte> hole = EncodeAround(message, value.size(), around);
  ASSERT_EQ(hole.size(), value.size());
  std::copy(value.begin(), value.end(), hole.begin());
  message.proof.block->value = BlockValue::Borrowed(value);
  EXPECT_EQ(around, Encoded(message));
  const auto decoded = DecodeData(around);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(ToBytes(decoded->proof.block->value.view()), value);
  EXPECT_EQ(decoded->proof.block->nodes, message.proof.block->nodes);
}

TEST(CoreMessagesTest, DataCarriesEveryPartAndTheManifestLast) {
  DataMessage message;
  message.request = 1;
  message.proof.hash = HashProof{TreeIndex(3), {NodeAt(3)}};
  message.proof.seek = SeekProof{77, {NodeAt(4), NodeAt(6)}};
  message.proof.upgrade = UpgradeProof{0, 4, {NodeAt(3)}, {NodeAt(8)}, Bytes(68, std::byte{1})};
  message.proof.manifest = Manifest::SingleSigner(PublicKey{});
  const Bytes bytes = Encoded(message);
  const auto decoded = DecodeData(bytes);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().ToString();
  EXPECT_EQ(Encoded(*decoded), bytes);
  EXPECT_EQ(decoded->proof.manifest, message.proof.manifest);
  ExpectEachPrefixRefused(message, DecodeData, bytes.size());
}

TEST(CoreMessagesTest, ARangeOfOneBlockNeedsNoLength) {
  EXPECT_EQ(HexOf(Encoded(RangeMessage{false, 8, 1})), "0208");
  EXPECT_EQ(HexOf(Encoded(RangeMessage{true, 0, 5})), "010005");
  EXPECT_EQ(*DecodeRange(FromHex("0208")), (RangeMessage{false, 8, 1}));
}

TEST(CoreMessagesTest, WantsAndNoDataMayEndWithoutFlags) {
  EXPECT_EQ(*DecodeWant(FromHex("0005")), (WantMessage{0, 5, false}));
  EXPECT_EQ(*DecodeWant(FromHex("000501")), (WantMessage{0, 5, true}));
  EXPECT_EQ(*DecodeNoData(FromHex("09")), (NoDataMessage{9, NoDataReason::kNone}));
  EXPECT_EQ(*DecodeNoData(FromHex("090102")), (NoDataMessage{9, NoDataReason::kInvalidRequest}));
  EXPECT_EQ(*DecodeNoData(FromHex("090163")), (NoDataMessage{9, NoDataReason::kNone}));
}

TEST(CoreMessagesTest, BitfieldsAreWordsFromAMultipleOf32) {
  const BitfieldMessage bitfield{64, {0x80000001, 7}};
  EXPECT_EQ(HexOf(Encoded(bitfield)),
            "4002"
            "01000080"
            "07000000");
  EXPECT_EQ(*DecodeBitfield(Encoded(bitfield)), bitfield);
  EXPECT_FALSE(DecodeBitfield(FromHex("2101"
                                      "00000000"))
                   .has_value())
      << "start 33";
}

TEST(CoreMessagesTest, WhatFollowsAMessageIsIgnoredForItsFuture) {
  Bytes bytes = Encoded(SyncMessage{});
  bytes.push_back(std::byte{1});
  EXPECT_TRUE(DecodeSync(bytes).has_value());
}

TEST(CoreMessagesTest, NumbersBeyondAnyTreeAreRefused) {
  EXPECT_FALSE(DecodeSync(FromHex("0000ff000000000000004000")).has_value()) << "length 2^62";
  EXPECT_FALSE(DecodeCancel(FromHex("ffffffffffffffffff")).has_value()) << "request 2^64-1";
  EXPECT_FALSE(DecodeRange(FromHex("00ff000000000000000105")).has_value()) << "start 2^56";
  EXPECT_FALSE(DecodeRequest(FromHex("010100ff000000000000800001")).has_value()) << "block 2^55";
}

TEST(CoreMessagesTest, CountsAreCheckedBeforeAnythingIsAllocated) {
  // A block of 4 GB, 2^32 nodes, 2^32 words: none of them is there.
  EXPECT_FALSE(DecodeData(FromHex("01010000feffffffff")).has_value());
  EXPECT_FALSE(DecodeData(FromHex("0101000000feffffffff")).has_value());
  EXPECT_FALSE(DecodeBitfield(FromHex("00feffffffff")).has_value());
}

TEST(CoreMessagesTest, MoreNodesThanAProofCanHaveAreRefused) {
  DataMessage message;
  message.proof.hash = HashProof{TreeIndex(3), std::vector<TreeNode>(kProofNodesMax, NodeAt(3))};
  EXPECT_TRUE(DecodeData(Encoded(message)).has_value());
  message.proof.hash->nodes.push_back(NodeAt(3));
  EXPECT_FALSE(DecodeData(Encoded(message)).has_value());
}

TEST(CoreMessagesTest, BlocksAndSignaturesBeyondTheirLimitsAreRefused) {
  DataMessage message;
  message.proof.block.emplace();
  message.proof.block->value = BlockValue(Bytes(kWireBlockBytesMax + 1));
  EXPECT_FALSE(DecodeData(Encoded(message)).has_value());
  message.proof.block.reset();
  message.proof.upgrade = UpgradeProof{0, 1, {}, {}, Bytes(kProofSignatureBytesMax + 1)};
  EXPECT_FALSE(DecodeData(Encoded(message)).has_value());
}

TEST(CoreMessagesTest, BitfieldsBeyondOneWantAreRefused) {
  EXPECT_TRUE(
      DecodeBitfield(Encoded(BitfieldMessage{0, std::vector<std::uint32_t>(65'536)})).has_value());
  EXPECT_FALSE(
      DecodeBitfield(Encoded(BitfieldMessage{0, std::vector<std::uint32_t>(65'537)})).has_value());
}

TEST(CoreMessagesTest, TheCapabilityBindsRoleCoreAndStream) {
  const CoreKey key{};
  const Bytes hash(64, std::byte{1});
  const Bytes other(64, std::byte{2});
  EXPECT_NE(CapabilityOf(key, true, hash), CapabilityOf(key, false, hash));
  EXPECT_NE(CapabilityOf(key, true, hash), CapabilityOf(key, true, other));
}

}  // namespace
}  // namespace hnx::hyper
