#include "hyper/wire/secret_stream.h"

#include <optional>

#include "wire_fixture.h"

namespace hnx::hyper {
namespace {

using std::chrono::milliseconds;
using Role = SecretStream::Role;

// Carries what both say until neither has anything to say.
void Introduce(SecretStream& one, KeepingHandler& at_one, SecretStream& two,
               KeepingHandler& at_two) {
  for (int i = 0; i < 3; ++i) {
    Bytes there = one.TakeOutput();
    ASSERT_TRUE(two.Receive(there, at_two).has_value());
    Bytes back = two.TakeOutput();
    ASSERT_TRUE(one.Receive(back, at_one).has_value());
  }
  ASSERT_TRUE(one.established() && two.established());
}

// Two ends and what flows between them.
class SecretStreamTest : public ::testing::Test {
 protected:
  explicit SecretStreamTest(SecretStreamOptions options = {})
      : initiator(Role::kInitiator, KeyOf(1), clock, options),
        responder(Role::kResponder, KeyOf(2), clock, options) {}

  void Connect() { Introduce(initiator, at_initiator, responder, at_responder); }

  Result<void> Deliver(Bytes bytes) { return responder.Receive(bytes, at_responder); }
  Result<void> DeliverInPieces(const Bytes& bytes, std::size_t size) {
    for (std::size_t at = 0; at < bytes.size(); at += size) {
      const ByteView rest = ByteView(bytes).subspan(at);
      HNX_TRY(Deliver(ToBytes(rest.first(std::min(size, rest.size())))));
    }
    return {};
  }

  FakeClock clock;
  SecretStream initiator;
  SecretStream responder;
  KeepingHandler at_initiator;
  KeepingHandler at_responder;
};

TEST_F(SecretStreamTest, BothSidesKnowEachOtherAfterTheHandshake) {
  Connect();
  EXPECT_EQ(at_initiator.ready, 1);
  EXPECT_EQ(at_responder.ready, 1);
  EXPECT_EQ(initiator.handshake_hash(), responder.handshake_hash());
  EXPECT_EQ(initiator.remote_public_key(), KeyOf(2).public_key);
  EXPECT_EQ(responder.remote_public_key(), KeyOf(1).public_key);
}

TEST_F(SecretStreamTest, MessagesArriveAsTheyWereSent) {
  Connect();
  std::vector<Bytes> sent;
  Bytes wire;
  for (const std::size_t size : {1U, 2U, 65'535U, 65'536U, 1'000'000U}) {
    sent.push_back(Filled(size));
    AppendTo(wire, Seal(initiator, sent.back()));
  }
  ASSERT_TRUE(Deliver(wire).has_value());
  EXPECT_EQ(at_responder.messages, sent);
}

TEST_F(SecretStreamTest, TheLargestMessageArrives) {
  Connect();
  const Bytes largest = Filled(kMessageSizeMax);
  ASSERT_TRUE(DeliverInPieces(Seal(initiator, largest), 1 << 18).has_value());
  ASSERT_EQ(at_responder.messages.size(), 1U);
  EXPECT_TRUE(at_responder.messages[0] == largest);
}

TEST_F(SecretStreamTest, ItDoesNotMatterHowTheBytesArePortioned) {
  for (const std::size_t portion : {1U, 2U, 3U, 4U, 19U, 55U, 1000U}) {
    SecretStream one(Role::kInitiator, KeyOf(1), clock);
    SecretStream two(Role::kResponder, KeyOf(2), clock);
    KeepingHandler at_one;
    KeepingHandler at_two;
    const auto carry = [&](Bytes bytes, SecretStream& to, KeepingHandler& handler) {
      for (std::size_t at = 0; at < bytes.size(); at += portion) {
        const std::span<std::byte> rest = std::span(bytes).subspan(at);
        ASSERT_TRUE(to.Receive(rest.first(std::min(portion, rest.size())), handler).has_value());
      }
    };
    for (int i = 0; i < 3; ++i) {
      carry(one.TakeOutput(), two, at_two);
      carry(two.TakeOutput(), one, at_one);
    }
    carry(SealAll(one, {Text("hello"), Text("world")}), two, at_two);
    EXPECT_EQ(at_two.messages, (std::vector<Bytes>{Text("hello"), Text("world")})) << portion;
    EXPECT_EQ(two.held_bytes(), 0U) << portion;
  }
}

TEST_F(SecretStreamTest, EmptyMessagesAreEaten) {
  Connect();
  ASSERT_TRUE(Deliver(SealAll(initiator, {Bytes(), Text("a")})).has_value());
  EXPECT_EQ(at_responder.messages, std::vector<Bytes>{Text("a")});
}

TEST_F(SecretStreamTest, MayBeSealedBeforeTheRemotesHeaderCame) {
  Bytes first = initiator.TakeOutput();
  ASSERT_TRUE(responder.Receive(first, at_responder).has_value());
  Bytes second = responder.TakeOutput();
  ASSERT_TRUE(initiator.Receive(second, at_initiator).has_value());
  ASSERT_TRUE(initiator.ready());
  ASSERT_FALSE(initiator.established());
  ASSERT_TRUE(Deliver(initiator.TakeOutput() + Seal(initiator, Text("early"))).has_value());
  EXPECT_EQ(at_responder.messages, std::vector<Bytes>{Text("early")});
}

TEST_F(SecretStreamTest, RefusesEveryFlippedBitOfAMessage) {
  for (std::size_t at = kFrameLengthSize; at < 8 + kFrameOverhead; ++at) {
    // Each time a fresh pair: a refused message leaves the stream of no use.
    SecretStream one(Role::kInitiator, KeyOf(1), clock);
    SecretStream two(Role::kResponder, KeyOf(2), clock);
    KeepingHandler ignored;
    Introduce(one, ignored, two, ignored);
    Bytes damaged = Seal(one, Text("precious"));
    damaged[at] ^= std::byte{0x10};
    EXPECT_EQ(CodeOf(two.Receive(damaged, ignored)), ErrorCode::kUnauthenticated) << at;
    EXPECT_TRUE(ignored.messages.empty()) << at;
  }
}

TEST_F(SecretStreamTest, RefusesAMessageThatIsRepeated) {
  Connect();
  const Bytes frame = Seal(initiator, Text("once"));
  ASSERT_TRUE(Deliver(frame).has_value());
  EXPECT_EQ(CodeOf(Deliver(frame)), ErrorCode::kUnauthenticated);
}

TEST_F(SecretStreamTest, RefusesMessagesOutOfOrder) {
  Connect();
  const Bytes first = Seal(initiator, Text("1"));
  EXPECT_EQ(CodeOf(Deliver(Seal(initiator, Text("2")))), ErrorCode::kUnauthenticated);
}

TEST_F(SecretStreamTest, RefusesAFrameTooShortForAMessage) {
  for (const unsigned length : {0U, 1U, 16U}) {
    SecretStream one(Role::kInitiator, KeyOf(1), clock);
    SecretStream two(Role::kResponder, KeyOf(2), clock);
    KeepingHandler ignored;
    Introduce(one, ignored, two, ignored);
    Bytes frame(kFrameLengthSize + length);
    frame[0] = static_cast<std::byte>(length);
    EXPECT_EQ(CodeOf(two.Receive(frame, ignored)), ErrorCode::kInvalidArgument) << length;
  }
}

TEST_F(SecretStreamTest, RefusesAHandshakeOfAnotherLengthBeforeReadingIt) {
  EXPECT_EQ(CodeOf(Deliver({std::byte{33}, std::byte{0}, std::byte{0}})),
            ErrorCode::kInvalidArgument);
}

TEST_F(SecretStreamTest, RefusesAHeaderThatIsItsOwn) {
  // Reflected: both sides' messages have the same form.
  Bytes first = initiator.TakeOutput();
  ASSERT_TRUE(responder.Receive(first, at_responder).has_value());
  Bytes second = responder.TakeOutput();
  ASSERT_TRUE(initiator.Receive(second, at_initiator).has_value());
  Bytes third_and_header = initiator.TakeOutput();
  const std::size_t third_size = kFrameLengthSize + kNoiseMessageSizes[2];
  Bytes own_header = ToBytes(ByteView(third_and_header).subspan(third_size));
  EXPECT_EQ(CodeOf(initiator.Receive(own_header, at_initiator)), ErrorCode::kUnauthenticated);
}

TEST_F(SecretStreamTest, RefusesTheHeaderOfAnotherSession) {
  Bytes first = initiator.TakeOutput();
  ASSERT_TRUE(responder.Receive(first, at_responder).has_value());
  Bytes second = responder.TakeOutput();
  ASSERT_TRUE(initiator.Receive(second, at_initiator).has_value());
  Bytes third_and_header = initiator.TakeOutput();
  third_and_header[kFrameLengthSize + kNoiseMessageSizes[2] + kFrameLengthSize] ^= std::byte{1};
  EXPECT_EQ(CodeOf(Deliver(third_and_header)), ErrorCode::kUnauthenticated);
}

TEST_F(SecretStreamTest, AnErrorOfTheHandlerStopsTheRest) {
  Connect();
  at_responder.answer = Error{ErrorCode::kCancelled, "enough"};
  EXPECT_EQ(CodeOf(Deliver(SealAll(initiator, {Text("a"), Text("b")}))), ErrorCode::kCancelled);
  EXPECT_EQ(at_responder.messages.size(), 1U);
}

TEST_F(SecretStreamTest, SaysWhetherTheConnectionEndedInTheMiddle) {
  EXPECT_FALSE(responder.ReceiveEnd().has_value()) << "before the handshake";
  Connect();
  EXPECT_TRUE(responder.ReceiveEnd().has_value());
  Bytes frame = Seal(initiator, Text("cut"));
  frame.pop_back();
  ASSERT_TRUE(Deliver(frame).has_value());
  EXPECT_FALSE(responder.ReceiveEnd().has_value()) << "within a frame";
}

TEST_F(SecretStreamTest, AsksForAKeepaliveOnlyWhenItSentNothing) {
  Connect();
  const Clock::SteadyTime start = clock.Steady();
  EXPECT_EQ(initiator.keepalive_due(), start + kKeepaliveInterval);
  clock.Advance(milliseconds(3000));
  (void)Seal(initiator, Text("busy"));
  EXPECT_EQ(initiator.keepalive_due(), start + milliseconds(3000) + kKeepaliveInterval);
}

class ShortMessagesTest : public SecretStreamTest {
 protected:
  ShortMessagesTest() : SecretStreamTest({.message_size_max = 100, .keepalive_interval = {}}) {}
};

TEST_F(ShortMessagesTest, RefusesALongerMessageByItsLengthWord) {
  Connect();
  ASSERT_TRUE(Deliver(Seal(initiator, Filled(100))).has_value());
  Bytes frame = Seal(initiator, Filled(101));
  frame.resize(kFrameLengthSize);
  EXPECT_EQ(CodeOf(Deliver(frame)), ErrorCode::kResourceExhausted);
}

TEST_F(ShortMessagesTest, NeverAsksForAKeepaliveWithoutAnInterval) {
  Connect();
  EXPECT_FALSE(initiator.keepalive_due().has_value());
}

TEST_F(SecretStreamTest, HoldsNoMoreThanWhatCameOfAnUnfinishedFrame) {
  Connect();
  Bytes frame = Seal(initiator, Filled(10'000'000));
  frame.resize(1000);
  ASSERT_TRUE(Deliver(frame).has_value());
  EXPECT_LE(responder.held_bytes(), 128U << 10);
}

SessionKeys Handed(std::uint8_t tx, std::uint8_t rx) {
  SessionKeys keys;
  keys.tx = SessionKey(std::span<const std::byte, 32>(Bytes(32, std::byte{tx})));
  keys.rx = SessionKey(std::span<const std::byte, 32>(Bytes(32, std::byte{rx})));
  keys.hash.bytes.fill(std::byte{7});
  keys.remote_public_key = KeyOf(5).public_key;
  return keys;
}

TEST(HandedOverKeysTest, BeginAtTheHeader) {
  FakeClock clock;
  SecretStream one(Role::kInitiator, Handed(1, 2), clock);
  SecretStream two(Role::kResponder, Handed(2, 1), clock);
  EXPECT_TRUE(one.ready());
  EXPECT_EQ(one.remote_public_key(), KeyOf(5).public_key);
  KeepingHandler at_two;
  Bytes wire = one.TakeOutput() + Seal(one, Text("hello"));
  ASSERT_TRUE(two.Receive(wire, at_two).has_value());
  EXPECT_EQ(at_two.messages, std::vector<Bytes>{Text("hello")});
  EXPECT_EQ(at_two.ready, 0);
}

TEST(HandedOverKeysTest, WithWrongKeysTheFirstMessageIsRefused) {
  FakeClock clock;
  SecretStream one(Role::kInitiator, Handed(1, 2), clock);
  SecretStream two(Role::kResponder, Handed(2, 3), clock);
  KeepingHandler at_two;
  Bytes wire = one.TakeOutput() + Seal(one, Text("hello"));
  EXPECT_EQ(CodeOf(two.Receive(wire, at_two)), ErrorCode::kUnauthenticated);
}

TEST(HandedOverKeysTest, BothCannotHaveTheSameRole) {
  FakeClock clock;
  SecretStream one(Role::kInitiator, Handed(1, 2), clock);
  SecretStream two(Role::kInitiator, Handed(2, 1), clock);
  KeepingHandler at_two;
  Bytes wire = one.TakeOutput();
  EXPECT_EQ(CodeOf(two.Receive(wire, at_two)), ErrorCode::kUnauthenticated);
}

}  // namespace
}  // namespace hnx::hyper
