// The HTTP server itself, before any mirror.
#include "http/http_server.h"

#include <atomic>
#include <future>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "http/metrics_endpoint.h"
#include "raw_client.h"

namespace hnx::http {
namespace {

using gateway::RawClient;
using gateway::Request;

class HttpServerTest : public ::testing::Test {
 protected:
  void Serve(HttpServer::Handler handler, HttpServerOptions options = {}) {
    options.listen = "127.0.0.1:0";
    auto server = HttpServer::Start(options, std::move(handler));
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }
  void ServeEcho(HttpServerOptions options = {}) {
    Serve(
        [](const ServerRequest& request) { return TextResponse(200, std::string(request.path())); },
        options);
  }
  RawClient Connect() { return RawClient(server_->port()); }

  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersManyRequestsOnOneConnection) {
  ServeEcho();
  auto client = Connect();
  for (int i = 0; i < 100; ++i) {
    const std::string path = "/" + std::to_string(i);
    const auto answer = client.Ask(Request(path));
    ASSERT_EQ(answer.status, 200);
    ASSERT_EQ(answer.body, path);
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  ServeEcho();
  auto client = Connect();
  client.Send(Request("/a") + Request("/b") + Request("/c"));
  EXPECT_EQ(client.Receive().body, "/a");
  EXPECT_EQ(client.Receive().body, "/b");
  EXPECT_EQ(client.Receive().body, "/c");
}

TEST_F(HttpServerTest, PathsComeAsSentWithoutTheirQuery) {
  ServeEcho();
  auto client = Connect();
  EXPECT_EQ(client.Ask(Request("/%2e%2e/a+b%00?c=d&e=%41")).body, "/%2e%2e/a+b%00");
}

TEST_F(HttpServerTest, G4RefusesOtherMethodsAndBodies) {
  ServeEcho();
  for (const std::string method : {"PUT", "POST", "DELETE", "OPTIONS", "PATCH", "TRACE", "X"}) {
    auto client = Connect();
    const auto answer = client.Ask(Request("/x", "Content-Length: 0\r\n", method));
    EXPECT_EQ(answer.status, 405) << method;
    EXPECT_EQ(answer.Header("Allow"), "GET, HEAD") << method;
  }
  auto client = Connect();
  EXPECT_EQ(client.Ask(Request("/x", "Content-Length: 5\r\n") + "hello").status, 400);
  auto chunked = Connect();
  EXPECT_EQ(chunked.Ask(Request("/x", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n").status, 400);
}

TEST_F(HttpServerTest, G2HeadIsTheHeadOfGet) {
  ServeEcho();
  auto client = Connect();
  const auto get = client.Ask(Request("/hello"));
  const auto head = client.Ask(Request("/hello", "", "HEAD"), false);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.Header("Content-Length"), get.Header("Content-Length"));
  EXPECT_EQ(client.Ask(Request("/x")).body, "/x");  // nothing of a body was in between
}

TEST_F(HttpServerTest, SendsARegionOfAFileAndClosesIt) {
  UniqueFd file(::memfd_create("test", MFD_CLOEXEC));
  std::string content(3'000'000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) {
    content[i] = static_cast<char>(i * 7 / 3);
  }
  ASSERT_TRUE(WriteAt(file.get(), 0, AsBytes(content)));
  Serve([&](const ServerRequest&) {
    ServerResponse response;
    response.file = FileRegion{UniqueFd(::dup(file.get())), 1000, 2'500'000};
    return response;
  });
  auto client = Connect();
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.Ask(Request("/x"));
    EXPECT_EQ(answer.Header("Content-Length"), "2500000");
    EXPECT_TRUE(answer.body == content.substr(1000, 2'500'000));
  }
  EXPECT_EQ(client.Ask(Request("/x", "", "HEAD"), false).Header("Content-Length"), "2500000");
}

// A file of 'x' whose middle is sent; it may be changed once the server has let go of it.
class SentFileTest : public HttpServerTest {
 protected:
  static constexpr off_t kBegin = 1000;
  static constexpr off_t kSize = 6'000;

  void SetUp() override {
    ASSERT_TRUE(file_.valid());
    ASSERT_TRUE(WriteAt(file_.get(), 0, AsBytes(std::string(12'000, 'x'))));
  }

  // Asks for it and does not read the answer; returns once all is sent.
  void SendAll(RawClient& client) {
    client.Send(Request("/x"));
    locked_.get_future().wait();
    struct flock exclusive = Whole(F_WRLCK);
    ASSERT_EQ(::fcntl(file_.get(), F_OFD_SETLKW, &exclusive), 0) << "the server has closed it";
  }

  void ServeFile(bool may_be_punched) {
    Serve([this, may_be_punched](const ServerRequest&) {
      ServerResponse response;
      const std::string name = "/proc/self/fd/" + std::to_string(file_.get());
      UniqueFd opened(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
      struct flock shared = Whole(F_RDLCK);
      EXPECT_EQ(::fcntl(opened.get(), F_OFD_SETLK, &shared), 0);
      response.file = FileRegion{std::move(opened), kBegin, kSize, may_be_punched};
      locked_.set_value();
      return response;
    });
  }

  static struct flock Whole(short type) {
    struct flock all {};
    all.l_type = type;
    all.l_whence = SEEK_SET;
    return all;
  }

  UniqueFd file_{::memfd_create("test", MFD_CLOEXEC)};
  std::promise<void> locked_;
};

TEST_F(SentFileTest, IsNotChangedByAHoleThatIsPunchedBeforeTheClientReadsIt) {
  ServeFile(true);
  auto client = Connect();
  SendAll(client);
  ASSERT_EQ(::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kBegin, kSize), 0);
  EXPECT_TRUE(client.Receive().body == std::string(kSize, 'x'));
}

// What is sent without a copy still shares its pages with the file.
TEST_F(SentFileTest, IsNotCopiedWhereNothingIsPunched) {
  ServeFile(false);
  auto client = Connect();
  SendAll(client);
  ASSERT_TRUE(WriteAt(file_.get(), 0, AsBytes(std::string(12'000, 'y'))));
  EXPECT_TRUE(client.Receive().body == std::string(kSize, 'y'));
}

TEST_F(HttpServerTest, ClientsThatLeaveInTheMiddleOfAFileEndNothing) {
  UniqueFd file(::memfd_create("test", MFD_CLOEXEC));
  constexpr std::uint64_t kSize = 8'000'000;
  ASSERT_EQ(::ftruncate(file.get(), kSize), 0);
  Serve([&](const ServerRequest&) {
    ServerResponse response;
    response.file = FileRegion{UniqueFd(::dup(file.get())), 0, kSize};
    return response;
  });
  for (int i = 0; i < 50; ++i) {
    auto client = Connect();
    client.Send(Request("/x"));
  }
  EXPECT_EQ(Connect().Ask(Request("/x")).body.size(), kSize);
}

TEST_F(HttpServerTest, OnePreparedAnswerServesManyThreads) {
  const auto prepared = std::make_shared<const PreparedResponse>(
      200, std::vector<HttpHeader>{{"X-A", "b"}}, std::string(10'000, 'x'));
  Serve([&](const ServerRequest&) {
    ServerResponse response;
    response.prepared = prepared;
    return response;
  });
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      auto client = Connect();
      for (int i = 0; i < 200; ++i) {
        const auto answer = client.Ask(Request("/x"));
        good += answer.body.size() == 10'000 && answer.Header("X-A") == "b" ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(good, 800);
}

TEST_F(HttpServerTest, HoldsManyIdleConnections) {
  ServeEcho();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 400; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
    ASSERT_EQ(clients.back()->Ask(Request("/a")).status, 200);
  }
  EXPECT_EQ(server_->connections(), 400U);
  for (auto& client : clients) {
    ASSERT_EQ(client->Ask(Request("/b")).body, "/b");
  }
}

// libmicrohttpd takes 128 events at a time, and after exactly so many waits for more before it
// looks at the first: what came at once lay until somebody else did something, or for the idle
// timeout.
TEST_F(HttpServerTest, RequestsThatComeAllAtOnceDoNotWaitForOthersHoweverManyTheyAre) {
  constexpr auto kPatience = std::chrono::seconds(10);
  std::promise<void> inside;
  std::promise<void> go_on;
  const auto wait = go_on.get_future().share();
  HttpServerOptions options;
  options.threads = 1;
  options.idle_timeout = std::chrono::seconds(60);
  Serve(
      [&](const ServerRequest& request) {
        if (request.path() == "/hold") {
          inside.set_value();
          wait.wait();
        }
        return TextResponse(200, std::string(request.path()));
      },
      options);
  auto holder = Connect();
  ASSERT_EQ(holder.Ask(Request("/x")).status, 200);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 128; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
    ASSERT_EQ(clients.back()->Ask(Request("/x")).status, 200);
  }
  holder.Send(Request("/hold"));
  inside.get_future().wait();
  for (auto& client : clients) {
    client->Send(Request("/y"));
  }
  const auto begun = std::chrono::steady_clock::now();
  go_on.set_value();
  for (auto& client : clients) {
    ASSERT_EQ(client->Receive().body, "/y");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, kPatience);
}

TEST_F(HttpServerTest, G1AHeadBeyondItsLimitIsRefused) {
  ServeEcho();
  const auto url = Connect().Ask(Request("/" + std::string(64 * 1024, 'a')));
  EXPECT_TRUE(url.status == 414 || url.status == 400 || url.status == 431) << url.status;
  auto client = Connect();
  const auto header = client.Ask(Request("/x", "X: " + std::string(64 * 1024, 'a') + "\r\n"));
  EXPECT_TRUE(header.status == 431 || header.status == 400 || header.status == 413)
      << header.status;
}

TEST_F(HttpServerTest, G1GarbageIsRefusedAndHarmless) {
  ServeEcho();
  for (const std::string& bytes :
       {std::string("\r\n\r\n\r\n"), std::string("\0\0\0\0\r\n\r\n", 8), std::string("GET\r\n\r\n"),
        std::string("GET /x\r\n\r\n"), std::string("GET /x HTTP/9\r\n\r\n"),
        std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        std::string("GET /x HTTP/1.1\r\nHost test\r\n: x\r\n\r\n")}) {
    auto client = Connect();
    client.Send(bytes);
    client.Send("Connection: close\r\n\r\n");
  }
  EXPECT_EQ(Connect().Ask(Request("/x")).status, 200);
}

TEST_F(HttpServerTest, AConnectionThatNeverFinishesItsHeadIsClosed) {
  HttpServerOptions options;
  options.idle_timeout = std::chrono::seconds(1);
  ServeEcho(options);
  auto client = Connect();
  client.Send("GET /x HTTP/1.1\r\nHost: ");
  EXPECT_TRUE(client.ClosedWithin(10'000));
}

TEST_F(HttpServerTest, StopLetsAnAnswerOnItsWayEnd) {
  std::promise<void> inside;
  std::promise<void> go_on;
  auto wait = go_on.get_future().share();
  Serve([&](const ServerRequest&) {
    inside.set_value();
    wait.wait();
    return TextResponse(200, "whole");
  });
  auto client = Connect();
  client.Send(Request("/x"));
  inside.get_future().get();
  std::thread stopper([this] { server_->Stop(); });
  go_on.set_value();
  EXPECT_EQ(client.Receive().body, "whole");
  stopper.join();
  EXPECT_TRUE(client.ClosedWithin(10'000));
}

TEST_F(HttpServerTest, StopsTwiceAndWithOpenConnections) {
  ServeEcho();
  auto idle = Connect();
  ASSERT_EQ(idle.Ask(Request("/x")).status, 200);
  server_->Stop();
  server_->Stop();
  EXPECT_TRUE(idle.ClosedWithin(10'000));
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  for (const std::string listen : {"", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
                                   "127.0.0.1:99999", "::1:8080", "[::1]", "[]:80"}) {
    HttpServerOptions options;
    options.listen = listen;
    const auto server = HttpServer::Start(options, nullptr);
    ASSERT_FALSE(server) << listen;
    EXPECT_EQ(server.error().code, ErrorCode::kInvalidArgument) << listen;
  }
  ServeEcho();
  HttpServerOptions taken;
  taken.listen = server_->address();
  const auto second = HttpServer::Start(taken, nullptr);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find(server_->address()), std::string::npos);
}

TEST_F(HttpServerTest, TheMetricsEndpointSaysHealthAndNothingElse) {
  MetricsRegistry metrics;
  metrics.Counter("test_things_total", "Things").Add(3);
  auto endpoint = MetricsEndpoint::Start("127.0.0.1:0", metrics, [] {
    return std::vector<ReadyItem>{{.name = "disk"}, {.name = "database", .reason = "no"}};
  });
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  const auto address = (*endpoint)->address();
  RawClient client(std::stoi(address.substr(address.rfind(':') + 1)));
  EXPECT_NE(client.Ask(Request("/metrics")).body.find("test_things_total 3"), std::string::npos);
  EXPECT_EQ(client.Ask(Request("/healthz")).status, 200);
  const auto ready = client.Ask(Request("/readyz"));
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(ready.body,
            "{\"status\":\"not ready\",\"checks\":["
            "{\"name\":\"disk\",\"ready\":true,\"reason\":\"\"},"
            "{\"name\":\"database\",\"ready\":false,\"reason\":\"no\"}]}\n");
  EXPECT_EQ(client.Ask(Request("/x")).status, 404);
}

}  // namespace
}  // namespace hnx::http
