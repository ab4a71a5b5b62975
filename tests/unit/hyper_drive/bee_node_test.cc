#include "hyper/bee/bee_node.h"

#include <gtest/gtest.h>

#include "hyper/bee/bee_snapshot.h"
#include "hyper/bee/protobuf_wire.h"
#include "memory_bee.h"

namespace hnx::hyper {
namespace {

Bytes Raw(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) {
    bytes.push_back(static_cast<std::byte>(value));
  }
  return bytes;
}

TEST(BeeNodeTest, EncodesAsDescribed) {
  const BeeNode node{ToBytes("k"), ToBytes("v"), {{{1, 300}, {{1, 0}, {2, 1}, {300, 2}}}, {}}};
  // index { level { keys 1 300; children 1,0 2,1 300,2 } level {} } key "k" value "v"
  EXPECT_EQ(EncodeBeeNode(node),
            Raw({0x0a, 18, 0x0a, 14, 0x0a, 3,    1, 0xac, 2, 0x12, 7,    1, 0,
                 2,    1,  0xac, 2,  2,    0x0a, 0, 0x12, 1, 'k',  0x1a, 1, 'v'}));
  EXPECT_EQ(*DecodeBeeNode(EncodeBeeNode(node)), node);
}

TEST(BeeNodeTest, ADeletionHasNoValueAndAnEmptyValueIsOne) {
  const BeeNode deletion{ToBytes("k"), std::nullopt, {{}}};
  const BeeNode empty{ToBytes("k"), Bytes{}, {{}}};
  EXPECT_EQ(*DecodeBeeNode(EncodeBeeNode(deletion)), deletion);
  EXPECT_EQ(*DecodeBeeNode(EncodeBeeNode(empty)), empty);
  EXPECT_NE(EncodeBeeNode(deletion), EncodeBeeNode(empty));
}

TEST(BeeNodeTest, TheHeaderOfADriveHasTwelveBytes) {
  EXPECT_EQ(ToString(EncodeBeeHeader({})), std::string("\x0a\x08hyperbee\x12\x00", 12));
  EXPECT_FALSE(DecodeBeeHeader(Raw({0x0a, 1, 'x'})).has_value());
  const BeeHeader old{Bytes(32, std::byte{9}), std::nullopt};
  EXPECT_EQ(*DecodeBeeHeader(EncodeBeeHeader(old)), old);
}

TEST(BeeNodeTest, SkipsUnknownFields) {
  Bytes block = EncodeBeeNode({ToBytes("k"), std::nullopt, {}});
  AppendTo(block,
           Raw({0x20, 0x96, 1, 0x29, 1, 2, 3, 4, 5, 6, 7, 8, 0x32, 2, 'a', 'b', 0x3d, 1, 2, 3, 4}));
  EXPECT_TRUE(DecodeBeeNode(block).has_value());
}

TEST(BeeNodeTest, RefusesMalformedBlocks) {
  const std::vector<Bytes> blocks = {
      {},
      Raw({0x0a}),                                                  // no length
      Raw({0x0a, 0}),                                               // no key
      Raw({0x12, 0}),                                               // no index
      Raw({0x0a, 5, 0}),                                            // cut off
      Raw({0x08, 1, 0x12, 0}),                                      // index is a varint
      Raw({0x0a, 0, 0x12, 0, 0x03}),                                // field number 0
      Raw({0x0a, 0, 0x12, 0, 0x23}),                                // group
      Raw({0x0a, 5, 0x0a, 3, 0x0a, 1, 0x80, 0x12, 0}),              // varint cut off
      Raw({0x0a, 5, 0x0a, 3, 0x0a, 1, 0, 0x12, 0}),                 // seq 0
      Raw({0x0a, 6, 0x0a, 4, 0x12, 2, 1, 0, 0x12, 0}),              // child without a key
      Raw({0x0a, 9, 0x0a, 7, 0x0a, 1, 1, 0x12, 2, 1, 0, 0x12, 0}),  // one child for one key
      Raw({0x0a, 5, 0x0a, 3, 0x12, 1, 1, 0x12, 0}),                 // half a child
      Raw({0x0a, 13, 0x0a, 11, 0x0a, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x12, 0}),  // nine keys
      Raw({0x0a, 14, 0x0a, 12, 0x0a, 10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
           0x12, 0}),  // 65 bits
  };
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_FALSE(DecodeBeeNode(blocks[i]).has_value()) << i;
  }
  EXPECT_FALSE(DecodeBeeNode(Bytes(kBeeBlockBytesMax + 1)).has_value());
}

// Trees that no writer makes: each must end in an error, and soon.
class HostileBee : public MemoryBee {
 public:
  HostileBee() { blocks().push_back(EncodeBeeHeader({})); }
  void Add(const std::string& key, std::vector<BeeLevel> levels) {
    blocks().push_back(EncodeBeeNode({ToBytes(key), ToBytes("v"), std::move(levels)}));
  }
  ErrorCode ListCode() {
    BeeRange range = snapshot().Range({});
    while (true) {
      const auto entry = range.Next();
      if (!entry) {
        return entry.error().code;
      }
      if (!*entry) {
        return ErrorCode{};
      }
    }
  }
  ErrorCode WriteCode() {
    BeeBatch batch = Batch();
    for (const char* key : {"a", "b", "c", "zz"}) {
      if (const auto put = batch.Put(AsBytes(key), {}); !put) {
        return put.error().code;
      }
      if (const auto del = batch.Del(AsBytes(key)); !del) {
        return del.error().code;
      }
    }
    return ErrorCode{};
  }
};

TEST(HostileBeeTest, ANodeThatIsItsOwnChildEnds) {
  HostileBee bee;
  bee.Add("b", {{{1}, {{1, 0}, {1, 0}}}});
  EXPECT_EQ(bee.ListCode(), ErrorCode::kDataLoss);
  EXPECT_EQ(bee.WriteCode(), ErrorCode::kDataLoss);
  EXPECT_EQ(bee.snapshot().Get(AsBytes("a")).error().code, ErrorCode::kDataLoss);
}

TEST(HostileBeeTest, ASharedSubtreeIsNotWalkedTwice) {
  HostileBee bee;
  bee.Add("a", {{{1}, {}}});
  bee.Add("b", {{{2}, {{1, 0}, {1, 0}}}});
  EXPECT_EQ(bee.ListCode(), ErrorCode::kDataLoss);
}

TEST(HostileBeeTest, KeysAndChildrenBehindTheVersionAreRefused) {
  HostileBee keys;
  keys.Add("a", {{{7}, {}}});
  EXPECT_EQ(keys.ListCode(), ErrorCode::kDataLoss);
  EXPECT_EQ(keys.WriteCode(), ErrorCode::kDataLoss);
  HostileBee children;
  children.Add("b", {{{1}, {{5, 0}, {5, 1}}}});
  EXPECT_EQ(children.ListCode(), ErrorCode::kDataLoss);
  EXPECT_EQ(children.WriteCode(), ErrorCode::kDataLoss);
  HostileBee offsets;
  offsets.Add("b", {{{1}, {{1, 3}, {1, 4}}}});
  EXPECT_EQ(offsets.ListCode(), ErrorCode::kDataLoss);
}

TEST(HostileBeeTest, LeavesOfDifferentDepthAreRefusedWhenTheyMatter) {
  HostileBee bee;
  bee.Add("a", {{{1}, {}}});
  bee.Add("b", {{{1}, {}}});
  bee.Add("d", {{{3}, {}}});
  bee.Add("c", {{{4}, {{2, 0}, {4, 1}}}, {{3}, {{3, 0}, {3, 0}}}});
  EXPECT_EQ(bee.WriteCode(), ErrorCode::kDataLoss);
}

TEST(BeeStoreTest, KeepsWithinItsLimitAndForgetsACutTail) {
  MemoryBee bee(20'000);
  for (int i = 0; i < 400; ++i) {
    bee.Put("k" + std::to_string(i), "v");
  }
  bee.List();
  EXPECT_LE(bee.store().cached_bytes(), 20'000U);
  EXPECT_GT(bee.store().cached_bytes(), 10'000U);
  bee.store().ForgetFrom(0);
  EXPECT_EQ(bee.store().cached_bytes(), 0U);
}

}  // namespace
}  // namespace hnx::hyper
