// FenceWorld: two index workers that have one key, in one thread over the real database. The
// publishers, their drives, the coordinator's compare-and-set and the publish log are the real
// ones; a test says who makes the next step, which process dies, which message gets lost or late,
// whose disk comes back from an older copy, and when the database does.
//
// Whatever a worker would tell its peers is collected: two tree hashes at one length are a fork.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <pqxx/pqxx>

#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_publish_store.h"
#include "coordinator/store/pg_synchronizer.h"
#include "worker/data_directory.h"
#include "worker/metrics.h"
#include "worker/peers/accepted_heads.h"
#include "worker/publish/index_publisher.h"

namespace hnx::test {

// Everything that was ever announced of one index.
class Announcements {
 public:
  // "": fine so far; otherwise what is forked.
  std::string Add(const hyper::SignedDriveHead& head);
  const hyper::SignedDriveHead& longest() const { return longest_; }
  std::size_t count() const { return hashes_.size(); }

 private:
  std::string AddCore(char core, const hyper::CoreHead& head);
  std::map<std::pair<char, std::uint64_t>, hyper::Hash> hashes_;
  hyper::SignedDriveHead longest_;
};

class FenceWorld;

class FenceWorker final : public worker::LeaseClient, public worker::DriveHeads {
 public:
  FenceWorker(FenceWorld& world, int number);

  bool running() const { return publisher_ != nullptr; }
  // As a process begins: with what its disk has, and what the holders show. `word`: the operator
  // says that this is all (--accept-length).
  void Start(bool word = false);
  void Die();
  // The server handles a report of now. The answer waits, or is lost.
  void Report(bool lose_answer);
  // The answer that waits is heard.
  void Hear();
  // The publisher's thread does one round; reading a batch breaks off after so many operations.
  void Work(std::optional<int> operations_max = {});
  // While it is dead: its disk as it was when it was remembered last; or empty.
  void RememberDisk();
  void RestoreDisk();
  void LoseDisk();
  std::filesystem::path drive_folder() const;
  const std::string& id() const { return id_; }
  // Why the coordinator sent it away the last time.
  const std::string& refusal() const { return refusal_; }

 private:
  // -- LeaseClient
  Result<hypercore_nixos::v1::SynchronizeResponse> Synchronize(
      const hypercore_nixos::v1::SynchronizeRequest& request) override;
  Result<void> ReadPublishBatch(std::uint64_t batch, const OperationSink& sink) override;
  Result<hypercore_nixos::v1::ScrubOrders> ReportScrub(
      const hypercore_nixos::v1::ScrubReport& /*report*/) override {
    return Unavailable("nothing is scrubbed here");
  }
  Result<hypercore_nixos::v1::ListShardFilesResponse> ListShardFiles(
      const hypercore_nixos::v1::ListShardFilesRequest& /*request*/) override {
    return Unavailable("nothing is scrubbed here");
  }
  void Stop() override {}
  // -- DriveHeads
  void Committed(const hyper::DriveKey& key, const hyper::DriveKey& content_key,
                 const hyper::SignedDriveHead& head) override;
  void Recorded(const hyper::DriveKey& key, const hyper::DriveHead& head) override;

  FenceWorld& world_;
  const std::filesystem::path folder_;
  std::string id_;
  std::uint64_t sequence_ = 0;
  worker::Metrics metrics_;
  std::unique_ptr<worker::DataDirectory> data_;
  std::optional<worker::AcceptedHeads> heads_;
  std::unique_ptr<worker::IndexPublisher> publisher_;
  std::optional<hypercore_nixos::v1::SynchronizeResponse> answer_;
  std::optional<int> operations_left_;
  std::string refusal_;
};

class FenceWorld {
 public:
  FenceWorld(const std::string& database_uri, std::filesystem::path folder);
  ~FenceWorld();

  // A mirror that has published nothing, and two workers that never ran.
  void Begin(std::uint64_t seed);
  // One more batch in the log; what is in it is drawn.
  void PlanBatch();
  void BackUpDatabase();
  // The database as it was at the backup; nothing when there was none.
  void RestoreDatabase();
  // The coordinator has not heard of the worker for long.
  void Silence(const FenceWorker& worker);
  // Nor of anybody, those included that an older database knows.
  void SilenceAll();
  bool AllPublished();
  // The index that the log gives when it is applied anew, or none where parts of it were taken
  // over.
  std::optional<hyper::DriveHead> HeadByTheLog();
  hyper::DriveHead RecordedHead();

  int Below(int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(random_); }

  std::vector<std::unique_ptr<FenceWorker>> workers;
  std::vector<std::string> forks;
  int announced = 0;
  int adoptions = 0;

 private:
  friend class FenceWorker;
  void Announce(const FenceWorker& worker, const hyper::SignedDriveHead& head);
  // The first column of the first row, or "".
  std::string Ask(const std::string& sql);
  std::filesystem::path holder() const { return folder_ / "holder"; }

  const std::filesystem::path folder_;
  std::unique_ptr<pqxx::connection> database_;
  std::mt19937_64 random_;
  hyper::PrimaryKey key_{};
  Announcements announcements_;
  bool backed_up_ = false;
  std::unique_ptr<coordinator::PgPool> pool_;
  std::unique_ptr<coordinator::PgLeader> leader_;
  coordinator::IndexDescription description_;
  std::unique_ptr<coordinator::PgPublishStore> log_;
  std::unique_ptr<coordinator::PgSynchronizer> synchronizer_;
};

}  // namespace hnx::test
