// Lists whose client goes in the middle: a part of a list is never taken for the whole.
#include <chrono>
#include <memory>
#include <string>

#include <grpcpp/support/sync_stream.h>
#include <gtest/gtest.h>

#include "access_rig.h"
#include "hypercore_nixos/v1/coordinator.grpc.pb.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

namespace pb = hypercore_nixos::v1;

// More than are held back before they are stored.
constexpr int kPaths = 20'000;

class ListSubmissionTest : public testing::Test {
 protected:
  struct Call {
    std::unique_ptr<grpc::ClientContext> context = rpc::MakeContext(std::chrono::minutes(1));
    pb::SubmitResponse response;
    std::unique_ptr<grpc::ClientWriter<pb::SubmitRequest>> writer;

    grpc::Status End() {
      writer->WritesDone();
      return writer->Finish();
    }
  };

  // `has_end`: by a client that marks the list's end, as ours do since 0.2.0.
  std::unique_ptr<Call> Begin(bool has_end) {
    auto call = std::make_unique<Call>();
    call->writer = stub_->Submit(call->context.get(), &call->response);
    pb::SubmitRequest request;
    request.mutable_submission()->set_list_name("list");
    request.mutable_submission()->set_plan_only(true);
    request.mutable_submission()->set_marks_end_of_list(has_end);
    EXPECT_TRUE(call->writer->Write(request));
    return call;
  }

  static void Send(Call& call, int paths, bool end_of_list = false) {
    pb::SubmitRequest request;
    std::string& list = *request.mutable_store_paths();
    for (int i = 0; i < paths; ++i) {
      list += "/nix/store/" + std::string(27, '0') + std::to_string(10'000 + i) + "-path\n";
    }
    request.set_end_of_list(end_of_list);
    EXPECT_TRUE(call.writer->Write(request));
  }

  int Releases(const std::string& condition) {
    return std::stoi(
        Sql(coordinator_.database(), "SELECT count(*) FROM release WHERE " + condition));
  }

  // A part of the list has come to the database, and no more comes.
  std::unique_ptr<Call> SendPart(bool has_end) {
    auto call = Begin(has_end);
    Send(*call, kPaths);
    WaitUntil("a part of the list is stored", [&] {
      return Releases("EXISTS (SELECT FROM release_path WHERE release_id = id)") == 1;
    });
    return call;
  }

  void ExpectNothingIsLeft() {
    WaitUntil("the part is forgotten", [&] { return Releases("true") == 0; });
  }

  Scratch scratch_;
  Coordinator coordinator_{scratch_, {}};
  std::shared_ptr<const rpc::ClientCredentials> credentials_ =
      *rpc::ClientCredentials::Make({}, {coordinator_.endpoint()});
  std::unique_ptr<pb::Coordinator::Stub> stub_ =
      pb::Coordinator::NewStub(rpc::MakeChannel(coordinator_.endpoint(), *credentials_));
};

TEST_F(ListSubmissionTest, OfAClientThatIsCancelledLeavesNothing) {
  for (int i = 0; i < 3; ++i) {
    const auto call = SendPart(true);
    call->context->TryCancel();
    EXPECT_EQ(call->writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
    ExpectNothingIsLeft();
  }
}

TEST_F(ListSubmissionTest, ThatEndsWithoutItsMarkLeavesNothing) {
  const auto call = SendPart(true);
  const grpc::Status status = call->End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_NE(status.error_message().find("nothing was submitted"), std::string::npos)
      << status.error_message();
  ExpectNothingIsLeft();
}

TEST_F(ListSubmissionTest, ThatGoesOnAfterItsMarkLeavesNothing) {
  const auto call = Begin(true);
  Send(*call, 1, true);
  Send(*call, 2);
  EXPECT_EQ(call->End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  ExpectNothingIsLeft();
}

TEST_F(ListSubmissionTest, WithItsMarkIsTheWholeList) {
  const auto call = SendPart(true);
  Send(*call, 0, true);
  const grpc::Status status = call->End();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(Releases("name <> ''"), 1);
}

// Clients of 0.1.0.
TEST_F(ListSubmissionTest, OfAClientThatMarksNothingEndsWithItsStream) {
  const auto call = SendPart(false);
  const grpc::Status status = call->End();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(Releases("name <> ''"), 1);
}

}  // namespace
}  // namespace hnx::test
