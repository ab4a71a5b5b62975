#include "corestore7/store_records.h"

#include <string>

#include <gtest/gtest.h>

#include "base/hex.h"
#include "core_fixture.h"

namespace hnx::corestore7 {
namespace {

using hyper::CodeOf;
using hyper::Must;

// Of the store that JavaScript's hypercore-storage 3.3.1 makes for the primary key of 32 times
// 0x07: a drive with one file.
constexpr const char* kStoreHead =
    "020202000307070707070707070707070707070707070707070707070707070707070707072cad275d1165e91ee87d"
    "b9943190d3d130d0d9f821c7b70d552cac2a2358f451";
constexpr const char* kDbRecord =
    "0200000102646200000000000000000000000000000000000000000000000000000000000000"
    "00";
constexpr const char* kBlobsRecord = "02010100";
constexpr const char* kBlobsHead =
    "0004f4a797ffeb9bc9c2b64f98bf761faa7f31cc4a43d7488b1d842c4eb4120f88e84401006c62a3fbf6457229706f"
    "e8f5c712511e71d75b4c9c8796cb664ede56f1db5a665c5737c668bcad9c48a3aea3cb6eaf5c564f88c1d1a670c600"
    "f3d9e4fb42280c000001b31d3102a2010000";

TEST(StoreRecordsTest, TheStoreHeadIsReadAndWrittenAsJavaScriptDoes) {
  const Bytes stored = Must(DecodeHex(kStoreHead));
  const StoreHead head = Must(StoreHead::Decode(stored));
  EXPECT_EQ(head.cores, 2U);
  EXPECT_EQ(head.datas, 2U);
  EXPECT_EQ(head.groups, 0U);
  ASSERT_TRUE(head.seed && head.default_core);
  EXPECT_EQ(EncodeHex(*head.seed), EncodeHex(hyper::SevenKey()));
  EXPECT_EQ(*head.default_core, hyper::DiscoveryKeyOf(CoreKeyOf(hyper::SevenCore().manifest)));
  EXPECT_EQ(EncodeHex(head.Encode()), kStoreHead);
}

TEST(StoreRecordsTest, ACoreRecordKeepsItsPointersAndNoAlias) {
  const CoreRecord named = Must(CoreRecord::Decode(Must(DecodeHex(kDbRecord))));
  EXPECT_EQ(named.core_pointer, 0U);
  EXPECT_EQ(named.data_pointer, 0U);
  const CoreRecord plain = Must(CoreRecord::Decode(Must(DecodeHex(kBlobsRecord))));
  EXPECT_EQ(plain.core_pointer, 1U);
  EXPECT_EQ(EncodeHex(plain.Encode()), kBlobsRecord);
}

TEST(StoreRecordsTest, AHeadIsWrittenWithoutTheTimeThatJavaScriptAdds) {
  const HeadRecord head = Must(HeadRecord::Decode(Must(DecodeHex(kBlobsHead))));
  EXPECT_EQ(head.length, 4U);
  EXPECT_EQ(head.fork, 0U);
  EXPECT_EQ(head.signature.size(), 68U);
  const std::string before_flags = std::string(kBlobsHead).substr(0, 2 * (1 + 1 + 32 + 1 + 68));
  EXPECT_EQ(EncodeHex(head.Encode()), before_flags + "00");
}

TEST(StoreRecordsTest, AuthNamesTheSignersAndHasNoKeyPair) {
  const hyper::NewCore core = hyper::SevenCore();
  const hyper::CoreKey key = CoreKeyOf(core.manifest);
  const AuthRecord auth{key, hyper::DiscoveryKeyOf(key), core.manifest};
  const std::string hex = EncodeHex(auth.Encode());
  EXPECT_EQ(hex, key.ToHex() + hyper::DiscoveryKeyOf(key).ToHex() + "01" + "46" +
                     EncodeHex(core.manifest.Encode()));
  EXPECT_EQ(hex.find(EncodeHex(core.key_pair.secret_key.view().first(32))), std::string::npos);
}

TEST(StoreRecordsTest, AManifestOfVersionZeroHasTheShapeOfTheLaterOnes) {
  hyper::Manifest manifest = hyper::SevenCore().manifest;
  const std::string later =
      EncodeHex(AuthRecord{hyper::CoreKey(), hyper::DiscoveryKey(), manifest}.Encode());
  manifest.version = 0;
  std::string zero =
      EncodeHex(AuthRecord{hyper::CoreKey(), hyper::DiscoveryKey(), manifest}.Encode());
  const std::size_t version_at = 2 * (32 + 32 + 1 + 1);
  EXPECT_EQ(zero.substr(version_at, 2), "00");
  zero.replace(version_at, 2, "01");
  EXPECT_EQ(zero, later);
}

TEST(StoreRecordsTest, HintsLeaveOutAZero) {
  EXPECT_EQ(EncodeHex(HintsRecord{4}.Encode()), "0104");
  EXPECT_EQ(EncodeHex(HintsRecord{0}.Encode()), "00");
  // With JavaScript's remote length and recovery time behind.
  EXPECT_EQ(Must(HintsRecord::Decode(Must(DecodeHex("07040509")))).contiguous_length, 4U);
  EXPECT_EQ(Must(HintsRecord::Decode(Must(DecodeHex("020509")))).contiguous_length, 0U);
}

TEST(StoreRecordsTest, ANodeHasItsNumberItsSizeAndItsHash) {
  hyper::TreeNode node{hyper::TreeIndex(3), 14, {}};
  node.hash.bytes.fill(std::byte{0xab});
  EXPECT_EQ(EncodeHex(EncodeNode(node)), "030e" + node.hash.ToHex());
}

TEST(StoreRecordsTest, ADamagedOrNewerRecordIsDataLoss) {
  for (const char* hex : {"", "01", "03020200", "0202", "020202000107"}) {
    EXPECT_EQ(CodeOf(StoreHead::Decode(Must(DecodeHex(hex)))), ErrorCode::kDataLoss) << hex;
  }
  for (const char* hex : {"", "010000", "02", "020000", "020000010264"}) {
    EXPECT_EQ(CodeOf(CoreRecord::Decode(Must(DecodeHex(hex)))), ErrorCode::kDataLoss) << hex;
  }
  for (const char* hex : {"", "00", "0004aabb"}) {
    EXPECT_EQ(CodeOf(HeadRecord::Decode(Must(DecodeHex(hex)))), ErrorCode::kDataLoss) << hex;
  }
  EXPECT_EQ(CodeOf(HintsRecord::Decode({})), ErrorCode::kDataLoss);
}

}  // namespace
}  // namespace hnx::corestore7
