// A real gRPC server and client in one process, over the loopback.
#include "rpc/handlers.h"

#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "hypercore_nixos/v1/coordinator.grpc.pb.h"
#include "rpc/channel.h"
#include "rpc/server.h"

namespace hnx::rpc {
namespace {

using namespace std::chrono_literals;
namespace pb = hypercore_nixos::v1;

constexpr std::size_t kStreams = 2;
constexpr std::chrono::milliseconds kStalled{300};
constexpr std::uint64_t kEndless = 1'000'000'000;
constexpr std::size_t kLongBytes = std::size_t{64} << 10;

class EchoService final : public pb::Coordinator::CallbackService {
 public:
  grpc::ServerUnaryReactor* GetRelease(grpc::CallbackServerContext* context,
                                       const pb::GetReleaseRequest* request,
                                       pb::Release* response) override {
    return HandleUnary(pool_, context, [=]() -> Result<void> {
      if (request->release_id() == 0) {
        return NotFound("no release yet");
      }
      response->set_id(request->release_id());
      return {};
    });
  }
  grpc::ServerWriteReactor<pb::Failure>* ListFailures(
      grpc::CallbackServerContext* context, const pb::ListFailuresRequest* request) override {
    return HandleServerStream<pb::Failure>(
        streams_, context,
        [this, count = request->release_id()](MessageWriter<pb::Failure>& out) -> Result<void> {
          for (std::uint64_t i = 0; i < count; ++i) {
            pb::Failure failure;
            failure.set_reason(std::to_string(i));
            if (count == kEndless) {
              failure.set_message(std::string(kLongBytes, 'x'));  // so that windows are full soon
            }
            auto written = out.Write(failure);
            if (!written.has_value()) {
              MutexLock lock(mutex_);
              gone_.push_back(written.error());
              changed_.NotifyAll();
              return written;
            }
          }
          return {};
        });
  }
  grpc::ServerReadReactor<pb::SubmitRequest>* Submit(grpc::CallbackServerContext* context,
                                                     pb::SubmitResponse* response) override {
    return HandleClientStream<pb::SubmitRequest>(
        streams_, context, [response](MessageReader<pb::SubmitRequest>& in) -> Result<void> {
          std::uint64_t bytes = 0;
          while (auto message = in.Read()) {
            bytes += message->store_paths().size();
          }
          response->set_release_id(bytes);
          return {};
        });
  }

  // What the writer of a stream whose client has gone was told.
  Error Gone() HNX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (gone_.empty()) {
      changed_.Wait(mutex_);
    }
    Error error = gone_.front();
    gone_.erase(gone_.begin());
    return error;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<Error> gone_ HNX_GUARDED_BY(mutex_);
  ThreadPool pool_{"echo", 2, 8};
  StreamPool streams_{"streams", kStreams, kStalled};
};

class HandlersTest : public testing::Test {
 protected:
  EchoService service_;
  std::unique_ptr<Server> server_ = *Server::Start("127.0.0.1:0", {&service_});
  std::unique_ptr<pb::Coordinator::Stub> stub_ = pb::Coordinator::NewStub(
      MakeChannel("127.0.0.1:" + std::to_string(server_->port()), *ClientCredentials::Plain()));
};

TEST_F(HandlersTest, AnswersAUnaryCall) {
  pb::GetReleaseRequest request;
  request.set_release_id(7);
  pb::Release release;
  const auto status = stub_->GetRelease(MakeContext(10s).get(), request, &release);
  ASSERT_TRUE(status.ok()) << FromGrpcStatus(status).ToString();
  EXPECT_EQ(release.id(), 7U);
}

TEST_F(HandlersTest, AnErrorArrivesWithItsCodeAndMessage) {
  pb::Release release;
  const auto status = stub_->GetRelease(MakeContext(10s).get(), {}, &release);
  EXPECT_EQ(FromGrpcStatus(status).ToString(), "NOT_FOUND: no release yet");
}

TEST_F(HandlersTest, StreamsToTheClientInOrder) {
  pb::ListFailuresRequest request;
  request.set_release_id(1000);
  auto context = MakeContext(20s);
  auto stream = stub_->ListFailures(context.get(), request);
  pb::Failure failure;
  std::uint64_t seen = 0;
  while (stream->Read(&failure)) {
    ASSERT_EQ(failure.reason(), std::to_string(seen++));
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(seen, 1000U);
}

TEST_F(HandlersTest, AClientThatLeavesEndsTheStream) {
  pb::ListFailuresRequest request;
  request.set_release_id(kEndless);
  auto context = MakeContext(20s);
  auto stream = stub_->ListFailures(context.get(), request);
  pb::Failure failure;
  ASSERT_TRUE(stream->Read(&failure));
  context->TryCancel();
  EXPECT_EQ(service_.Gone().code, ErrorCode::kCancelled);
  (void)stream->Finish();
}

// A stream that its client begins, and reads nothing of any more.
struct Stalled {
  explicit Stalled(pb::Coordinator::Stub& stub) {
    pb::ListFailuresRequest request;
    request.set_release_id(kEndless);
    stream = stub.ListFailures(context.get(), request);
    pb::Failure failure;
    began = stream->Read(&failure);
  }
  ~Stalled() {
    context->TryCancel();
    pb::Failure failure;
    while (stream->Read(&failure)) {
    }
    (void)stream->Finish();
  }
  Stalled(const Stalled&) = delete;
  Stalled& operator=(const Stalled&) = delete;
  Stalled(Stalled&&) = delete;
  Stalled& operator=(Stalled&&) = delete;

  std::unique_ptr<grpc::ClientContext> context = MakeContext(60s);
  std::unique_ptr<grpc::ClientReader<pb::Failure>> stream;
  bool began = false;
};

TEST_F(HandlersTest, ANewcomerGetsThePlaceOfAStreamWhoseClientTakesNothing) {
  Stalled first(*stub_);
  ASSERT_TRUE(first.began);
  Stalled second(*stub_);
  ASSERT_TRUE(second.began);
  pb::ListFailuresRequest request;
  request.set_release_id(3);
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  // Refused until one of them has stalled for long enough.
  grpc::Status status;
  do {
    auto context = MakeContext(20s);
    auto stream = stub_->ListFailures(context.get(), request);
    pb::Failure failure;
    while (stream->Read(&failure)) {
    }
    status = stream->Finish();
    if (!status.ok()) {
      ASSERT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    }
  } while (!status.ok() && std::chrono::steady_clock::now() < deadline);
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(service_.Gone().code, ErrorCode::kCancelled);
}

TEST_F(HandlersTest, AClientThatSendsNothingMakesRoomToo) {
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<pb::SubmitResponse> responses(kStreams);
  std::vector<std::unique_ptr<grpc::ClientWriter<pb::SubmitRequest>>> silent;
  for (pb::SubmitResponse& response : responses) {
    contexts.push_back(MakeContext(60s));
    silent.push_back(stub_->Submit(contexts.back().get(), &response));
    pb::SubmitRequest begins;
    begins.set_store_paths("1");
    ASSERT_TRUE(silent.back()->Write(begins));
  }
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  grpc::Status status;
  do {
    pb::SubmitResponse response;
    auto context = MakeContext(20s);
    auto stream = stub_->Submit(context.get(), &response);
    stream->WritesDone();
    status = stream->Finish();
  } while (!status.ok() && std::chrono::steady_clock::now() < deadline);
  EXPECT_TRUE(status.ok()) << status.error_message();
  for (auto& context : contexts) {
    context->TryCancel();
  }
  for (auto& stream : silent) {
    EXPECT_FALSE(stream->Finish().ok());
  }
}

TEST_F(HandlersTest, StreamsFromTheClient) {
  pb::SubmitResponse response;
  auto context = MakeContext(20s);
  auto stream = stub_->Submit(context.get(), &response);
  for (int i = 0; i < 100; ++i) {
    pb::SubmitRequest request;
    request.set_store_paths("12345");
    ASSERT_TRUE(stream->Write(request));
  }
  stream->WritesDone();
  ASSERT_TRUE(stream->Finish().ok());
  EXPECT_EQ(response.release_id(), 500U);
}

TEST_F(HandlersTest, ACallWithoutAServerEndsAtItsDeadline) {
  server_->Stop(0ms);
  pb::Release release;
  const auto status = stub_->GetRelease(MakeContext(200ms).get(), {}, &release);
  EXPECT_FALSE(status.ok());
}

TEST_F(HandlersTest, ASecondServerOnThePortIsRefused) {
  EchoService other;
  const auto second = Server::Start("127.0.0.1:" + std::to_string(server_->port()), {&other});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace hnx::rpc
