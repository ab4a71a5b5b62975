#include "fence_world.h"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include "base/hex.h"
#include "coordinator/rpc/report_from_proto.h"
#include "hyper/drive/hyperdrive.h"
#include "nix/hash.h"
#include "worker/publish/batch_applier.h"
#include "worker/sync/messages.h"

namespace hnx::test {

namespace fs = std::filesystem;
namespace pb = hypercore_nixos::v1;
using coordinator::PublishStep;

namespace {

template <class T>
T Must(Result<T> result) {
  if (!result.has_value()) {
    ADD_FAILURE() << result.error().ToString();
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) {
    return *std::move(result);
  }
}

void CopyFolder(const fs::path& from, const fs::path& to) {
  fs::remove_all(to);
  if (fs::exists(from)) {
    fs::create_directories(to.parent_path());
    fs::copy(from, to, fs::copy_options::recursive);
  }
}

pb::PublishOperation ToOperation(PublishStep step) {
  pb::PublishOperation operation;
  switch (step.kind) {
    case PublishStep::Kind::kPut:
      operation.mutable_put()->set_path(step.path);
      operation.mutable_put()->set_size(step.size_bytes);
      operation.mutable_put()->set_sha256(ToString(step.sha256));
      operation.mutable_put()->set_data(ToString(step.data));
      break;
    case PublishStep::Kind::kMore:
      operation.set_more(ToString(step.data));
      break;
    case PublishStep::Kind::kLink:
      operation.mutable_link()->set_path(step.path);
      operation.mutable_link()->set_linkname(step.linkname);
      break;
    case PublishStep::Kind::kRemove:
      operation.set_remove(step.path);
      break;
  }
  return operation;
}

constexpr const char* kTables[] = {"publish_batch", "publish_operation", "artifact",
                                   "artifact_chunk", "index_adoption"};

}  // namespace

std::string Announcements::AddCore(char core, const hyper::CoreHead& head) {
  if (head.length == 0) {
    return "";
  }
  const auto [at, added] = hashes_.try_emplace({core, head.length}, head.tree_hash);
  return added || at->second == head.tree_hash
             ? ""
             : fmt::format("core {} was announced with two trees at length {}", core, head.length);
}

std::string Announcements::Add(const hyper::SignedDriveHead& head) {
  std::string fork = AddCore('c', head.content) + AddCore('d', head.db);
  if (head.db.length > longest_.db.length) {
    longest_ = head;
  }
  return fork;
}

// --- FenceWorker

FenceWorker::FenceWorker(FenceWorld& world, int number)
    : world_(world), folder_(world.folder_ / fmt::format("worker-{}", number)) {}

fs::path FenceWorker::drive_folder() const {
  return folder_ / "drives" / hyper::Hyperdrive::KeyFor(world_.key_).id();
}

void FenceWorker::Start(bool word) {
  data_ = Must(worker::DataDirectory::Open(folder_));
  id_ = data_->worker_id();
  sequence_ = 0;
  // What RecoverIndex does, without the network: a drive that is missing or shorter than what a
  // holder has is fetched from it.
  const auto& held = world_.announcements_.longest();
  worker::IndexStart start;
  start.primary_key = world_.key_;
  start.known = {held.db.length, held.content.length};
  const auto accepted = Must(data_->AcceptedIndex());
  hyper::DriveHead own;
  if (fs::exists(drive_folder())) {
    const auto store = Must(hyper::Corestore::Open(drive_folder()));
    own = Must(hyper::Hyperdrive::OpenOrCreate(*store))->head();
  }
  if (own.db_length < held.db.length || own.content_length < held.content.length) {
    Must(data_->SetAcceptedIndex(
        {std::max(accepted.db, held.db.length), std::max(accepted.content, held.content.length)}));
    CopyFolder(world_.holder(), drive_folder());
  } else if (!fs::exists(drive_folder())) {
    Must(data_->CreateDrive(world_.key_));
  }
  if (word) {
    start.accept_length = std::max(own.db_length, held.db.length);
  }
  heads_.emplace();
  publisher_ = Must(worker::IndexPublisher::Open(
      *data_, start, *this, metrics_, [] {}, this));
}

void FenceWorker::Die() {
  publisher_.reset();
  heads_.reset();
  answer_.reset();
  data_.reset();
}

void FenceWorker::Report(bool lose_answer) {
  pb::SynchronizeRequest request;
  request.set_worker_id(id_);
  request.set_worker_name(folder_.filename().string());
  request.set_incarnation(data_->incarnation());
  request.set_incarnation_nonce(data_->nonce());
  request.set_sequence(++sequence_);
  request.add_roles(pb::WORKER_ROLE_INDEX);
  worker::ToMessage(publisher_->State(), request.add_drives());
  auto answer = Synchronize(request);
  if (!answer.has_value()) {
    refusal_ = answer.error().message;
    Die();  // as the program does
    return;
  }
  answer_.reset();
  if (!lose_answer) {
    answer_ = *std::move(answer);
  }
}

// As Synchronizer::ApplyDrives does for the index.
void FenceWorker::Hear() {
  if (!answer_ || answer_->drives().empty()) {
    return;
  }
  const pb::RecordedDrive& drive = answer_->drives(0);
  const hyper::DriveHead recorded = Must(worker::FromMessage(drive.recorded()));
  std::optional<worker::IndexPublisher::Task> task;
  if (answer_->has_publish()) {
    task = worker::IndexPublisher::Task{answer_->publish().batch(),
                                        Must(worker::FromMessage(answer_->publish().base()))};
  }
  publisher_->Apply(recorded, drive.cut_tail(), task);
  Recorded(publisher_->State().key, recorded);
  answer_.reset();
}

void FenceWorker::Work(std::optional<int> operations_max) {
  operations_left_ = operations_max;
  publisher_->RunOnce();
  operations_left_.reset();
}

void FenceWorker::RememberDisk() {
  CopyFolder(folder_, folder_.string() + "-older");
}

void FenceWorker::RestoreDisk() {
  if (fs::exists(folder_.string() + "-older")) {
    CopyFolder(folder_.string() + "-older", folder_);
  }
}

void FenceWorker::LoseDisk() {
  fs::remove_all(folder_);
}

Result<pb::SynchronizeResponse> FenceWorker::Synchronize(const pb::SynchronizeRequest& request) {
  HNX_ASSIGN_OR_RETURN(const auto report, coordinator::ReportFromProto(request));
  HNX_ASSIGN_OR_RETURN(const auto desired, world_.synchronizer_->Synchronize(report));
  pb::SynchronizeResponse response;
  coordinator::DesiredToProto(desired, response);
  return response;
}

Result<void> FenceWorker::ReadPublishBatch(std::uint64_t batch, const OperationSink& sink) {
  return world_.log_->ReadBatch(static_cast<std::int64_t>(batch),
                                [&](PublishStep step) -> Result<void> {
                                  if (operations_left_ && (*operations_left_)-- <= 0) {
                                    return Unavailable("the connection broke");
                                  }
                                  return sink(ToOperation(std::move(step)));
                                });
}

void FenceWorker::Committed(const hyper::DriveKey& key, const hyper::DriveKey& /*content_key*/,
                            const hyper::SignedDriveHead& head) {
  heads_->Committed(key, head);
}

void FenceWorker::Recorded(const hyper::DriveKey& key, const hyper::DriveHead& head) {
  if (const auto accepted = heads_->Recorded(key, head)) {
    world_.Announce(*this, *accepted);
  }
}

// --- FenceWorld

FenceWorld::FenceWorld(const std::string& database_uri, fs::path folder)
    : folder_(std::move(folder)), database_(std::make_unique<pqxx::connection>(database_uri)) {
  key_.fill(std::byte{9});
  description_ = {
      .upstreams = {"http://upstream"}, .public_keys = {"k-1:abc="}, .cache_info = "x\n"};
  pool_ = std::make_unique<coordinator::PgPool>(database_uri);
  leader_ = std::make_unique<coordinator::PgLeader>(*pool_, "replica");
  log_ = std::make_unique<coordinator::PgPublishStore>(*pool_, *leader_, description_);
  synchronizer_ = std::make_unique<coordinator::PgSynchronizer>(
      *pool_, coordinator::JobLimits{}, coordinator::FailurePolicyOptions{}, 1);
}

FenceWorld::~FenceWorld() {
  workers.clear();
}

std::string FenceWorld::Ask(const std::string& sql) {
  pqxx::work work(*database_);
  const pqxx::result rows = work.exec(sql);
  work.commit();
  return rows.empty() || rows[0][0].is_null() ? std::string() : rows[0][0].as<std::string>();
}

void FenceWorld::Begin(std::uint64_t seed) {
  workers.clear();
  random_.seed(seed);
  announcements_ = {};
  backed_up_ = false;
  fs::remove_all(folder_);
  fs::create_directories(folder_);
  Ask("TRUNCATE publish_operation, publish_batch, artifact, artifact_chunk, index_adoption, "
      "adopted_shard, adopted_latest, worker CASCADE;"
      "UPDATE mirror SET index_key = NULL, index_content_key = NULL, index_worker_id = NULL, "
      "db_length = 0, db_tree_hash = '', content_length = 0, content_tree_hash = '', "
      "content_byte_length = 0, published_batch = 0 RETURNING 1");
  workers.push_back(std::make_unique<FenceWorker>(*this, 1));
  workers.push_back(std::make_unique<FenceWorker>(*this, 2));
}

void FenceWorld::PlanBatch() {
  const int operations = 1 + Below(4);
  std::string sql =
      "WITH b AS (INSERT INTO publish_batch (batch) SELECT coalesce(max(batch), 0) + "
      "1 FROM publish_batch RETURNING batch)";
  std::string puts;
  for (int i = 0; i < operations; ++i) {
    const std::string text =
        fmt::format("{} {}", random_(), std::string(static_cast<std::size_t>(Below(300)), 'x'));
    sql += fmt::format(
        ", a{} AS (INSERT INTO artifact (size_bytes, sha256) VALUES ({}, '\\x{}') RETURNING id), "
        "c{} AS (INSERT INTO artifact_chunk SELECT id, 0, '\\x{}' FROM a{})",
        i, text.size(), EncodeHex(nix::Sha256::Of(AsBytes(text))), i, EncodeHex(AsBytes(text)), i);
    puts += fmt::format("{} SELECT batch, {}, 'put_artifact', '/file-{}', a{}.id FROM b, a{}",
                        i == 0 ? "" : " UNION ALL", i + 1, Below(20), i, i);
  }
  sql += ", o AS (SELECT * FROM (" + puts +
         ") AS p(batch, ordinal, kind, path, id)) "
         "INSERT INTO publish_operation (batch, ordinal, kind, path, artifact_id) "
         "SELECT batch, ordinal, kind::publish_kind, path, id FROM o RETURNING 1";
  Ask(sql);
}

void FenceWorld::BackUpDatabase() {
  backed_up_ = true;
  for (const std::string table : {"mirror", "worker"}) {
    Ask(
        fmt::format("DROP TABLE IF EXISTS older_{0}; CREATE TABLE older_{0} AS SELECT * FROM "
                    "{0}",
                    table));
  }
  for (const std::string table : kTables) {
    Ask(
        fmt::format("DROP TABLE IF EXISTS older_{0}; CREATE TABLE older_{0} AS SELECT * FROM "
                    "{0}",
                    table));
  }
}

void FenceWorld::RestoreDatabase() {
  if (!backed_up_) {
    return;
  }
  std::string sql =
      "TRUNCATE publish_operation, publish_batch, artifact, artifact_chunk, "
      "index_adoption, worker CASCADE; DELETE FROM mirror;"
      "INSERT INTO worker SELECT * FROM older_worker;"
      "INSERT INTO mirror SELECT * FROM older_mirror;";
  for (const std::string table :
       {"publish_batch", "artifact", "artifact_chunk", "publish_operation", "index_adoption"}) {
    sql += fmt::format("INSERT INTO {0} OVERRIDING SYSTEM VALUE SELECT * FROM older_{0};", table);
  }
  Ask(sql + "SELECT 1");
}

void FenceWorld::Silence(const FenceWorker& worker) {
  Ask(
      fmt::format("UPDATE worker SET last_seen = now() - interval '5 minutes' WHERE id = "
                  "'{}' RETURNING 1",
                  worker.id()));
}

void FenceWorld::SilenceAll() {
  Ask("UPDATE worker SET last_seen = now() - interval '5 minutes' RETURNING 1");
}

bool FenceWorld::AllPublished() {
  return Ask("SELECT (SELECT coalesce(max(batch), 0) FROM publish_batch) = published_batch "
             "FROM mirror") == "t";
}

hyper::DriveHead FenceWorld::RecordedHead() {
  hyper::DriveHead head;
  const auto number = [&](const char* column) {
    return std::stoull(Ask(fmt::format("SELECT {} FROM mirror", column)));
  };
  const auto hash = [&](const char* column) {
    hyper::Hash out;
    const Bytes bytes =
        Must(DecodeHex(Ask(fmt::format("SELECT encode({}, 'hex') FROM mirror", column))));
    std::copy(bytes.begin(), bytes.end(), out.bytes.begin());
    return out;
  };
  head.db_length = number("db_length");
  head.content_length = number("content_length");
  head.content_byte_length = number("content_byte_length");
  head.db_tree_hash = hash("db_tree_hash");
  head.content_tree_hash = hash("content_tree_hash");
  return head;
}

std::optional<hyper::DriveHead> FenceWorld::HeadByTheLog() {
  adoptions += std::stoi(Ask("SELECT count(*) FROM index_adoption"));
  if (Ask("SELECT count(*) FROM index_adoption") != "0") {
    return std::nullopt;
  }
  const fs::path folder = folder_ / "by-the-log";
  const auto store = Must(hyper::Corestore::Create(folder, key_));
  const auto drive = Must(hyper::Hyperdrive::OpenOrCreate(*store));
  const auto batches = std::stoll(Ask("SELECT published_batch FROM mirror"));
  for (std::int64_t batch = 1; batch <= batches; ++batch) {
    const auto applier = Must(worker::BatchApplier::Begin(*drive));
    Must(log_->ReadBatch(
        batch, [&](PublishStep step) { return applier->Apply(ToOperation(std::move(step))); }));
    Must(applier->Commit());
  }
  return drive->head();
}

void FenceWorld::Announce(const FenceWorker& worker, const hyper::SignedDriveHead& head) {
  ++announced;
  const std::string fork = announcements_.Add(head);
  if (!fork.empty()) {
    forks.push_back(fork);
  }
  if (announcements_.longest() == head) {
    // Somebody has it from now on.
    CopyFolder(worker.drive_folder(), holder());
  }
}

}  // namespace hnx::test
