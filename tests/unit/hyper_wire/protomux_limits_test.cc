// What a hostile remote may try on a Protomux: each limit, each rule, from both sides of the line.
#include "mux_fixture.h"

namespace hnx::hyper {
namespace {

using std::chrono::milliseconds;

class ProtomuxLimitsTest : public ProtomuxTest {
 protected:
  void AcceptEverything() {
    a.pair.answer = [this](Protomux& mux, const ChannelName& name) {
      EXPECT_TRUE(mux.OpenChannel(name, {}, at_a).has_value());
      return PairAnswer::kReject;
    };
  }
  void LetEverythingWait() {
    a.pair.answer = [](Protomux&, const ChannelName&) { return PairAnswer::kLater; };
  }
  static Bytes Open(std::uint64_t id) { return OpenMessage(id, "p", "", std::to_string(id)); }
  // Slowly enough for the rate.
  Result<void> OpenSlowly(std::uint64_t id) {
    clock.Advance(milliseconds(1000));
    return a.Get(Open(id));
  }
};

TEST_F(ProtomuxLimitsTest, AnIdMayExceedThoseInUseByOneOnly) {
  AcceptEverything();
  EXPECT_EQ(CodeOf(a.Get(Open(2))), ErrorCode::kInvalidArgument);
}

TEST_F(ProtomuxLimitsTest, AnIdInUseCannotBeOpened) {
  AcceptEverything();
  ASSERT_TRUE(a.Get(OpenMessage(1, "p", "", "one")).has_value());
  EXPECT_EQ(CodeOf(a.Get(OpenMessage(1, "p", "", "two"))), ErrorCode::kInvalidArgument);
}

TEST_F(ProtomuxLimitsTest, AHugeIdIsNoIndex) {
  EXPECT_EQ(CodeOf(a.Get(Open(~std::uint64_t{0}))), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(a.Get(Message(~std::uint64_t{0}, 1, "")).has_value()) << "the stream is over";
}

TEST_F(ProtomuxLimitsTest, ARejectOfWhatIsNotPendingEndsTheStream) {
  a.Open("p", at_a);
  EXPECT_EQ(CodeOf(a.Get(RejectMessage(2))), ErrorCode::kInvalidArgument);
}

TEST_F(ProtomuxLimitsTest, ARejectOfTheControlChannelEndsTheStream) {
  EXPECT_EQ(CodeOf(a.Get(RejectMessage(0))), ErrorCode::kInvalidArgument);
}

TEST_F(ProtomuxLimitsTest, ARejectAfterAnOpenEndsTheStream) {
  a.Open("p", at_a);
  ASSERT_TRUE(a.Get(OpenMessage(1, "p")).has_value());
  EXPECT_EQ(CodeOf(a.Get(RejectMessage(1))), ErrorCode::kInvalidArgument);
}

TEST_F(ProtomuxLimitsTest, TooManyChannelsEndTheStream) {
  AcceptEverything();
  for (std::uint64_t id = 1; id <= kProtomuxChannelsMax; ++id) {
    ASSERT_TRUE(OpenSlowly(id).has_value()) << id;
  }
  EXPECT_EQ(CodeOf(OpenSlowly(kProtomuxChannelsMax + 1)), ErrorCode::kResourceExhausted);
}

TEST_F(ProtomuxLimitsTest, OurOwnChannelsAreLimitedToo) {
  std::vector<NotingHandler> handlers(kProtomuxChannelsMax + 1);
  for (std::size_t i = 0; i < kProtomuxChannelsMax; ++i) {
    ASSERT_TRUE(a.mux.OpenChannel({"p", Uint(i)}, {}, handlers[i]).has_value());
  }
  EXPECT_EQ(CodeOf(a.mux.OpenChannel({"q", {}}, {}, handlers.back())),
            ErrorCode::kResourceExhausted);
  EXPECT_FALSE(a.mux.failure().has_value()) << "the stream goes on";
}

TEST_F(ProtomuxLimitsTest, OpeningTooFastEndsTheStream) {
  AcceptEverything();
  for (std::uint64_t i = 0; i < kProtomuxOpensBurst; ++i) {
    ASSERT_TRUE(a.Get(OpenMessage(1, "p")).has_value());
    ASSERT_TRUE(a.Get(CloseMessage(1)).has_value());
  }
  EXPECT_EQ(CodeOf(a.Get(OpenMessage(1, "p"))), ErrorCode::kResourceExhausted);
}

TEST_F(ProtomuxLimitsTest, OpeningAtTheRateIsAllowedForEver) {
  AcceptEverything();
  for (std::uint64_t i = 0; i < 3 * kProtomuxOpensBurst; ++i) {
    clock.Advance(milliseconds(1000 / kProtomuxOpensPerSecond + 1));
    ASSERT_TRUE(a.Get(OpenMessage(1, "p")).has_value());
    ASSERT_TRUE(a.Get(CloseMessage(1)).has_value());
  }
}

TEST_F(ProtomuxLimitsTest, TooManyOpensThatNobodyWantsEndTheStream) {
  for (std::uint64_t i = 0; i < kProtomuxRejectsBurst; ++i) {
    ASSERT_TRUE(a.Get(OpenMessage(1, "p")).has_value());
  }
  EXPECT_EQ(CodeOf(a.Get(OpenMessage(1, "p"))), ErrorCode::kResourceExhausted);
}

TEST_F(ProtomuxLimitsTest, TooMuchForChannelsThatAreNotOpenEndsTheStream) {
  LetEverythingWait();
  ASSERT_TRUE(a.Get(Open(1)).has_value());
  const std::size_t room = kProtomuxBufferedBytesMax - 2 * kProtomuxBufferedOverhead;
  ASSERT_TRUE(a.Get(Message(1, 1, std::string(room, 'x'))).has_value());
  EXPECT_EQ(CodeOf(a.Get(Message(1, 1, ""))), ErrorCode::kResourceExhausted);
}

TEST_F(ProtomuxLimitsTest, EmptyMessagesForChannelsThatAreNotOpenCountToo) {
  LetEverythingWait();
  ASSERT_TRUE(a.Get(Open(1)).has_value());
  std::size_t taken = 0;
  while (a.Get(Message(1, 1, "")).has_value()) {
    ASSERT_LE(++taken, kProtomuxBufferedBytesMax / kProtomuxBufferedOverhead);
  }
}

TEST_F(ProtomuxLimitsTest, PendingOpensCountAsBufferedBytes) {
  LetEverythingWait();
  std::uint64_t id = 0;
  while (OpenSlowly(++id).has_value()) {
    ASSERT_LE(id, kProtomuxBufferedBytesMax / kProtomuxBufferedOverhead);
  }
}

TEST_F(ProtomuxLimitsTest, WhatWasDeliveredOrRejectedNoLongerCounts) {
  LetEverythingWait();
  const std::string half(kProtomuxBufferedBytesMax / 2, 'x');
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(a.Get(OpenMessage(1, "p")).has_value());
    ASSERT_TRUE(a.Get(Message(1, 1, half)).has_value());
    if (i % 2 == 0) {
      ASSERT_TRUE(a.mux.RejectPending({"p", {}}).has_value());
    } else {
      Channel* const channel = a.Open("p", at_a);
      ASSERT_TRUE(a.Get(CloseMessage(1)).has_value());
      (void)channel;
    }
  }
}

TEST_F(ProtomuxLimitsTest, TooManyItemsInABatchEndTheStream) {
  const auto batch_of = [](std::size_t items) {
    Bytes batch = Uint(0) + Uint(0) + Uint(5);
    for (std::size_t i = 0; i < items; ++i) {
      AppendTo(batch, Uint(1) + Uint(0));
    }
    return batch;
  };
  ASSERT_TRUE(a.Get(batch_of(kProtomuxBatchItemsMax)).has_value());
  EXPECT_EQ(CodeOf(a.Get(batch_of(kProtomuxBatchItemsMax + 1))), ErrorCode::kResourceExhausted);
}

TEST_F(ProtomuxLimitsTest, SwitchesOfABatchCountAsItems) {
  Bytes batch = Uint(0) + Uint(0) + Uint(5);
  for (std::size_t i = 0; i <= kProtomuxBatchItemsMax; ++i) {
    AppendTo(batch, Uint(0) + Uint(1));
  }
  EXPECT_EQ(CodeOf(a.Get(batch)), ErrorCode::kResourceExhausted);
}

TEST_F(ProtomuxLimitsTest, ABatchWithinABatchEndsTheStream) {
  const Bytes inner = Uint(0) + Uint(0);
  EXPECT_EQ(CodeOf(a.Get(Uint(0) + Uint(0) + Uint(0) + Uint(inner.size()) + inner)),
            ErrorCode::kInvalidArgument);
}

TEST_F(ProtomuxLimitsTest, TooLongNamesEndTheStream) {
  EXPECT_EQ(CodeOf(a.Get(OpenMessage(1, std::string(kProtomuxProtocolSizeMax + 1, 'p')))),
            ErrorCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(b.Get(OpenMessage(1, "p", "", std::string(kProtomuxIdSizeMax + 1, 'i')))),
            ErrorCode::kResourceExhausted);
}

TEST_F(ProtomuxLimitsTest, ATooLongHandshakeEndsTheStream) {
  EXPECT_EQ(CodeOf(a.Get(OpenMessage(1, "p", std::string(kProtomuxHandshakeSizeMax + 1, 'h')))),
            ErrorCode::kResourceExhausted);
}

TEST_F(ProtomuxLimitsTest, TruncatedMessagesEndTheStream) {
  const Bytes open = OpenMessage(1, "protocol", "", "an id");
  for (std::size_t size = 1; size < open.size(); ++size) {
    MuxEnd fresh(clock);
    EXPECT_EQ(CodeOf(fresh.Get(ToBytes(ByteView(open).first(size)))), ErrorCode::kInvalidArgument)
        << size;
  }
  MuxEnd fresh(clock);
  EXPECT_EQ(CodeOf(fresh.Get(Uint(0) + Uint(0) + Uint(1) + Uint(10) + Uint(1))),
            ErrorCode::kInvalidArgument);
}

TEST_F(ProtomuxLimitsTest, NothingIsSentAfterABreach) {
  a.Open("p", at_a);
  b.Open("p", at_b);
  Carry();
  ASSERT_FALSE(a.Get(RejectMessage(9)).has_value());
  a.mux.Find({"p", {}})->Send(1, Text("x"));
  EXPECT_TRUE(a.sink.messages.empty());
  a.mux.End();
  EXPECT_EQ(at_a.notes, (Notes{"open:", "end:stream"}));
}

}  // namespace
}  // namespace hnx::hyper
