// A worker's certificate speaks for that worker only: not for others' leases, drives or the index.
#include <gtest/gtest.h>

#include "access_rig.h"
#include "hypercore_nixos/v1/coordinator.pb.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

namespace pb = hypercore_nixos::v1;

constexpr const char* kReportScrub = "/hypercore_nixos.v1.WorkerGateway/ReportScrub";
constexpr const char* kListShardFiles = "/hypercore_nixos.v1.WorkerGateway/ListShardFiles";
constexpr auto kDenied = grpc::StatusCode::PERMISSION_DENIED;

class WorkerIdentityTest : public testing::Test {
 protected:
  WorkerIdentityTest() {
    MakeCertificates(tls_, {"--coordinator", "127.0.0.1", "--worker", "honest", "--worker",
                            "stolen", "--index", "i1", "--operator", "olga"});
    coordinator_ = std::make_unique<Coordinator>(scratch_, TlsFlags(Files(tls_, "coordinator")));
  }

  grpc::Status Call(const std::string& who, const char* method,
                    const google::protobuf::Message& request) {
    return Client(coordinator_->endpoint(), As(tls_, who))
        .Call(method, request.SerializeAsString());
  }
  std::string Database(const std::string& statement) {
    return Sql(coordinator_->database(), statement);
  }

  static pb::SynchronizeRequest Report(const std::string& worker_id, std::uint64_t sequence) {
    pb::SynchronizeRequest request;
    request.set_worker_id(worker_id);
    request.set_worker_name("w");
    request.set_incarnation(1);
    request.set_incarnation_nonce(7);
    request.set_sequence(sequence);
    request.add_roles(pb::WORKER_ROLE_MIRROR);
    return request;
  }

  Scratch scratch_;
  const std::filesystem::path tls_ = scratch_ / "tls";
  const std::string id_ = std::string(32, 'a');
  std::unique_ptr<Coordinator> coordinator_;
};

TEST_F(WorkerIdentityTest, KeepsAnotherWorkersLeaseOutOfReach) {
  ASSERT_TRUE(Call("worker-honest", kSynchronize, Report(id_, 1)).ok());
  EXPECT_EQ(Database("SELECT identity FROM worker"), "honest");
  Database("INSERT INTO job (worker_id, expires_at, bytes) VALUES ('" + id_ +
           "', now() + interval '1 hour', 1)");

  // A report that would end the lease.
  pb::SynchronizeRequest report = Report(id_, 2);
  report.set_draining(true);
  const grpc::Status refused = Call("worker-stolen", kSynchronize, report);
  EXPECT_EQ(refused.error_code(), kDenied);
  EXPECT_NE(refused.error_message().find("honest"), std::string::npos) << refused.error_message();
  pb::ScrubReport scrub;
  scrub.set_worker_id(id_);
  scrub.set_incarnation(1);
  EXPECT_EQ(Call("worker-stolen", kReportScrub, scrub).error_code(), kDenied);
  pb::ListShardFilesRequest list;
  list.set_worker_id(id_);
  list.set_key(std::string(32, 'k'));
  list.set_files_max(1);
  EXPECT_EQ(Call("worker-stolen", kListShardFiles, list).error_code(), kDenied);
  EXPECT_EQ(Database("SELECT count(*) FROM job"), "1");
  EXPECT_EQ(Database("SELECT draining FROM worker"), "f");

  // Told, but not as often as somebody tries.
  constexpr int kTries = 50;
  Client thief(coordinator_->endpoint(), As(tls_, "worker-stolen"));
  for (int i = 0; i < kTries; ++i) {
    EXPECT_EQ(thief.Call(kSynchronize, report.SerializeAsString()).error_code(), kDenied);
  }
  const std::string told = Database("SELECT count(*) FROM audit WHERE operation = 'refuse'");
  EXPECT_GE(std::stoi(told), 1);
  EXPECT_LT(std::stoi(told), kTries);
  EXPECT_EQ(Database("SELECT DISTINCT who FROM audit WHERE operation = 'refuse'"), "stolen");

  // The worker's own does what it says.
  EXPECT_TRUE(Call("worker-honest", kReportScrub, scrub).ok());
  EXPECT_EQ(Call("worker-honest", kListShardFiles, list).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(Call("worker-honest", kSynchronize, report).ok());
  EXPECT_EQ(Database("SELECT count(*) FROM job"), "0");
}

TEST_F(WorkerIdentityTest, KeepsTheIndexOutOfReachOfAMirrorWorker) {
  pb::SynchronizeRequest report = Report(id_, 1);
  report.add_roles(pb::WORKER_ROLE_INDEX);
  EXPECT_EQ(Call("worker-honest", kSynchronize, report).error_code(), kDenied);
  // Nor by the drive alone.
  report = Report(id_, 1);
  pb::DriveState& drive = *report.add_drives();
  drive.set_kind(pb::DriveState::KIND_INDEX);
  drive.set_key(std::string(32, 'k'));
  drive.set_content_key(std::string(32, 'c'));
  drive.mutable_head();
  EXPECT_EQ(Call("worker-honest", kSynchronize, report).error_code(), kDenied);
  EXPECT_EQ(Database("SELECT count(*) FROM worker"), "0");
  report = Report(id_, 1);
  report.add_roles(pb::WORKER_ROLE_INDEX);
  EXPECT_TRUE(Call("index-i1", kSynchronize, report).ok());
}

TEST_F(WorkerIdentityTest, IsFreedByForgettingTheWorker) {
  ASSERT_TRUE(Call("worker-honest", kSynchronize, Report(id_, 1)).ok());
  Database("UPDATE worker SET last_seen = now() - interval '1 hour'");
  pb::ForgetWorkerRequest forget;
  forget.set_worker(id_);
  const grpc::Status forgotten =
      Call("operator-olga", "/hypercore_nixos.v1.Coordinator/ForgetWorker", forget);
  ASSERT_TRUE(forgotten.ok()) << forgotten.error_message();
  EXPECT_EQ(Database("SELECT identity IS NULL FROM worker"), "t");
  EXPECT_NE(Call("worker-stolen", kSynchronize, Report(id_, 2)).error_code(), kDenied);
}

}  // namespace
}  // namespace hnx::test
