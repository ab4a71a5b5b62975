#include "hyper/wire/noise_handshake.h"

#include "base/hex.h"
#include "wire_fixture.h"

namespace hnx::hyper {
namespace {

struct Pair {
  NoiseHandshake initiator{true, KeyOf(1), KeyOf(3)};
  NoiseHandshake responder{false, KeyOf(2), KeyOf(4)};
};

TEST(NoiseHandshakeTest, SendsWhatTheJavaScriptImplementationSendsWithTheseKeys) {
  Pair pair;
  const Bytes first = *pair.initiator.Send();
  EXPECT_EQ(EncodeHex(first), "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1");
  ASSERT_TRUE(pair.responder.Receive(first).has_value());
  const Bytes second = *pair.responder.Send();
  EXPECT_EQ(EncodeHex(second),
            "ca93ac1705187071d67b83c7ff0efe8108e8ec4530575d7726879333dbdabe7c8924380c5066a7dcffff11"
            "74cebcbfefc17dafd675f6dc2e688de867ff96c431a1fcb7f80997fba29d5bbc64a50e8d74e82bc092a89c"
            "62eacaf68db17bb5d0b5");
  ASSERT_TRUE(pair.initiator.Receive(second).has_value());
  const Bytes third = *pair.initiator.Send();
  EXPECT_EQ(EncodeHex(third),
            "585b6e8320c9dfc6764d48e242b912333244a85ae8769c90ee632f1d3bf6945d6d4729ee9c716f0f82946c"
            "e191158c480d53f508585c93bb66354bbee6b8bdad");
  ASSERT_TRUE(pair.responder.Receive(third).has_value());
  const SessionKeys keys = pair.initiator.TakeKeys();
  EXPECT_EQ(EncodeHex(keys.hash.view()),
            "aa42bcea44d843e3803e549191ae7eac847a85dccf21ef3918a7cf228d87b7889b194cdb190b8b2cf82daf"
            "543e71e86871532b84ba1d7982489eb3040dcfc412");
  EXPECT_EQ(EncodeHex(keys.tx.view()),
            "36e72ba85cd0a2b5e7c9f44704a1757d7230c30dd39736e46f2190fcd1300c13");
  EXPECT_EQ(EncodeHex(keys.rx.view()),
            "29c4a931005b47aaf766f5ec7a119810eb15399b8612e79071f77447826dee17");
}

TEST(NoiseHandshakeTest, BothSidesGetTheSameSecretsAndEachOthersKeys) {
  NoiseHandshake initiator(true, KeyOf(1));
  NoiseHandshake responder(false, KeyOf(2));
  ASSERT_TRUE(responder.Receive(*initiator.Send()).has_value());
  ASSERT_TRUE(initiator.Receive(*responder.Send()).has_value());
  ASSERT_TRUE(responder.Receive(*initiator.Send()).has_value());
  ASSERT_TRUE(initiator.done() && responder.done());
  const SessionKeys a = initiator.TakeKeys();
  const SessionKeys b = responder.TakeKeys();
  EXPECT_EQ(a.hash, b.hash);
  EXPECT_EQ(EncodeHex(a.tx.view()), EncodeHex(b.rx.view()));
  EXPECT_EQ(EncodeHex(a.rx.view()), EncodeHex(b.tx.view()));
  EXPECT_EQ(a.remote_public_key, KeyOf(2).public_key);
  EXPECT_EQ(b.remote_public_key, KeyOf(1).public_key);
  EXPECT_EQ(a.public_key, KeyOf(1).public_key);
}

TEST(NoiseHandshakeTest, RefusesEveryFlippedBitOfTheSecondMessage) {
  for (std::size_t at = 0; at < kNoiseMessageSizes[1]; ++at) {
    Pair pair;
    ASSERT_TRUE(pair.responder.Receive(*pair.initiator.Send()).has_value());
    Bytes second = *pair.responder.Send();
    second[at] ^= std::byte{1};
    EXPECT_EQ(CodeOf(pair.initiator.Receive(second)), ErrorCode::kUnauthenticated) << at;
  }
}

TEST(NoiseHandshakeTest, RefusesEveryFlippedBitOfTheThirdMessage) {
  for (std::size_t at = 0; at < kNoiseMessageSizes[2]; ++at) {
    Pair pair;
    ASSERT_TRUE(pair.responder.Receive(*pair.initiator.Send()).has_value());
    ASSERT_TRUE(pair.initiator.Receive(*pair.responder.Send()).has_value());
    Bytes third = *pair.initiator.Send();
    third[at] ^= std::byte{1};
    EXPECT_EQ(CodeOf(pair.responder.Receive(third)), ErrorCode::kUnauthenticated) << at;
  }
}

TEST(NoiseHandshakeTest, AFlippedFirstMessageIsFoundOutByTheInitiator) {
  Pair pair;
  const Bytes first = *pair.initiator.Send();
  const PublicKey other = KeyOf(9).public_key;
  ASSERT_TRUE(pair.responder.Receive(other.view()).has_value());
  const Result<Bytes> second = pair.responder.Send();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(CodeOf(pair.initiator.Receive(*second)), ErrorCode::kUnauthenticated);
}

TEST(NoiseHandshakeTest, RefusesMessagesOfAnotherLength) {
  for (const std::size_t size : {0U, 31U, 33U, 96U}) {
    Pair pair;
    EXPECT_EQ(CodeOf(pair.responder.Receive(Bytes(size))), ErrorCode::kInvalidArgument) << size;
  }
}

// Points of order 1, 2, 4 and 8, and encodings that are not canonical: with them the secret would
// not depend on this side's key.
TEST(NoiseHandshakeTest, RefusesPointsOfSmallOrder) {
  for (const char* point : {"0100000000000000000000000000000000000000000000000000000000000000",
                            "0000000000000000000000000000000000000000000000000000000000000000",
                            "0000000000000000000000000000000000000000000000000000000000000080",
                            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
                            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
                            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
                            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}) {
    Pair pair;
    ASSERT_TRUE(pair.responder.Receive(*DecodeHex(point)).has_value());
    EXPECT_EQ(CodeOf(pair.responder.Send()), ErrorCode::kUnauthenticated) << point;
  }
}

TEST(NoiseHandshakeTest, RefusesAPointOutsideTheMainSubgroup) {
  // The base point plus a point of order 8.
  Pair pair;
  const Bytes mixed =
      *DecodeHex("da99e28ba529cdde35a25fba9059e78ecaee239f99755b9b1aa4f65df00803e2");
  ASSERT_TRUE(pair.responder.Receive(mixed).has_value());
  EXPECT_EQ(CodeOf(pair.responder.Send()), ErrorCode::kUnauthenticated);
}

}  // namespace
}  // namespace hnx::hyper
