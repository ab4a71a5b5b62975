// Broken downloads that go on: H8 and H11 to H14 of the bad-response catalogue.
#include "http/resuming_download.h"

#include "client_fixture.h"

namespace hnx::http {
namespace {

using std::chrono::milliseconds;
using test::Answer;
using test::File;
using test::Truncated;

class RecordingSink final : public DownloadSink {
 public:
  Result<void> OnObject(std::optional<std::uint64_t> size_bytes) override {
    sizes.push_back(size_bytes);
    return {};
  }
  Result<void> OnRestart() override {
    body.clear();
    ++restarts;
    return {};
  }
  Result<DataVerdict> OnData(ByteView chunk) override {
    body.append(AsText(chunk));
    return on_data ? on_data() : Result<DataVerdict>(DataVerdict::kContinue);
  }
  void OnDone(DownloadOutcome outcome) override { done_.set_value(std::move(outcome)); }

  DownloadOutcome Outcome() { return done_.get_future().get(); }

  std::function<Result<DataVerdict>()> on_data;
  std::string body;
  int restarts = 0;
  std::vector<std::optional<std::uint64_t>> sizes;

 private:
  std::promise<DownloadOutcome> done_;
};

class ResumingDownloadTest : public ClientTest {
 protected:
  static DownloadRequest Request(const std::string& url) {
    DownloadRequest request;
    request.url = url;
    request.body_size_max = 100'000'000;
    request.retry.base = milliseconds(1);
    request.retry.cap = milliseconds(5);
    return request;
  }
  // Downloads /x from the handlers given and expects the body whole.
  DownloadOutcome Download(std::vector<test::FaultHandler> handlers) {
    server_.Serve("/x", std::move(handlers));
    sink_ = std::make_shared<RecordingSink>();
    ResumingDownload::Start(client(), Request(server_.Url("/x")), sink_);
    return sink_->Outcome();
  }
  void ExpectWhole(const DownloadOutcome& outcome, const std::string& body) {
    ASSERT_FALSE(outcome.failure) << outcome.failure->message;
    EXPECT_EQ(sink_->body.size(), body.size());
    EXPECT_TRUE(sink_->body == body);
    EXPECT_EQ(outcome.body_bytes, body.size());
  }
  std::string RangeOfRequest(std::size_t index) {
    return server_.Requests("/x").at(index).Header("range");
  }

  std::shared_ptr<RecordingSink> sink_;
  const std::string body_ = Noise(300'000);
};

TEST_F(ResumingDownloadTest, BringsAHealthyObjectInOneRequest) {
  ExpectWhole(Download({File(body_)}), body_);
  EXPECT_EQ(server_.Count("/x"), 1);
  EXPECT_EQ(sink_->sizes, std::vector<std::optional<std::uint64_t>>{body_.size()});
}

TEST_F(ResumingDownloadTest, H8GoesOnWhereTheConnectionBroke) {
  const auto outcome =
      Download({Truncated(body_, 100'000), test::ResetAfter(body_, 50'000), File(body_)});
  ExpectWhole(outcome, body_);
  EXPECT_EQ(outcome.restarts, 0);
  EXPECT_EQ(outcome.attempts, 3);
  EXPECT_EQ(RangeOfRequest(1), "bytes=100000-");
  EXPECT_EQ(server_.Requests("/x").at(1).Header("if-range"), "\"v1\"");
}

TEST_F(ResumingDownloadTest, H8SurvivesManyBreaksAsLongAsBytesCome) {
  std::vector<test::FaultHandler> handlers(20, Truncated(body_, 10'000));
  handlers.push_back(File(body_));
  const auto outcome = Download(std::move(handlers));
  ExpectWhole(outcome, body_);
  EXPECT_EQ(outcome.received_bytes, body_.size());
}

TEST_F(ResumingDownloadTest, H8GivesUpWhenNothingComesAnyMore) {
  const auto outcome = Download({Truncated(body_, 1000), Truncated(body_, 0)});
  ASSERT_TRUE(outcome.failure);
  EXPECT_EQ(outcome.failure->code, ErrorCode::kUnavailable);
  EXPECT_EQ(outcome.attempts, 6);  // the first and five in vain
}

TEST_F(ResumingDownloadTest, H8GivesUpOnAServerThatBreaksForEver) {
  server_.Serve("/x", {Truncated(body_, 1)});
  auto request = Request(server_.Url("/x"));
  request.resumes_max = 10;
  sink_ = std::make_shared<RecordingSink>();
  ResumingDownload::Start(client(), request, sink_);
  EXPECT_TRUE(sink_->Outcome().failure);
  EXPECT_EQ(server_.Count("/x"), 11);
}

TEST_F(ResumingDownloadTest, H5RetriesServerErrorsBeforeAndWithinAnObject) {
  ExpectWhole(Download({Answer(500, ""), Truncated(body_, 1000), Answer(502, ""), File(body_)}),
              body_);
}

TEST_F(ResumingDownloadTest, H1AndH4EndTheDownloadForTheCallerToDecide) {
  auto outcome = Download({Answer(404, "")});
  EXPECT_EQ(outcome.failure->code, ErrorCode::kNotFound);
  EXPECT_EQ(outcome.attempts, 1);
  outcome = Download({Answer(503, "", {{"Retry-After", "9"}})});
  EXPECT_EQ(outcome.failure->retry_after, std::chrono::seconds(9));
  EXPECT_EQ(outcome.attempts, 1);
}

TEST_F(ResumingDownloadTest, H11ARangeThatIsIgnoredStartsTheObjectAgain) {
  const auto outcome = Download({Truncated(body_, 100'000), Answer(200, body_)});
  ExpectWhole(outcome, body_);
  EXPECT_EQ(sink_->restarts, 1);
}

TEST_F(ResumingDownloadTest, H12AWrongContentRangeStartsTheObjectAgain) {
  const std::vector<test::HeaderList> wrong = {
      {{"Content-Range", "bytes 0-9/300000"}, {"ETag", "\"v1\""}},
      {{"Content-Range", "bytes 100000-100009/300001"}, {"ETag", "\"v1\""}},
      {{"Content-Range", "bytes 99999-100008/300000"}, {"ETag", "\"v1\""}},
      {{"Content-Range", "nonsense"}, {"ETag", "\"v1\""}},
      {{"ETag", "\"v1\""}},
      {{"Content-Type", "multipart/byteranges; boundary=x"}, {"ETag", "\"v1\""}}};
  for (const auto& headers : wrong) {
    const auto outcome =
        Download({Truncated(body_, 100'000), Answer(206, "0123456789", headers), File(body_)});
    ExpectWhole(outcome, body_);
    EXPECT_EQ(outcome.restarts, 1);
  }
}

TEST_F(ResumingDownloadTest, H13BehindTheExactEndTheObjectIsWhole) {
  // Without a length the break behind the last byte looks like any other.
  const test::FaultHandler unsized = [this](const auto&, test::FaultConnection& connection) {
    connection.Send(
        "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n" + body_ +
        "\r\n");
    connection.Close();
  };
  const auto outcome = Download({unsized, File(body_)});
  ExpectWhole(outcome, body_);
  EXPECT_EQ(RangeOfRequest(1), "bytes=300000-");
  EXPECT_EQ(outcome.restarts, 0);
}

TEST_F(ResumingDownloadTest, H13BehindAnotherEndTheObjectStartsAgain) {
  const auto outcome = Download(
      {Truncated(body_, 100'000), Answer(416, "", {{"Content-Range", "bytes */5"}}), File(body_)});
  ExpectWhole(outcome, body_);
  EXPECT_EQ(outcome.restarts, 1);
}

TEST_F(ResumingDownloadTest, H14AnotherVersionStartsTheObjectAgain) {
  const std::string newer = Noise(300'001);
  const auto outcome = Download({Truncated(body_, 100'000), File(newer, "\"v2\"")});
  ExpectWhole(outcome, newer);
  EXPECT_EQ(sink_->restarts, 1);
  EXPECT_EQ(outcome.etag, "\"v2\"");
}

TEST_F(ResumingDownloadTest, H14AServerThatIgnoresIfRangeIsFoundOutByItsETag) {
  const test::FaultHandler ignoring =
      Answer(206, std::string(200'000, 'x'),
             {{"Content-Range", "bytes 100000-299999/300000"}, {"ETag", "\"v2\""}});
  const auto outcome = Download({Truncated(body_, 100'000), ignoring, File(body_, "\"v2\"")});
  ExpectWhole(outcome, body_);
  EXPECT_EQ(outcome.restarts, 1);
}

TEST_F(ResumingDownloadTest, H14LastModifiedServesWhereThereIsNoStrongETag) {
  const std::string date = "Sun, 22 Nov 2026 12:00:00 GMT";
  const test::FaultHandler first = [&](const auto&, test::FaultConnection& connection) {
    connection.Send("HTTP/1.1 200 OK\r\nLast-Modified: " + date +
                    "\r\nContent-Length: 300000\r\n\r\n" + body_.substr(0, 1000));
    connection.Close();
  };
  const test::FaultHandler rest =
      Answer(206, body_.substr(1000),
             {{"Content-Range", "bytes 1000-299999/300000"}, {"Last-Modified", date}});
  const auto outcome = Download({first, rest});
  ExpectWhole(outcome, body_);
  EXPECT_EQ(outcome.restarts, 0);
  EXPECT_EQ(server_.Requests("/x").at(1).Header("if-range"), date);
}

TEST_F(ResumingDownloadTest, H14WithoutAnyValidatorTheObjectStartsAgain) {
  const test::FaultHandler first = [&](const auto&, test::FaultConnection& connection) {
    connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + body_.substr(0, 1000));
    connection.Close();
  };
  const auto outcome = Download({first, Answer(200, body_)});
  ExpectWhole(outcome, body_);
  EXPECT_EQ(outcome.restarts, 1);
  EXPECT_EQ(RangeOfRequest(1), "");
}

TEST_F(ResumingDownloadTest, AnObjectThatChangesForEverIsGivenUp) {
  std::vector<test::FaultHandler> handlers;
  for (int i = 0; i < 10; ++i) {
    handlers.push_back(Truncated(body_, 1000, "\"v" + std::to_string(i) + "\""));
  }
  const auto outcome = Download(std::move(handlers));
  ASSERT_TRUE(outcome.failure);
  EXPECT_EQ(outcome.failure->code, ErrorCode::kUnavailable);
  EXPECT_EQ(outcome.restarts, 3);
}

TEST_F(ResumingDownloadTest, H9AnObjectBeyondItsLimitIsRefusedAlsoInParts) {
  server_.Serve("/x", {Truncated(body_, 100'000), File(body_)});
  auto request = Request(server_.Url("/x"));
  request.body_size_max = 200'000;
  sink_ = std::make_shared<RecordingSink>();
  ResumingDownload::Start(client(), request, sink_);
  const auto outcome = sink_->Outcome();
  ASSERT_TRUE(outcome.failure);
  EXPECT_EQ(outcome.failure->code, ErrorCode::kInvalidArgument);
}

TEST_F(ResumingDownloadTest, ASinksErrorEndsTheDownloadAtOnce) {
  server_.Serve("/x", {File(body_)});
  sink_ = std::make_shared<RecordingSink>();
  sink_->on_data = []() -> Result<DataVerdict> { return DataLoss("not a NAR"); };
  ResumingDownload::Start(client(), Request(server_.Url("/x")), sink_);
  const auto outcome = sink_->Outcome();
  EXPECT_EQ(outcome.failure->code, ErrorCode::kDataLoss);
  EXPECT_EQ(server_.Count("/x"), 1);
}

TEST_F(ResumingDownloadTest, APausedSinkGetsNothingFromTheNextAttemptEither) {
  server_.Serve("/x", {Truncated(body_, 1000), File(body_)});
  server_.Serve("/y", {Answer(200, "y")});
  sink_ = std::make_shared<RecordingSink>();
  std::promise<void> paused;
  sink_->on_data = [&, first = true]() mutable -> Result<DataVerdict> {
    if (std::exchange(first, false)) {
      paused.set_value();
      return DataVerdict::kPause;
    }
    return DataVerdict::kContinue;
  };
  const auto download = ResumingDownload::Start(client(), Request(server_.Url("/x")), sink_);
  paused.get_future().get();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(Get("/y"));
  }
  EXPECT_EQ(server_.Count("/x"), 1);
  download->Resume();
  ExpectWhole(sink_->Outcome(), body_);
}

TEST_F(ResumingDownloadTest, CancelEndsItWhileItRunsAndWhileItWaits) {
  server_.Serve("/x", {test::Stall("")});
  sink_ = std::make_shared<RecordingSink>();
  auto download = ResumingDownload::Start(client(), Request(server_.Url("/x")), sink_);
  download->Cancel();
  EXPECT_EQ(sink_->Outcome().failure->code, ErrorCode::kCancelled);

  server_.Serve("/y", {Truncated(body_, 1000)});
  auto request = Request(server_.Url("/y"));
  request.retry.base = request.retry.cap = std::chrono::hours(1);
  sink_ = std::make_shared<RecordingSink>();
  std::promise<void> begun;
  sink_->on_data = [&]() -> Result<DataVerdict> {
    begun.set_value();
    return DataVerdict::kContinue;
  };
  download = ResumingDownload::Start(client(), request, sink_);
  begun.get_future().get();
  download->Cancel();
  EXPECT_EQ(sink_->Outcome().failure->code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace hnx::http
