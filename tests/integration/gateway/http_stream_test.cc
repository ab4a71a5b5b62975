// Answers that are found later, and bodies that are found while they are sent.
#include <atomic>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "http/http_server.h"
#include "http/work_pool.h"
#include "raw_client.h"

namespace hnx::http {
namespace {

using gateway::RawClient;
using gateway::Request;

std::string Pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    text[i] = static_cast<char>(i * 7 / 3);
  }
  return text;
}

class HttpStreamTest : public ::testing::Test {
 protected:
  void Serve(HttpServer::Handler handler, HttpServerOptions options = {}) {
    options.listen = "127.0.0.1:0";
    options.threads = 1;  // so that one that waits would hold up all
    auto server = HttpServer::Start(options, std::move(handler));
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }
  static ServerResponse Streamed(std::uint64_t length,
                                 std::function<Result<void>(BodyPipe&)> write) {
    ServerResponse response;
    response.stream = StreamedBody{length, std::move(write)};
    return response;
  }
  static ServerResponse Later(std::function<ServerResponse()> later) {
    ServerResponse response;
    response.later = std::move(later);
    return response;
  }
  RawClient Connect() { return RawClient(server_->port()); }

  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpStreamTest, AnAnswerFoundLaterHoldsUpNobody) {
  std::promise<void> gate;
  const auto opened = gate.get_future().share();
  Serve([opened](const ServerRequest& request) {
    if (request.path() == "/quick") {
      return TextResponse(200, "quick");
    }
    return Later([opened] {
      opened.wait();
      return TextResponse(200, "late");
    });
  });
  auto slow = Connect();
  slow.Send(Request("/slow"));
  auto quick = Connect();
  EXPECT_EQ(quick.Ask(Request("/quick")).body, "quick");
  gate.set_value();
  EXPECT_EQ(slow.Receive().body, "late");
  EXPECT_EQ(slow.Ask(Request("/quick")).body, "quick");
}

TEST_F(HttpStreamTest, ManyAnswersAreFoundLaterAtOnce) {
  Serve([](const ServerRequest& request) {
    return Later([path = std::string(request.path())] { return TextResponse(200, path); });
  });
  std::atomic<int> good{0};
  std::vector<std::thread> clients;
  for (int t = 0; t < 8; ++t) {
    clients.emplace_back([&, t] {
      auto client = Connect();
      for (int i = 0; i < 300; ++i) {
        const std::string path = "/" + std::to_string(t) + "/" + std::to_string(i);
        good += client.Ask(Request(path)).body == path ? 1 : 0;
      }
    });
  }
  for (auto& client : clients) {
    client.join();
  }
  EXPECT_EQ(good, 8 * 300);
}

// The thread that sends is woken; by itself it would look ten times a second.
TEST_F(HttpStreamTest, AnswersFoundLaterAreSentWhenTheyAreFound) {
  constexpr int kAnswers = 200;
  constexpr auto kPatience = std::chrono::seconds(10);
  Serve([](const ServerRequest&) { return Later([] { return TextResponse(200, "late"); }); });
  auto client = Connect();
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < kAnswers; ++i) {
    ASSERT_EQ(client.Ask(Request("/x")).body, "late");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, kPatience);
}

TEST_F(HttpStreamTest, ABodyComesWhileItIsFound) {
  const std::string body = Pattern(3'000'000);
  std::promise<void> gate;
  const auto opened = gate.get_future().share();
  Serve([&body, opened](const ServerRequest&) {
    return Streamed(body.size(), [&body, opened](BodyPipe& pipe) -> Result<void> {
      HNX_TRY(pipe.Write(AsBytes(std::string_view(body).substr(0, 1000))));
      opened.wait();
      return pipe.Write(AsBytes(std::string_view(body).substr(1000)));
    });
  });
  auto client = Connect();
  client.Send(Request("/x"));
  const auto begin = client.ReceiveSome(1000);
  EXPECT_NE(begin.find("Content-Length: 3000000"), std::string::npos);
  gate.set_value();
  EXPECT_TRUE(client.Receive().body == body);
  // The connection serves on.
  EXPECT_TRUE(client.Ask(Request("/x")).body == body);
}

TEST_F(HttpStreamTest, AnswersFoundLaterMayHaveBodiesThatAreStreamed) {
  const std::string body = Pattern(100'000);
  Serve([&body](const ServerRequest&) {
    return Later([&body] {
      return Streamed(body.size(), [&body](BodyPipe& pipe) { return pipe.Write(AsBytes(body)); });
    });
  });
  auto client = Connect();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(client.Ask(Request("/x")).body == body);
  }
}

TEST_F(HttpStreamTest, HeadNeverLooksForTheBody) {
  std::atomic<int> writes{0};
  Serve([&writes](const ServerRequest&) {
    return Streamed(5, [&writes](BodyPipe& pipe) {
      ++writes;
      return pipe.Write(AsBytes(std::string_view("12345")));
    });
  });
  auto client = Connect();
  EXPECT_EQ(client.Ask(Request("/x", "", "HEAD"), false).Header("Content-Length"), "5");
  EXPECT_EQ(client.Ask(Request("/x")).body, "12345");
  EXPECT_EQ(writes, 1);
}

TEST_F(HttpStreamTest, ABodyThatBreaksOffClosesTheConnection) {
  Serve([](const ServerRequest&) {
    return Streamed(1000, [](BodyPipe& pipe) -> Result<void> {
      HNX_TRY(pipe.Write(AsBytes(std::string_view("only this"))));
      return Unavailable("nobody has the rest");
    });
  });
  auto client = Connect();
  EXPECT_EQ(client.Ask(Request("/x")).body, "only this");
}

TEST_F(HttpStreamTest, ABodyThatBreaksOffWhileItsConnectionRestsClosesItBeforeItsTimeout) {
  constexpr std::size_t kBytes = 1000;
  std::promise<void> gate;
  const auto opened = gate.get_future().share();
  Serve([opened](const ServerRequest&) {
    return Streamed(2 * kBytes, [opened](BodyPipe& pipe) -> Result<void> {
      HNX_TRY(pipe.Write(AsBytes(Pattern(kBytes))));
      opened.wait();
      return Unavailable("nobody has the rest");
    });
  });
  auto client = Connect();
  client.Send(Request("/x"));
  const std::string head = client.ReceiveSome(1);
  client.ReceiveSome(head.find("\r\n\r\n") + 4 + kBytes);
  gate.set_value();
  EXPECT_TRUE(client.ClosedWithin(60'000));  // the timeout is 75 s
}

TEST_F(HttpStreamTest, ABodyThatEndsEarlyWithoutAnErrorClosesTheConnectionToo) {
  Serve([](const ServerRequest&) {
    return Streamed(1000,
                    [](BodyPipe& pipe) { return pipe.Write(AsBytes(std::string_view("short"))); });
  });
  auto client = Connect();
  EXPECT_EQ(client.Ask(Request("/x")).body, "short");
}

TEST_F(HttpStreamTest, AClientThatDoesNotReadHoldsUpItsOwnBodyOnly) {
  std::atomic<std::uint64_t> written{0};
  std::promise<Result<void>> outcome;
  const std::string piece(64 * 1024, 'x');
  constexpr std::uint64_t kSize = std::uint64_t{1} << 40;
  Serve([&](const ServerRequest& request) {
    if (request.path() == "/quick") {
      return TextResponse(200, "quick");
    }
    return Streamed(kSize, [&](BodyPipe& pipe) -> Result<void> {
      for (;;) {
        auto wrote = pipe.Write(AsBytes(piece));
        if (!wrote) {
          outcome.set_value(wrote);
          return wrote;
        }
        written += piece.size();
      }
    });
  });
  {
    auto stuck = Connect();
    stuck.Send(Request("/endless"));
    (void)stuck.ReceiveSome(100'000);
    auto quick = Connect();
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(quick.Ask(Request("/quick")).body, "quick");
    }
    // What the sockets hold, and the pipe.
    EXPECT_LT(written, std::uint64_t{64} << 20);
  }
  // It has left: its writer learns that.
  auto ended = outcome.get_future();
  ASSERT_EQ(ended.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_EQ(ended.get().error().code, ErrorCode::kCancelled);
}

TEST_F(HttpStreamTest, StopEndsAnswersThatWaitAndBodiesThatCome) {
  std::promise<void> gate;
  const auto opened = gate.get_future().share();
  HttpServerOptions options;
  options.drain_timeout = std::chrono::milliseconds(10);
  std::promise<void> streaming;
  std::promise<void> waiting;
  Serve(
      [&](const ServerRequest& request) {
        if (request.path() == "/later") {
          return Later([&] {
            waiting.set_value();
            opened.wait();
            return TextResponse(200, "too late");
          });
        }
        return Streamed(100, [&](BodyPipe& pipe) -> Result<void> {
          std::promise<void> left;
          pipe.OnAbandon([&left] { left.set_value(); });
          streaming.set_value();
          left.get_future().wait();
          return Unavailable("left");
        });
      },
      options);
  auto first = Connect();
  first.Send(Request("/later"));
  auto second = Connect();
  second.Send(Request("/stream"));
  streaming.get_future().wait();
  waiting.get_future().wait();
  std::thread stop([this] { server_->Stop(); });
  EXPECT_NE(first.Receive().status, 200);
  EXPECT_EQ(second.Receive().body, "");
  gate.set_value();
  stop.join();
}

TEST_F(HttpStreamTest, TooManyThatWaitAreToldSo) {
  std::promise<void> gate;
  const auto opened = gate.get_future().share();
  HttpServerOptions options;
  options.waiters_max = 1;
  options.queue_max = 1;
  std::atomic<int> begun{0};
  Serve(
      [&](const ServerRequest& request) {
        if (request.path() == "/quick") {
          return TextResponse(200, "quick");
        }
        return Later([&] {
          ++begun;
          opened.wait();
          return TextResponse(200, "late");
        });
      },
      options);
  auto first = Connect();
  first.Send(Request("/1"));
  auto second = Connect();
  second.Send(Request("/2"));
  auto quick = Connect();
  while (server_->requests_waiting() < 2) {
    ASSERT_EQ(quick.Ask(Request("/quick")).status, 200);
  }
  EXPECT_EQ(quick.Ask(Request("/3")).status, 503);
  gate.set_value();
  EXPECT_EQ(first.Receive().body, "late");
  EXPECT_EQ(second.Receive().body, "late");
}

TEST(WorkPoolTest, RunsWhatWasTakenAndDropsWhatWaitsWhenItStops) {
  WorkPool pool("pool-test", 1, 8);
  std::promise<void> gate;
  std::promise<void> begun;
  int ran = 0;
  ASSERT_TRUE(pool.Submit([&] {
    begun.set_value();
    gate.get_future().wait();
    ++ran;
  }));
  begun.get_future().wait();
  ASSERT_TRUE(pool.Submit([&ran] { ran += 100; }));
  std::thread stop([&pool] { pool.Stop(); });
  while (pool.queued() > 0) {
    std::this_thread::yield();
  }
  gate.set_value();
  stop.join();
  EXPECT_EQ(ran, 1);
  EXPECT_FALSE(pool.Submit([] {}));
}

}  // namespace
}  // namespace hnx::http
