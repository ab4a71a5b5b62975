// Who may make which call: each method by each kind of caller against a real coordinator. What is
// expected is written out here by hand, not taken from the policy.
#include <set>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "access_rig.h"
#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::test {
namespace {

namespace pb = hypercore_nixos::v1;

struct Row {
  const char* method;
  std::string_view allowed;  // a column for each of kColumns: x, or . for refused
};

constexpr const char* kColumns[] = {"viewer-vera", "operator-olga", "gateway-g1", "worker-w1",
                                    "index-i1"};
constexpr Row kMatrix[] = {
    {"/hypercore_nixos.v1.WorkerGateway/Synchronize", "...xx"},
    {"/hypercore_nixos.v1.WorkerGateway/ReadPublishBatch", "....x"},
    {"/hypercore_nixos.v1.WorkerGateway/ReportScrub", "...xx"},
    {"/hypercore_nixos.v1.WorkerGateway/ListShardFiles", "...xx"},
    {"/hypercore_nixos.v1.Coordinator/Submit", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/GetRelease", "xx..."},
    {"/hypercore_nixos.v1.Coordinator/GetStatus", "xx..."},
    {"/hypercore_nixos.v1.Coordinator/WatchProgress", "xx..."},
    {"/hypercore_nixos.v1.Coordinator/ListFailures", "xx..."},
    {"/hypercore_nixos.v1.Coordinator/Why", "xx..."},
    {"/hypercore_nixos.v1.Coordinator/ListAudit", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/Pause", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/Resume", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/Cancel", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/Retry", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/Ignore", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/SetPriority", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/Drain", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/ForgetWorker", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/ListDrives", "xx..."},
    {"/hypercore_nixos.v1.Coordinator/GetJobs", "xx..."},
    {"/hypercore_nixos.v1.Coordinator/Scrub", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/ListReleases", "xx..."},
    {"/hypercore_nixos.v1.Coordinator/DiffReleases", "xx..."},
    {"/hypercore_nixos.v1.Coordinator/ReadReleaseFile", "xx..."},
    {"/hypercore_nixos.v1.Coordinator/PinRelease", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/FollowChannels", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/UnfollowChannels", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/SetRetention", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/CollectGarbage", ".x..."},
    {"/hypercore_nixos.v1.Coordinator/ReportHits", "..x.."},
};

class MatrixTest : public testing::Test {
 protected:
  MatrixTest() {
    MakeCertificates(
        ours_, {"--coordinator", "127.0.0.1", "--viewer", "vera", "--operator", "olga", "--gateway",
                "g1", "--worker", "w1", "--index", "i1", "--days", "-1", "--operator", "late"});
    MakeCertificates(theirs_, {"--operator", "olga"});
    coordinator_ = std::make_unique<Coordinator>(scratch_, TlsFlags(Files(ours_, "coordinator")));
  }

  // Refused before any call: by the handshake.
  void ExpectNoEntry(const std::string& who, const access::ClientAccess& access) {
    Client client(coordinator_->endpoint(), access);
    for (const Row& row : kMatrix) {
      const grpc::Status status = client.Call(row.method);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE)
          << who << " " << row.method << ": " << status.error_message();
    }
  }

  Scratch scratch_;
  const std::filesystem::path ours_ = scratch_ / "ours";
  const std::filesystem::path theirs_ = scratch_ / "theirs";
  std::unique_ptr<Coordinator> coordinator_;
};

TEST_F(MatrixTest, NamesEachMethodOfEachService) {
  std::set<std::string> here;
  for (const Row& row : kMatrix) {
    here.insert(row.method);
  }
  std::set<std::string> there;
  const auto* file = pb::Status::descriptor()->file();
  for (int s = 0; s < file->service_count(); ++s) {
    for (int m = 0; m < file->service(s)->method_count(); ++m) {
      there.insert("/" + file->service(s)->full_name() + "/" + file->service(s)->method(m)->name());
    }
  }
  EXPECT_EQ(here, there);
}

TEST_F(MatrixTest, LetsEachRoleMakeItsCallsAndNoOthers) {
  for (std::size_t column = 0; column < std::size(kColumns); ++column) {
    Client client(coordinator_->endpoint(), As(ours_, kColumns[column]));
    for (const Row& row : kMatrix) {
      const grpc::Status status = client.Call(row.method);
      const std::string what = std::string(kColumns[column]) + " " + row.method + ": " +
                               std::to_string(status.error_code()) + " " + status.error_message();
      if (row.allowed[column] == 'x') {
        // An empty request is often wrong in itself.
        EXPECT_NE(status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << what;
        EXPECT_NE(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << what;
        // Of ReportScrub: a worker of that id was never heard of; so its handler was asked.
        const bool answered = what.ends_with("has not called so far");
        EXPECT_TRUE(answered || status.error_code() != grpc::StatusCode::UNAVAILABLE) << what;
        EXPECT_NE(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << what;
      } else {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << what;
        EXPECT_NE(status.error_message().find(" is for "), std::string::npos) << what;
      }
    }
  }
}

TEST_F(MatrixTest, LetsNobodyInWithoutCredentials) {
  ExpectNoEntry("plain text", {});
  access::ClientAccess no_certificate;
  no_certificate.tls.ca = Files(ours_, "").ca;
  ExpectNoEntry("no certificate", no_certificate);
}

TEST_F(MatrixTest, LetsNobodyInWithAnExpiredCertificate) {
  ExpectNoEntry("expired", As(ours_, "operator-late"));
}

TEST_F(MatrixTest, LetsNobodyInFromAnotherAuthority) {
  access::ClientAccess stranger = As(theirs_, "operator-olga");
  stranger.tls.ca = Files(ours_, "").ca;
  ExpectNoEntry("wrong authority", stranger);
}

TEST_F(MatrixTest, RefusesACertificateWithoutARole) {
  Client client(coordinator_->endpoint(), As(ours_, "coordinator"));
  for (const Row& row : kMatrix) {
    EXPECT_EQ(client.Call(row.method).error_code(), grpc::StatusCode::UNAUTHENTICATED)
        << row.method;
  }
}

TEST_F(MatrixTest, RefusesAMethodThatThereIsNot) {
  Client client(coordinator_->endpoint(), As(ours_, "operator-olga"));
  EXPECT_EQ(client.Call("/hypercore_nixos.v1.Coordinator/DoAsISay").error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(
      client.Call("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo").error_code(),
      grpc::StatusCode::PERMISSION_DENIED);
}

}  // namespace
}  // namespace hnx::test
