#include "hyper/wire/protomux.h"

#include "mux_fixture.h"

namespace hnx::hyper {
namespace {

TEST_F(ProtomuxTest, AChannelIsOpenWhenBothSidesHaveOpenedIt) {
  Channel* const channel = a.Open("p", at_a, "from a", "id");
  EXPECT_FALSE(channel->open());
  b.Open("p", at_b, "from b", "id");
  Carry();
  EXPECT_TRUE(channel->open());
  EXPECT_EQ(at_a.notes, Notes{"open:from b"});
  EXPECT_EQ(at_b.notes, Notes{"open:from a"});
}

TEST_F(ProtomuxTest, WritesTheBytesOfTheFormat) {
  Channel* const channel = a.Open("proto", at_a, "hs", "id");
  channel->Send(7, Text("payload"));
  channel->Close();
  EXPECT_EQ(a.sink.Next(), OpenMessage(1, "proto", "hs", "id"));
  EXPECT_EQ(a.sink.Next(), Message(1, 7, "payload"));
  EXPECT_EQ(a.sink.Next(), CloseMessage(1));
}

TEST_F(ProtomuxTest, MessagesMayFollowTheOwnOpenAtOnce) {
  Channel* const channel = a.Open("p", at_a);
  channel->Send(1, Text("early"));
  channel->Send(2, Text("too"));
  b.pair.answer = [&](Protomux& mux, const ChannelName& name) {
    EXPECT_TRUE(mux.OpenChannel(name, {}, at_b).has_value());
    return PairAnswer::kReject;  // opening is the answer
  };
  Carry();
  EXPECT_EQ(b.pair.asked, Notes{"p"});
  EXPECT_EQ(at_b.notes, (Notes{"open:", "1:early", "2:too"}));
}

TEST_F(ProtomuxTest, MessagesWaitForAChannelThatIsOpenedLater) {
  b.pair.answer = [](Protomux&, const ChannelName&) { return PairAnswer::kLater; };
  Channel* const channel = a.Open("p", at_a, "hs");
  channel->Send(1, Text("early"));
  Carry();
  EXPECT_TRUE(at_a.notes.empty());
  b.Open("p", at_b, "back");
  EXPECT_EQ(at_b.notes, (Notes{"open:hs", "1:early"}));
  Carry();
  EXPECT_EQ(at_a.notes, Notes{"open:back"});
}

TEST_F(ProtomuxTest, AnOpenThatNobodyWantsIsRejected) {
  a.Open("p", at_a);
  Carry();
  EXPECT_EQ(at_a.notes, Notes{"end:rejected"});
  EXPECT_EQ(a.mux.channel_count(), 0U);
}

TEST_F(ProtomuxTest, APendingOpenMayBeRejectedLater) {
  b.pair.answer = [](Protomux&, const ChannelName&) { return PairAnswer::kLater; };
  a.Open("p", at_a);
  Carry();
  EXPECT_TRUE(b.mux.RejectPending({"p", {}}).has_value());
  Carry();
  EXPECT_EQ(at_a.notes, Notes{"end:rejected"});
  EXPECT_TRUE(b.mux.RejectPending({"p", {}}).has_value()) << "again: nothing happens";
  EXPECT_TRUE(b.sink.messages.empty());
}

TEST_F(ProtomuxTest, ARemoteCloseEndsTheChannelWithoutAnAnswer) {
  Channel* const channel = a.Open("p", at_a);
  b.Open("p", at_b);
  Carry();
  channel->Close();
  Carry();
  EXPECT_EQ(at_a.notes, Notes{"open:"}) << "who closes is not told";
  EXPECT_EQ(at_b.notes, (Notes{"open:", "end:closed"}));
  EXPECT_EQ(a.mux.channel_count() + b.mux.channel_count(), 0U);
}

TEST_F(ProtomuxTest, WhatWasUnderWayToAClosedChannelIsIgnored) {
  Channel* const channel = a.Open("p", at_a);
  Channel* const other = b.Open("p", at_b);
  Carry();
  other->Send(1, Text("crossing"));
  channel->Close();
  Carry();
  EXPECT_EQ(at_a.notes, Notes{"open:"});
}

TEST_F(ProtomuxTest, BothMayCloseAtOnce) {
  Channel* const one = a.Open("p", at_a);
  Channel* const two = b.Open("p", at_b);
  Carry();
  one->Close();
  two->Close();
  Carry();
  EXPECT_EQ(a.mux.channel_count() + b.mux.channel_count(), 0U);
}

TEST_F(ProtomuxTest, ANameMayBeOpenedAgainAtOnceAfterItWasClosed) {
  Channel* const channel = a.Open("p", at_a);
  b.Open("p", at_b);
  Carry();
  channel->Close();
  NotingHandler again;
  a.Open("p", again, "again");
  b.pair.answer = [&](Protomux& mux, const ChannelName& name) {
    EXPECT_TRUE(mux.OpenChannel(name, {}, at_b).has_value());
    return PairAnswer::kReject;
  };
  Carry();
  EXPECT_EQ(at_b.notes, (Notes{"open:", "end:closed", "open:again"}));
  EXPECT_EQ(again.notes, Notes{"open:"});
}

TEST_F(ProtomuxTest, AChannelClosedBeforeItsAnswerCameStaysClosed) {
  Channel* const channel = a.Open("p", at_a);
  channel->Close();
  b.Open("p", at_b);
  Carry();
  EXPECT_TRUE(at_a.notes.empty());
  EXPECT_EQ(at_b.notes, (Notes{"open:", "end:closed"}));
  NotingHandler fresh;
  a.Open("q", fresh);
  NotingHandler at_b_fresh;
  b.Open("q", at_b_fresh);
  Carry();
  EXPECT_EQ(fresh.notes, Notes{"open:"}) << "its id is free again";
}

TEST_F(ProtomuxTest, AnOpenThatIsWithdrawnWhileItWaitsIsRejected) {
  b.pair.answer = [](Protomux&, const ChannelName&) { return PairAnswer::kLater; };
  Channel* const channel = a.Open("p", at_a);
  channel->Send(1, Text("x"));
  channel->Close();
  Carry();
  // Too late: it is a channel that the remote does not know.
  b.pair.answer = nullptr;
  b.Open("p", at_b);
  Carry();
  EXPECT_EQ(at_b.notes, Notes{"end:rejected"});
}

TEST_F(ProtomuxTest, IdsAreUsedAgain) {
  b.pair.answer = [&](Protomux& mux, const ChannelName& name) {
    EXPECT_TRUE(mux.OpenChannel(name, {}, at_b).has_value());
    return PairAnswer::kReject;
  };
  for (int i = 0; i < 100; ++i) {
    NotingHandler handler;
    Channel* const channel = a.Open("p" + std::to_string(i), handler);
    EXPECT_EQ(a.sink.messages.front(), OpenMessage(1, "p" + std::to_string(i)));
    Carry();
    channel->Close();
    Carry();
  }
}

TEST_F(ProtomuxTest, ChannelsOfOneProtocolAreToldApartByTheirIds) {
  NotingHandler other;
  a.Open("p", at_a, "", "one");
  a.Open("p", other, "", "two")->Send(1, Text("to two"));
  NotingHandler b_one;
  NotingHandler b_two;
  b.Open("p", b_two, "", "two");
  b.Open("p", b_one, "", "one");
  Carry();
  EXPECT_EQ(b_one.notes, Notes{"open:"});
  EXPECT_EQ(b_two.notes, (Notes{"open:", "1:to two"}));
}

TEST_F(ProtomuxTest, AnAliasIsTakenForItsProtocol) {
  b.mux.AddAlias("old", "new");
  a.Open("old", at_a, "hs");
  b.Open("new", at_b);
  ASSERT_TRUE(b.Get(a.sink.Next()).has_value());
  EXPECT_EQ(at_b.notes, Notes{"open:hs"});
}

TEST_F(ProtomuxTest, ThereIsOneChannelAName) {
  a.Open("p", at_a);
  EXPECT_EQ(CodeOf(a.mux.OpenChannel({"p", {}}, {}, at_b)), ErrorCode::kAlreadyExists);
  b.Open("p", at_b);
  Carry();
  ASSERT_TRUE(a.Get(OpenMessage(2, "p")).has_value());
  EXPECT_EQ(a.sink.Next(), RejectMessage(2));
  EXPECT_NE(a.mux.Find({"p", {}}), nullptr);
}

TEST_F(ProtomuxTest, TheControlChannelCannotBeOpened) {
  ASSERT_TRUE(a.Get(OpenMessage(0, "p")).has_value());
  EXPECT_EQ(a.sink.Next(), RejectMessage(0));
}

TEST_F(ProtomuxTest, DecodesABatchOfSeveralChannels) {
  NotingHandler other;
  a.Open("p", at_a);
  a.Open("q", other);
  const auto item = [](std::uint64_t type, std::string_view payload) {
    const Bytes body = Uint(type) + Text(payload);
    return Uint(body.size()) + body;
  };
  const Bytes open_p = Uint(1) + Uint(1) + Buf("p") + Buf("");
  const Bytes open_q = Uint(1) + Uint(2) + Buf("q") + Buf("");
  const Bytes batch = Uint(0) + Uint(0) + Uint(0) + Uint(open_p.size()) + open_p +
                      Uint(open_q.size()) + open_q + Uint(0) + Uint(1) + item(3, "a") +
                      item(4, "b") + Uint(0) + Uint(2) + item(5, "c");
  ASSERT_TRUE(a.Get(batch).has_value());
  EXPECT_EQ(at_a.notes, (Notes{"open:", "3:a", "4:b"}));
  EXPECT_EQ(other.notes, (Notes{"open:", "5:c"}));
}

TEST_F(ProtomuxTest, ABatchArrivesAsItWasCorked) {
  Channel* const channel = a.Open("p", at_a);
  NotingHandler other;
  Channel* const second = a.Open("q", other);
  NotingHandler b_second;
  b.Open("p", at_b);
  b.Open("q", b_second);
  Carry();
  a.mux.Cork();
  channel->Send(1, Text("one"));
  a.mux.Cork();
  second->Send(2, Text("two"));
  channel->BeginSend(9, 3);
  channel->AbandonSend();
  channel->Send(3, {});
  channel->Send(4, Filled(300));
  a.mux.Uncork();
  EXPECT_TRUE(a.sink.messages.empty());
  a.mux.Uncork();
  EXPECT_EQ(a.sink.messages.size(), 1U);
  Carry();
  EXPECT_EQ(at_b.notes, (Notes{"open:", "1:one", "3:", "4:" + ToString(Filled(300))}));
  EXPECT_EQ(b_second.notes, (Notes{"open:", "2:two"}));
}

TEST_F(ProtomuxTest, ALongMessageIsNotPutIntoABatchButKeepsItsPlace) {
  Channel* const channel = a.Open("p", at_a);
  b.Open("p", at_b);
  Carry();
  a.mux.Cork();
  channel->Send(1, Text("before"));
  channel->Send(2, Filled(kProtomuxSendBatchItemMax + 1));
  channel->Send(3, Text("after"));
  a.mux.Uncork();
  EXPECT_EQ(a.sink.messages.size(), 3U);
  Carry();
  ASSERT_EQ(at_b.notes.size(), 4U);
  EXPECT_EQ(at_b.notes[1], "1:before");
  EXPECT_EQ(at_b.notes[3], "3:after");
}

TEST_F(ProtomuxTest, ABatchIsSentWhenItIsLongEnough) {
  Channel* const channel = a.Open("p", at_a);
  b.Open("p", at_b);
  Carry();
  a.mux.Cork();
  for (int i = 0; i < 100; ++i) {
    channel->Send(1, Filled(kProtomuxSendBatchItemMax));
  }
  a.mux.Uncork();
  for (const Bytes& message : a.sink.messages) {
    EXPECT_LT(message.size(), kProtomuxSendBatchBytes + kProtomuxSendBatchItemMax + 100);
  }
  Carry();
  EXPECT_EQ(at_b.notes.size(), 101U);
}

TEST_F(ProtomuxTest, TheAnswersToABatchGoOutAsOne) {
  Channel* const channel = a.Open("p", at_a);
  b.Open("p", at_b);
  Carry();
  at_b.on_message = [](Channel& c) {
    c.Send(1, Text("answer"));
    return Result<void>();
  };
  a.mux.Cork();
  channel->Send(1, Text("x"));
  channel->Send(1, Text("y"));
  a.mux.Uncork();
  ASSERT_TRUE(b.Get(a.sink.Next()).has_value());
  EXPECT_EQ(b.sink.messages.size(), 1U);
}

TEST_F(ProtomuxTest, AHandlerMayCloseItsChannelInOnOpen) {
  a.Open("p", at_a)->Send(1, Text("never seen"));
  at_b.on_open = [](Channel& channel) {
    channel.Close();
    return Result<void>();
  };
  b.pair.answer = [&](Protomux& mux, const ChannelName& name) {
    EXPECT_TRUE(mux.OpenChannel(name, {}, at_b).has_value());
    return PairAnswer::kReject;
  };
  Carry();
  EXPECT_EQ(at_b.notes, Notes{"open:"});
  EXPECT_EQ(at_a.notes, (Notes{"open:", "end:closed"}));
}

TEST_F(ProtomuxTest, AHandlerMayCloseItsChannelWithinABatch) {
  Channel* const channel = a.Open("p", at_a);
  b.Open("p", at_b);
  Carry();
  at_b.on_message = [](Channel& c) {
    c.Close();
    return Result<void>();
  };
  a.mux.Cork();
  channel->Send(1, Text("x"));
  channel->Send(2, Text("y"));
  a.mux.Uncork();
  Carry();
  EXPECT_EQ(at_b.notes, (Notes{"open:", "1:x"}));
  EXPECT_EQ(at_a.notes, (Notes{"open:", "end:closed"}));
}

TEST_F(ProtomuxTest, AHandlerMayOpenAgainWhenItsChannelIsClosed) {
  Channel* const channel = a.Open("p", at_a);
  b.Open("p", at_b);
  Carry();
  NotingHandler again;
  at_b.on_closed = [&] { b.Open("p", again); };
  channel->Close();
  ASSERT_TRUE(b.Get(a.sink.Next()).has_value());
  EXPECT_NE(b.mux.Find({"p", {}}), nullptr);
}

TEST_F(ProtomuxTest, TheEndOfTheStreamClosesEveryChannelOnce) {
  Channel* const channel = a.Open("p", at_a);
  NotingHandler other;
  a.Open("q", other);
  b.Open("p", at_b);
  Carry();
  channel->Send(1, Text("x"));
  b.Open("r", at_b);
  a.mux.End();
  a.mux.End();
  EXPECT_EQ(at_a.notes, (Notes{"open:", "end:stream"}));
  EXPECT_EQ(other.notes, Notes{"end:rejected"});
  EXPECT_EQ(CodeOf(a.mux.OpenChannel({"z", {}}, {}, at_a)), ErrorCode::kFailedPrecondition);
  EXPECT_TRUE(a.Get(OpenMessage(5, "late")).has_value());
}

TEST_F(ProtomuxTest, AnErrorOfAHandlerEndsTheStream) {
  a.Open("p", at_a);
  b.Open("p", at_b);
  at_b.on_open = [](Channel&) { return Result<void>(Unauthenticated("wrong capability")); };
  EXPECT_EQ(CodeOf(b.Get(a.sink.Next())), ErrorCode::kUnauthenticated);
  ASSERT_TRUE(b.mux.failure().has_value());
  EXPECT_EQ(CodeOf(b.Get(Message(1, 1, "more"))), ErrorCode::kUnauthenticated);
}

TEST_F(ProtomuxTest, AnErrorWhilePairingEndsTheStream) {
  a.Open("p", at_a);
  at_b.on_open = [](Channel&) { return Result<void>(Unauthenticated("wrong capability")); };
  b.pair.answer = [&](Protomux& mux, const ChannelName& name) {
    EXPECT_FALSE(mux.OpenChannel(name, {}, at_b).has_value());
    return PairAnswer::kReject;
  };
  EXPECT_EQ(CodeOf(b.Get(a.sink.Next())), ErrorCode::kUnauthenticated);
}

TEST_F(ProtomuxTest, IgnoresWhatALaterVersionMaySend) {
  a.Open("p", at_a);
  b.Open("p", at_b);
  Carry();
  EXPECT_TRUE(b.Get(Message(0, 99, "control")).has_value());
  EXPECT_TRUE(b.Get(Message(77, 1, "no such channel")).has_value());
  EXPECT_TRUE(b.Get(CloseMessage(77)).has_value());
  EXPECT_TRUE(b.Get(CloseMessage(0)).has_value());
  EXPECT_TRUE(b.Get({}).has_value());
  EXPECT_EQ(at_b.notes, Notes{"open:"});
}

// A JavaScript remote ignores a close that comes while it looks for a taker, and opens its side
// then.
TEST_F(ProtomuxTest, TellsARemoteAgainThatAChannelWasClosedBeforeItAnswered) {
  Channel* const channel = a.Open("p", at_a);
  channel->Close();
  a.sink.messages.clear();
  ASSERT_TRUE(a.Get(OpenMessage(1, "p")).has_value());
  EXPECT_EQ(a.sink.Next(), CloseMessage(1));
}

}  // namespace
}  // namespace hnx::hyper
