// A real gRPC server and client in one process, over the loopback.
#include "rpc/handlers.h"

#include <future>
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
      grpc::CallbackServerContext* /*context*/, const pb::ListFailuresRequest* request) override {
    return HandleServerStream<pb::Failure>(
        pool_,
        [this, count = request->release_id()](MessageWriter<pb::Failure>& out) -> Result<void> {
          for (std::uint64_t i = 0; i < count; ++i) {
            pb::Failure failure;
            failure.set_reason(std::to_string(i));
            auto written = out.Write(failure);
            if (!written.has_value()) {
              gone_.set_value(written.error());
              return written;
            }
          }
          return {};
        });
  }
  grpc::ServerReadReactor<pb::SubmitRequest>* Submit(grpc::CallbackServerContext* /*context*/,
                                                     pb::SubmitResponse* response) override {
    return HandleClientStream<pb::SubmitRequest>(
        pool_, [response](MessageReader<pb::SubmitRequest>& in) -> Result<void> {
          std::uint64_t bytes = 0;
          while (auto message = in.Read()) {
            bytes += message->store_paths().size();
          }
          response->set_release_id(bytes);
          return {};
        });
  }

  std::promise<Error> gone_;

 private:
  ThreadPool pool_{"echo", 2, 8};
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
  request.set_release_id(1'000'000'000);
  auto context = MakeContext(20s);
  auto stream = stub_->ListFailures(context.get(), request);
  pb::Failure failure;
  ASSERT_TRUE(stream->Read(&failure));
  context->TryCancel();
  EXPECT_EQ(service_.gone_.get_future().get().code, ErrorCode::kCancelled);
  (void)stream->Finish();
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
