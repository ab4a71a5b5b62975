// The bad-response catalogue, H1 to H26, as far as one transfer is concerned. Resuming (H8, H11 to
// H14) is in resuming_download_test.cc, redirects (H18) in redirect_test.cc. H27 and H28 are rules
// of storage and scheduling and have no part here.
#include <netinet/in.h>
#include <sys/socket.h>

#include "client_fixture.h"

namespace hnx::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Answer;
using test::File;
using test::Raw;
using test::Stall;

class HttpFaultsTest : public ClientTest {
 protected:
  HttpFailure FailureOfStatus(int status, test::HeaderList headers = {}) {
    server_.Serve("/x", {Answer(status, "a page of words", std::move(headers))});
    return FailureOf("/x");
  }
  HttpFailure FailureOfAnswer(std::string bytes) {
    server_.Serve("/x", {Raw(std::move(bytes))});
    return FailureOf("/x");
  }
};

TEST_F(HttpFaultsTest, H1AbsentObjectsAreNotFoundAndAskedOnce) {
  for (const int status : {404, 410}) {
    const auto failure = FailureOfStatus(status);
    EXPECT_EQ(failure.code, ErrorCode::kNotFound);
    EXPECT_EQ(failure.status, status);
  }
  EXPECT_EQ(server_.Count("/x"), 2);
}

TEST_F(HttpFaultsTest, H1AnErrorPageDoesNotCostTheConnection) {
  FailureOfStatus(404);
  FailureOfStatus(500);
  server_.Serve("/x", {Answer(200, "x")});
  EXPECT_TRUE(Get("/x"));
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(HttpFaultsTest, H1AnEndlessErrorPageIsCutAndStillMeansNotFound) {
  server_.Serve("/x", {Answer(404, std::string(10'000'000, 'x'))});
  EXPECT_EQ(FailureOf("/x").code, ErrorCode::kNotFound);
}

TEST_F(HttpFaultsTest, H2ForbiddenFollowsTheConfiguredRule) {
  EXPECT_EQ(FailureOfStatus(403).code, ErrorCode::kUnavailable);
  auto options = ShortOptions();
  options.status_rules.forbidden_means_missing = true;
  Use(options);
  EXPECT_EQ(FailureOfStatus(403).code, ErrorCode::kNotFound);
}

TEST_F(HttpFaultsTest, H3RefusalsStopTheUpstream) {
  for (const int status : {400, 401, 407, 418, 451}) {
    const auto failure = FailureOfStatus(status);
    EXPECT_EQ(failure.code, ErrorCode::kFailedPrecondition) << status;
    EXPECT_EQ(failure.advice, UpstreamAdvice::kStop) << status;
  }
}

TEST_F(HttpFaultsTest, H4ThrottlingCarriesItsRetryAfter) {
  for (const int status : {429, 503}) {
    const auto failure = FailureOfStatus(status, {{"Retry-After", "7"}});
    EXPECT_EQ(failure.code, ErrorCode::kUnavailable);
    EXPECT_EQ(failure.advice, UpstreamAdvice::kSlowDown);
    EXPECT_EQ(failure.retry_after, seconds(7));
  }
  EXPECT_EQ(FailureOfStatus(503, {{"Retry-After", "1000000000"}}).retry_after, kRetryAfterMax);
  EXPECT_EQ(FailureOfStatus(503, {{"Retry-After", "-1"}}).retry_after, std::nullopt);
  EXPECT_EQ(FailureOfStatus(503, {{"Retry-After", "later"}}).retry_after, std::nullopt);
  EXPECT_EQ(FailureOfStatus(503).retry_after, std::nullopt);
}

TEST_F(HttpFaultsTest, H5ServerErrorsAreTransient) {
  for (const int status : {408, 500, 502, 504, 520, 524}) {
    EXPECT_EQ(FailureOfStatus(status).code, ErrorCode::kUnavailable) << status;
  }
}

TEST_F(HttpFaultsTest, H6MissingProtocolStopsTheUpstream) {
  for (const int status : {501, 505, 511}) {
    EXPECT_EQ(FailureOfStatus(status).advice, UpstreamAdvice::kStop) << status;
  }
}

TEST_F(HttpFaultsTest, H7StatusesThatDoNotAnswerAreRejected) {
  for (const int status : {204, 206, 304, 300, 201}) {
    EXPECT_EQ(FailureOfStatus(status).code, ErrorCode::kInvalidArgument) << status;
  }
}

TEST_F(HttpFaultsTest, H7AFewInterimResponsesAreFineAFloodIsNot) {
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
  server_.Serve("/x", {Raw(interim + interim + "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")});
  EXPECT_TRUE(Get("/x"));
  std::string flood;
  for (int i = 0; i < 10'000; ++i) {
    flood += interim;
  }
  EXPECT_EQ(FailureOfAnswer(flood).reason, HttpReason::kHeadTooLarge);
}

TEST_F(HttpFaultsTest, H8BrokenBodiesAreTruncatedAndTransient) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& bytes :
       {head, head + "abc", chunked, chunked + "5\r\nab", chunked + "zz\r\nab\r\n0\r\n\r\n",
        chunked + "3\r\nabcXX0\r\n\r\n", chunked + "3\r\nabc\r\n",
        chunked + "ffffffffffffffffff\r\nabc"}) {
    const auto failure = FailureOfAnswer(bytes);
    EXPECT_EQ(failure.code, ErrorCode::kUnavailable) << bytes;
    EXPECT_EQ(failure.reason, HttpReason::kTruncated) << bytes << failure.message;
  }
  server_.Serve("/x", {test::ResetAfter(std::string(1000, 'x'), 10)});
  EXPECT_EQ(FailureOf("/x").reason, HttpReason::kTruncated);
}

TEST_F(HttpFaultsTest, H9BytesBehindContentLengthAreCutAndTheConnectionDropped) {
  server_.Serve("/x", {[](const auto&, test::FaultConnection& connection) {
                  connection.Send(
                      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 "
                      "OK\r\nContent-Length: 4\r\n\r\nevil");
                  connection.WaitForClient();
                }});
  server_.Serve("/y", {Answer(200, "good")});
  const auto response = Get("/x");
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "abc");
  EXPECT_EQ(Get("/y")->body, "good");
}

TEST_F(HttpFaultsTest, H9BodiesBeyondTheCapAreRejected) {
  HttpRequest request;
  request.url = server_.Url("/x");
  request.body_size_max = 100;
  server_.Serve("/x", {Answer(200, std::string(100, 'x'))});
  EXPECT_TRUE(Fetch(request));
  server_.Serve("/x", {Answer(200, std::string(101, 'x'))});
  EXPECT_EQ(FailureOf(request).reason, HttpReason::kBodyTooLarge);
  server_.Serve("/x", {Raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n")});
  EXPECT_EQ(FailureOf(request).reason, HttpReason::kBodyTooLarge);
  server_.Serve("/x", {Raw("HTTP/1.1 200 OK\r\n\r\n" + std::string(1'000'000, 'x'))});
  EXPECT_EQ(FailureOf(request).reason, HttpReason::kBodyTooLarge);
  std::string chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) {
    chunks += "a\r\n0123456789\r\n";
  }
  server_.Serve("/x", {Raw(chunks + "0\r\n\r\n")});
  const auto failure = FailureOf(request);
  EXPECT_EQ(failure.reason, HttpReason::kBodyTooLarge);
  EXPECT_EQ(failure.code, ErrorCode::kInvalidArgument);
}

TEST_F(HttpFaultsTest, H10ABodyWithoutLengthEndsWithItsConnection) {
  // Whether it is whole nobody can tell here; there is no length that would say so.
  server_.Serve("/x", {Raw("HTTP/1.0 200 OK\r\n\r\npart of it")});
  const auto response = Get("/x");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "part of it");
  EXPECT_EQ(response->head.content_length, std::nullopt);
}

TEST_F(HttpFaultsTest, H12OneRangeIsNotAnsweredByAnotherOne) {
  HttpRequest request;
  request.url = server_.Url("/x");
  request.range = ByteRange{5, 9};
  for (const std::string value : {"bytes 0-4/20", "bytes 6-9/20", "bytes 5-10/20", "bytes */20", "",
                                  "bytes 5-9/7", "lines 5-9/20"}) {
    server_.Serve("/x", {Answer(206, "56789", {{"Content-Range", value}})});
    EXPECT_EQ(FailureOf(request).reason, HttpReason::kBadRange) << value;
  }
  server_.Serve("/x", {Answer(206, "567", {{"Content-Range", "bytes 5-9/20"}})});
  EXPECT_EQ(FailureOf(request).reason, HttpReason::kBadRange);
  server_.Serve("/x", {Answer(206, "--x\r\n\r\n56789\r\n--x--",
                              {{"Content-Type", "multipart/byteranges; boundary=x"},
                               {"Content-Range", "bytes 5-9/20"}})});
  EXPECT_EQ(FailureOf(request).reason, HttpReason::kBadRange);
}

TEST_F(HttpFaultsTest, H15EncodedNarsAreRefused) {
  for (const std::string encoding :
       {"gzip", "br", "zstd", "deflate", "x-unknown", "gzip, gzip", "xz"}) {
    server_.Serve("/x", {Answer(200, "body", {{"Content-Encoding", encoding}})});
    const auto failure = FailureOf("/x");
    EXPECT_EQ(failure.reason, HttpReason::kBadEncoding) << encoding;
    EXPECT_EQ(failure.code, ErrorCode::kInvalidArgument) << encoding;
  }
  server_.Serve("/x", {Answer(200, "body", {{"Content-Encoding", "identity"}})});
  EXPECT_TRUE(Get("/x"));
}

// "StorePath: x\n" repeated 100 times through gzip.
std::string GzipSample() {
  static constexpr unsigned char kBytes[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00,
                                             0x02, 0x03, 0x4b, 0x4c, 0x4a, 0x06, 0x00, 0xc2,
                                             0x41, 0x24, 0x35, 0x03, 0x00, 0x00, 0x00};
  return {reinterpret_cast<const char*>(kBytes), sizeof(kBytes)};
}

TEST_F(HttpFaultsTest, H15KnownEncodingsOfSmallFilesAreDecodedWithinTheCap) {
  HttpRequest request;
  request.url = server_.Url("/x");
  request.encoding = EncodingPolicy::kDecode;
  request.body_size_max = 100;
  server_.Serve("/x", {Answer(200, GzipSample(), {{"Content-Encoding", "gzip"}})});
  const auto response = Fetch(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "abc");
  EXPECT_EQ(server_.Requests("/x").front().Header("accept-encoding"), "identity");

  request.body_size_max = 2;
  EXPECT_EQ(FailureOf(request).reason, HttpReason::kBodyTooLarge);
  request.body_size_max = 100;
  server_.Serve("/x", {Answer(200, "not gzip at all", {{"Content-Encoding", "gzip"}})});
  EXPECT_EQ(FailureOf(request).reason, HttpReason::kBadEncoding);
  server_.Serve("/x", {Answer(200, "abc", {{"Content-Encoding", "rot13"}})});
  EXPECT_EQ(FailureOf(request).reason, HttpReason::kBadEncoding);
}

TEST_F(HttpFaultsTest, H16ALabelThatNamesTheFilesOwnCompressionIsNoEncoding) {
  const std::vector<std::pair<std::string, std::string>> labels = {
      {"/a.nar.xz", "xz"}, {"/a.nar.zst", "zstd"}, {"/a.nar.bz2", "bzip2"}};
  for (const auto& [path, label] : labels) {
    server_.Serve(path, {Answer(200, "as it is", {{"Content-Encoding", label}})});
    const auto response = Get(path);
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->body, "as it is");
  }
  server_.Serve("/a.nar.xz", {Answer(200, "", {{"Content-Encoding", "zstd"}})});
  EXPECT_EQ(FailureOf("/a.nar.xz").reason, HttpReason::kBadEncoding);
}

TEST_F(HttpFaultsTest, H17OptionalFilesComeAsSentWhateverTheirLabel) {
  HttpRequest request;
  request.url = server_.Url("/x.ls");
  request.encoding = EncodingPolicy::kKeep;
  server_.Serve("/x.ls", {Answer(200, "raw", {{"Content-Encoding", "br"}})});
  const auto response = Fetch(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "raw");
}

TEST_F(HttpFaultsTest, H19WhatIsNotHttpIsTransient) {
  for (const std::string bytes : {"<html>hello</html>", "SSH-2.0-OpenSSH_9.2\r\n", "\0\0\0\0",
                                  "HTTP/9.9 abc\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n"}) {
    EXPECT_EQ(FailureOfAnswer(bytes).code, ErrorCode::kUnavailable) << bytes;
  }
}

TEST_F(HttpFaultsTest, H20AHeadThatNeverEndsRunsIntoItsDeadline) {
  for (const std::string bytes : {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nX-A: b\r\nX-"}) {
    server_.Serve("/x", {Stall(bytes)});
    const auto failure = FailureOf("/x");
    EXPECT_EQ(failure.code, ErrorCode::kDeadlineExceeded) << bytes;
    EXPECT_EQ(failure.reason, HttpReason::kTooSlow) << bytes;
  }
}

TEST_F(HttpFaultsTest, H20AStallInTheBodyRunsIntoTheTotalDeadline) {
  auto options = ShortOptions();
  options.deadline_base = milliseconds(200);
  Use(options);
  server_.Serve("/x",
                {Stall("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + std::string(99, 'x'))});
  const auto failure = FailureOf("/x");
  EXPECT_EQ(failure.reason, HttpReason::kTooSlow);
  EXPECT_NE(failure.message.find("99 bytes"), std::string::npos) << failure.message;
}

TEST_F(HttpFaultsTest, H20ATrickleBelowTheMinimalRateIsCut) {
  auto options = ShortOptions();
  options.deadline_base = seconds(60);
  options.rate_min_bytes_per_second = 1024;
  options.rate_min_window = seconds(1);
  Use(options);
  server_.Serve("/x", {[](const auto&, test::FaultConnection& connection) {
                  connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
                  while (connection.Send("x") && connection.Pause(milliseconds(50))) {
                  }
                  connection.Close();
                }});
  EXPECT_EQ(FailureOf("/x").reason, HttpReason::kTooSlow);
}

TEST_F(HttpFaultsTest, H20AHugeHeadIsCut) {
  std::string head = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 1000; ++i) {
    head += "X-" + std::to_string(i) + ": " + std::string(1000, 'x') + "\r\n";
  }
  EXPECT_EQ(FailureOfAnswer(head + "\r\n").reason, HttpReason::kHeadTooLarge);
  EXPECT_EQ(
      FailureOfAnswer("HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n").reason,
      HttpReason::kHeadTooLarge);
}

TEST_F(HttpFaultsTest, H20AHugeHeaderLineIsTheServersFault) {
  const auto failure =
      FailureOfAnswer("HTTP/1.1 200 OK\r\nX: " + std::string(1'000'000, 'x') + "\r\n\r\n");
  EXPECT_EQ(failure.reason, HttpReason::kHeadTooLarge);
  EXPECT_EQ(failure.code, ErrorCode::kInvalidArgument) << "or it is tried again for ever";
}

TEST_F(HttpFaultsTest, H21AServerWithoutTlsIsTransient) {
  server_.ServeAll(Raw("HTTP/1.1 400 Bad Request\r\n\r\n"));
  HttpRequest request;
  request.url = "https://127.0.0.1:" + std::to_string(server_.port()) + "/x";
  auto result = Fetch(request);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code == ErrorCode::kUnavailable ||
                result.error().code == ErrorCode::kDeadlineExceeded,
            true)
      << result.error().message;
}

TEST_F(HttpFaultsTest, H22NobodyListeningAndUnknownNamesAreTransient) {
  int closed_port = 0;
  {
    test::FaultHttpServer gone;
    closed_port = gone.port();
  }
  HttpRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(closed_port) + "/x";
  auto failure = FailureOf(request);
  EXPECT_EQ(failure.code, ErrorCode::kUnavailable);
  EXPECT_EQ(failure.reason, HttpReason::kConnect);
  request.url = "http://no-such-host.invalid/x";
  failure = FailureOf(request);
  EXPECT_EQ(failure.code, ErrorCode::kUnavailable);
  EXPECT_EQ(failure.reason, HttpReason::kDns);
}

TEST_F(HttpFaultsTest, H24ARequestThatMeetsADyingConnectionIsIssuedAgain) {
  server_.Serve("/x", {[](const auto&, test::FaultConnection& connection) {
                  connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
                }});
  ASSERT_TRUE(Get("/x"));
  // The kept connection is closed by the server at the moment of the next request.
  server_.Serve("/y", {[](const auto&, test::FaultConnection& connection) { connection.Close(); },
                       Answer(200, "y")});
  const auto response = Get("/y");
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "y");
  EXPECT_EQ(server_.Count("/y"), 2);
}

TEST_F(HttpFaultsTest, H25AConnectionThatSentAWrongRangeIsNotUsedAgain) {
  HttpRequest request;
  request.url = server_.Url("/x");
  request.range = ByteRange{5, std::nullopt};
  server_.Serve(
      "/x", {Answer(206, std::string(100'000, 'x'), {{"Content-Range", "bytes 0-99999/100000"}})});
  EXPECT_EQ(FailureOf(request).reason, HttpReason::kBadRange);
  server_.Serve("/y", {Answer(200, "y")});
  EXPECT_TRUE(Get("/y"));
  EXPECT_EQ(server_.connections(), 2);
}

TEST_F(HttpFaultsTest, H26AMissingCacheInfoIsPlainlyMissing) {
  // What its lines say is the nix library's to judge.
  EXPECT_EQ(FailureOf("/nix-cache-info").code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace hnx::http
