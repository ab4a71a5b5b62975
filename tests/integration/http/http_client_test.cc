// The HTTP client at work: bodies, back-pressure, cancelling, limits.
#include "http/http_client.h"

#include <atomic>

#include "client_fixture.h"

namespace hnx::http {
namespace {

using std::chrono::milliseconds;
using test::Answer;
using test::File;

class HttpClientTest : public ClientTest {};

TEST_F(HttpClientTest, FetchesASmallBodyWithItsHead) {
  server_.Serve("/x", {Answer(200, "hello", {{"X-Word", "here"}})});
  const auto response = Get("/x");
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "hello");
  EXPECT_EQ(response->head.status, 200);
  EXPECT_EQ(response->head.content_length, 5U);
  EXPECT_EQ(response->head.headers.Get("x-word"), "here");
  EXPECT_EQ(response->head.url, server_.Url("/x"));
}

TEST_F(HttpClientTest, AsksForIdentityAndSaysWhoItIs) {
  server_.Serve("/x", {Answer(200, "")});
  ASSERT_TRUE(Get("/x"));
  const auto request = server_.Requests("/x").front();
  EXPECT_EQ(request.Header("accept-encoding"), "identity");
  EXPECT_EQ(request.Header("user-agent"), "hypercore-nixos/0.1");
  EXPECT_EQ(request.Header("cookie"), "");
}

TEST_F(HttpClientTest, KeepsConnectionsOpen) {
  server_.Serve("/x", {Answer(200, "x")});
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Get("/x"));
  }
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(HttpClientTest, HeadBringsTheLengthWithoutABody) {
  server_.Serve("/x", {Answer(200, "hello")});
  HttpRequest request;
  request.url = server_.Url("/x");
  request.method = HttpMethod::kHead;
  const auto response = Fetch(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->head.content_length, 5U);
  EXPECT_EQ(response->body, "");
}

TEST_F(HttpClientTest, BringsTheRangeAskedFor) {
  server_.Serve("/x", {File("0123456789")});
  HttpRequest request;
  request.url = server_.Url("/x");
  request.range = ByteRange{2, 5};
  const auto response = Fetch(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->head.status, 206);
  EXPECT_EQ(response->body, "2345");
}

TEST_F(HttpClientTest, TakesNotModifiedOnlyAsTheAnswerToACondition) {
  server_.Serve("/x", {Answer(304, "")});
  HttpRequest request;
  request.url = server_.Url("/x");
  request.if_none_match = "\"v1\"";
  const auto response = Fetch(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->head.status, 304);
  EXPECT_EQ(server_.Requests("/x").front().Header("if-none-match"), "\"v1\"");
}

TEST_F(HttpClientTest, ManyThreadsShareIt) {
  const std::string body = Noise(100'000);
  server_.ServeAll(File(body));
  client();  // made once, before the threads race for it
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const auto response = Get("/" + std::to_string(t) + "/" + std::to_string(i));
        good += response && response->body == body ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(good, 160);
  EXPECT_LE(server_.connections(), client().options().connections_per_host_max);
  EXPECT_EQ(client().statistics().transfers_done, 160U);
  EXPECT_EQ(client().statistics().in_flight, 0U);
  EXPECT_EQ(client().statistics().waiting, 0U);
}

TEST_F(HttpClientTest, APausedHandlerGetsNothingUntilItIsResumed) {
  const std::string body = Noise(3'000'000);
  server_.Serve("/x", {File(body)});
  std::atomic<int> chunks{0};
  auto handler = std::make_shared<RecordingHandler>();
  std::promise<void> paused;
  handler->on_data = [&](ByteView) -> Result<DataVerdict> {
    if (++chunks == 1) {
      paused.set_value();
      return DataVerdict::kPause;
    }
    return DataVerdict::kContinue;
  };
  const auto id = client().Start({.url = server_.Url("/x")}, handler);
  paused.get_future().get();
  server_.Serve("/y", {Answer(200, "y")});
  for (int i = 0; i < 50; ++i) {  // others go on meanwhile
    ASSERT_TRUE(Get("/y"));
  }
  EXPECT_EQ(chunks, 1);
  client().Resume(id);
  const auto outcome = handler->Outcome();
  EXPECT_FALSE(outcome.failure) << outcome.failure->message;
  EXPECT_EQ(handler->body, body);
}

TEST_F(HttpClientTest, AHandlerThatPausesAtEveryChunkStillGetsEachByteOnce) {
  const std::string body = Noise(2'000'000);
  server_.Serve("/x", {File(body)});
  class Pausing final : public RecordingHandler {
   public:
    explicit Pausing(HttpClient& client) : client_(client) {}
    Result<DataVerdict> OnData(ByteView chunk) override {
      body.append(AsText(chunk));
      client_.Resume(id_);  // before the pause takes effect: must not be lost
      return DataVerdict::kPause;
    }

   private:
    HttpClient& client_;
  };
  auto handler = std::make_shared<Pausing>(client());
  client().Start({.url = server_.Url("/x")}, handler);
  const auto outcome = handler->Outcome();
  EXPECT_FALSE(outcome.failure) << outcome.failure->message;
  EXPECT_EQ(handler->body, body);
}

TEST_F(HttpClientTest, PausedTimeCountsAgainstNoDeadline) {
  auto options = ShortOptions();
  options.deadline_base = milliseconds(200);
  Use(options);
  const std::string body = Noise(1'000'000);
  server_.Serve("/x", {File(body)});
  auto handler = std::make_shared<RecordingHandler>();
  std::promise<void> paused;
  bool first = true;
  handler->on_data = [&](ByteView) -> Result<DataVerdict> {
    if (std::exchange(first, false)) {
      paused.set_value();
      return DataVerdict::kPause;
    }
    return DataVerdict::kContinue;
  };
  const auto id = client().Start({.url = server_.Url("/x")}, handler);
  paused.get_future().get();
  // Another transfer that runs into its own deadline measures the time for us.
  server_.Serve("/slow", {test::Stall("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")});
  EXPECT_EQ(FailureOf("/slow").reason, HttpReason::kTooSlow);
  EXPECT_EQ(FailureOf("/slow").reason, HttpReason::kTooSlow);
  client().Resume(id);
  const auto outcome = handler->Outcome();
  EXPECT_FALSE(outcome.failure) << outcome.failure->message;
  EXPECT_EQ(handler->body, body);
}

TEST_F(HttpClientTest, AHandlersErrorEndsTheTransferUnchanged) {
  server_.Serve("/x", {File(Noise(1'000'000))});
  auto handler = std::make_shared<RecordingHandler>();
  handler->on_data = [](ByteView) -> Result<DataVerdict> { return DataLoss("wrong NAR"); };
  client().Start({.url = server_.Url("/x")}, handler);
  const auto outcome = handler->Outcome();
  ASSERT_TRUE(outcome.failure);
  EXPECT_EQ(outcome.failure->code, ErrorCode::kDataLoss);
  EXPECT_EQ(outcome.failure->reason, HttpReason::kHandler);
  EXPECT_NE(outcome.failure->message.find("wrong NAR"), std::string::npos);
}

TEST_F(HttpClientTest, AHandlerMayRefuseByTheHead) {
  server_.Serve("/x", {File(Noise(1'000'000))});
  auto handler = std::make_shared<RecordingHandler>();
  handler->on_head = [](const HttpResponseHead&) -> Result<void> {
    return ResourceExhausted("no room");
  };
  client().Start({.url = server_.Url("/x")}, handler);
  const auto outcome = handler->Outcome();
  ASSERT_TRUE(outcome.failure);
  EXPECT_EQ(outcome.failure->code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(handler->body, "");
}

TEST_F(HttpClientTest, CancelEndsWhatRunsWhatWaitsAndWhatIsDelayed) {
  auto options = ShortOptions();
  options.in_flight_max = 1;
  options.head_timeout = milliseconds(60'000);
  Use(options);
  server_.ServeAll(test::Stall(""));
  auto running = std::make_shared<RecordingHandler>();
  auto waiting = std::make_shared<RecordingHandler>();
  auto delayed = std::make_shared<RecordingHandler>();
  const auto a = client().Start({.url = server_.Url("/a")}, running);
  const auto b = client().Start({.url = server_.Url("/b")}, waiting);
  const auto c =
      client().Start({.url = server_.Url("/c"), .start_after = std::chrono::hours(1)}, delayed);
  for (const auto id : {c, b, a}) {
    client().Cancel(id);
    client().Cancel(id);  // the second is harmless
  }
  EXPECT_EQ(running->Outcome().failure->code, ErrorCode::kCancelled);
  EXPECT_EQ(waiting->Outcome().failure->code, ErrorCode::kCancelled);
  EXPECT_EQ(delayed->Outcome().failure->code, ErrorCode::kCancelled);
}

TEST_F(HttpClientTest, StoppingTheClientEndsEveryTransfer) {
  std::vector<std::shared_ptr<RecordingHandler>> handlers;
  server_.ServeAll(test::Stall(""));
  {
    HttpClient short_lived(ShortOptions());
    for (int i = 0; i < 50; ++i) {
      handlers.push_back(std::make_shared<RecordingHandler>());
      short_lived.Start({.url = server_.Url("/x")}, handlers.back());
    }
  }
  for (auto& handler : handlers) {
    EXPECT_EQ(handler->Outcome().failure->code, ErrorCode::kCancelled);
  }
}

TEST_F(HttpClientTest, RefusesMoreWaitingTransfersThanItsLimit) {
  auto options = ShortOptions();
  options.in_flight_max = 1;
  options.waiting_max = 10;
  Use(options);
  std::vector<std::shared_ptr<RecordingHandler>> handlers;
  for (int i = 0; i < 11; ++i) {
    handlers.push_back(std::make_shared<RecordingHandler>());
    client().Start({.url = server_.Url("/x"), .start_after = std::chrono::hours(1)},
                   handlers.back());
  }
  EXPECT_EQ(handlers.back()->Outcome().failure->code, ErrorCode::kResourceExhausted);
}

TEST_F(HttpClientTest, DelayedTransfersStartInTime) {
  server_.Serve("/x", {Answer(200, "x")});
  const auto begin = Clock::Real().Steady();
  ASSERT_TRUE(Fetch({.url = server_.Url("/x"), .start_after = milliseconds(150)}));
  EXPECT_GE(Clock::Real().Steady() - begin, milliseconds(150));
}

TEST_F(HttpClientTest, TheRateLimitHoldsForAllTransfersTogether) {
  const std::string body = Noise(200'000);
  server_.ServeAll(File(body));
  client().SetRateLimit(1'000'000);
  const auto begin = Clock::Real().Steady();
  std::vector<std::shared_ptr<RecordingHandler>> handlers;
  for (int i = 0; i < 3; ++i) {
    handlers.push_back(std::make_shared<RecordingHandler>());
    client().Start({.url = server_.Url("/" + std::to_string(i))}, handlers.back());
  }
  for (auto& handler : handlers) {
    EXPECT_FALSE(handler->Outcome().failure);
    EXPECT_EQ(handler->body, body);
  }
  // 600 kB at 1 MB/s, less the burst of a tenth of a second and what a socket holds.
  EXPECT_GE(Clock::Real().Steady() - begin, milliseconds(250));
}

TEST_F(HttpClientTest, LiftingTheRateLimitFreesWhatItHeld) {
  const std::string body = Noise(2'000'000);
  server_.Serve("/x", {File(body)});
  client().SetRateLimit(1000);
  auto handler = std::make_shared<RecordingHandler>();
  std::promise<void> begun;
  handler->on_data = [&, first = true](ByteView) mutable -> Result<DataVerdict> {
    if (std::exchange(first, false)) {
      begun.set_value();
    }
    return DataVerdict::kContinue;
  };
  client().Start({.url = server_.Url("/x")}, handler);
  begun.get_future().get();
  client().SetRateLimit(0);
  EXPECT_FALSE(handler->Outcome().failure);
  EXPECT_EQ(handler->body, body);
}

TEST_F(HttpClientTest, RefusesUrlsItMustNotAsk) {
  for (const std::string url :
       {"", "/x", "file:///etc/passwd", "ftp://127.0.0.1/x", "http://user:secret@127.0.0.1/",
        "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y"}) {
    const auto result = Fetch({.url = url});
    ASSERT_FALSE(result) << url;
    EXPECT_EQ(result.error().reason, HttpReason::kBadRequest) << url;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument) << url;
  }
  EXPECT_FALSE(Fetch({.url = server_.Url("/" + std::string(10'000, 'x'))}));
}

}  // namespace
}  // namespace hnx::http
