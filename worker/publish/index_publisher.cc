#include "worker/publish/index_publisher.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/log.h"
#include "hyper/core/crypto.h"
#include "hyper/drive/drive_reader.h"
#include "worker/index_key.h"
#include "worker/publish/batch_applier.h"
#include "worker/shard/shard_ledger.h"

namespace hnx::worker {
namespace {

constexpr std::chrono::milliseconds kIdle{60'000};

}  // namespace

Result<std::unique_ptr<IndexPublisher>> IndexPublisher::Open(
    DataDirectory& data, const IndexStart& start, LeaseClient& coordinator, Metrics& metrics,
    std::function<void()> changed, DriveHeads* heads) {
  HNX_ASSIGN_OR_RETURN(const hyper::DriveKey key, MirrorKeyOf(start.primary_key));
  HNX_ASSIGN_OR_RETURN(auto store, hyper::Corestore::Open(data.DriveFolder(key)));
  HNX_ASSIGN_OR_RETURN(auto drive, hyper::Hyperdrive::OpenOrCreate(*store));
  HNX_ASSIGN_OR_RETURN(const auto accepted, data.AcceptedIndex());
  return std::unique_ptr<IndexPublisher>(new IndexPublisher(std::move(store), std::move(drive),
                                                            data, accepted, start, coordinator,
                                                            metrics, std::move(changed), heads));
}

IndexPublisher::IndexPublisher(std::unique_ptr<hyper::Corestore> store,
                               std::unique_ptr<hyper::Hyperdrive> drive, DataDirectory& data,
                               DataDirectory::IndexLengths accepted, IndexStart start,
                               LeaseClient& coordinator, Metrics& metrics,
                               std::function<void()> changed, DriveHeads* heads)
    : LoopService("hnx-publish"),
      store_(std::move(store)),
      drive_(std::move(drive)),
      data_(data),
      coordinator_(coordinator),
      metrics_(metrics),
      changed_(std::move(changed)),
      heads_(heads),
      start_(std::move(start)),
      head_(drive_->head()),
      accepted_(accepted) {
  hyper::Wipe(start_.primary_key);  // the store has it
  TellHead();
}

// Before anyone else can know of it, the coordinator too: its word must find it told.
void IndexPublisher::TellHead() {
  if (heads_ != nullptr) {
    heads_->Committed(drive_->key(), drive_->content_key(), drive_->signed_head());
  }
}

IndexPublisher::~IndexPublisher() {
  LoopService::Stop();
}

IndexState IndexPublisher::State() const {
  MutexLock lock(mutex_);
  return {
      drive_->key(),
      drive_->content_key(),
      head_,
      base_,
      publish_batch_,
      publish_plan_,
      {std::max(start_.known.db, accepted_.db), std::max(start_.known.content, accepted_.content)},
      start_.accept_length,
      start_.predecessor,
      base_ ? published_ : nullptr};
}

bool IndexPublisher::KnownBeyond(const hyper::DriveHead& recorded) const {
  return std::max(start_.known.db, accepted_.db) > recorded.db_length ||
         std::max(start_.known.content, accepted_.content) > recorded.content_length;
}

void IndexPublisher::Apply(const hyper::DriveHead& recorded, bool cut_tail,
                           const std::optional<Task>& task) {
  {
    MutexLock lock(mutex_);
    // A drive that lost accepted blocks must not look like the successor of what was accepted.
    const bool shorter =
        head_.db_length < recorded.db_length || head_.content_length < recorded.content_length;
    // While a drive is built again it is told of one recorded batch after the other, each with the
    // next to append; then what is known is what it will come to.
    if (KnownBeyond(recorded) && !shorter && !task && !cut_tail) {
      base_ = compared_ && SameHead(*compared_, recorded) ? compared_ : std::nullopt;
      task_.reset();
      cut_to_.reset();
      if (base_) {
        return;
      }
      to_compare_ = recorded;
      Wake();
      return;
    }
    compared_.reset();
    published_.reset();
    base_ = shorter ? std::nullopt : std::optional(recorded);
    task_ = task;
    // What was just appended and waits to be accepted is no work to be done again.
    if (task_ && task_->batch == publish_batch_ && !cut_tail) {
      task_.reset();
    }
    cut_to_ = cut_tail ? std::optional(recorded) : std::nullopt;
    if (SameHead(recorded, head_) && recorded.db_length > accepted_.db) {
      to_note_ = {recorded.db_length, recorded.content_length};
    }
    if (!task_ && !cut_to_ && !to_note_) {
      return;
    }
  }
  Wake();
}

std::chrono::milliseconds IndexPublisher::RunOnce() {
  std::optional<Task> task;
  std::optional<hyper::DriveHead> cut_to;
  std::optional<DataDirectory::IndexLengths> to_note;
  std::optional<hyper::DriveHead> to_compare;
  {
    MutexLock lock(mutex_);
    to_compare = std::exchange(to_compare_, std::nullopt);
    to_note = std::exchange(to_note_, std::nullopt);
    task = std::exchange(task_, std::nullopt);
    cut_to = std::exchange(cut_to_, std::nullopt);
    // It was asked for again while it was being appended. By now it may be accepted.
    if (task && task->batch == publish_batch_ && !cut_to) {
      task.reset();
    }
  }
  Result<void> done;
  if (to_note) {
    done = NoteAccepted(*to_note);
  }
  if (done.has_value() && to_compare) {
    done = Compare(*to_compare);
  }
  if (done.has_value() && cut_to) {
    done = CutTo(*cut_to);
  }
  if (done.has_value() && task) {
    done = RunTask(*task);
  }
  if (done.has_value()) {
    failures_ = 0;
    return kIdle;
  }
  // The coordinator's next answer brings the task again.
  Log("publish")->error("{}", done.error().message);
  const auto delay = RetryPolicy{}.Delay(++failures_, random_);
  return delay;
}

// Other holders may have what was accepted; so a database that was restored from an older copy must
// not have it cut off and written anew.
Result<void> IndexPublisher::NoteAccepted(DataDirectory::IndexLengths lengths) {
  HNX_TRY(data_.SetAcceptedIndex(lengths));
  MutexLock lock(mutex_);
  accepted_ = lengths;
  return {};
}

Result<void> IndexPublisher::Compare(const hyper::DriveHead& recorded) {
  HNX_ASSIGN_OR_RETURN(const auto grew, drive_->GrewOutOf(recorded));
  if (grew && !*grew) {
    return DataLoss(fmt::format(
        "the index drive {} did not grow out of what the coordinator has recorded (length {}): two "
        "histories under one key. Nothing is appended to it",
        drive_->key().id(), recorded.db_length));
  }
  if (!grew) {
    Log("publish")->warn(
        "the index drive {} was taken over with gaps: whether it grew out of the recorded length "
        "{} cannot be told",
        drive_->key().id(), recorded.db_length);
  }
  HNX_ASSIGN_OR_RETURN(const auto reader, hyper::DriveReader::Open(
                                              {.folder = store_->folder(), .key = drive_->key()}));
  HNX_ASSIGN_OR_RETURN(auto published, mirror::ReadPublishedIndex(*reader));
  Log("publish")->warn(
      "the coordinator knows the index drive {} up to length {}, it has {}: the coordinator is "
      "asked to take it over as it is",
      drive_->key().id(), recorded.db_length, drive_->head().db_length);
  {
    MutexLock lock(mutex_);
    published_ = std::make_shared<const mirror::PublishedIndex>(std::move(published));
    compared_ = recorded;
    base_ = recorded;
  }
  changed_();
  return {};
}

Result<void> IndexPublisher::CutTo(const hyper::DriveHead& base) {
  const hyper::DriveHead head = drive_->head();
  if (SameHead(head, base)) {
    return {};
  }
  if (head.db_length < base.db_length || head.content_length < base.content_length) {
    return FailedPrecondition(fmt::format(
        "the index drive {} has lengths {} and {}, but {} and {} were accepted: accepted blocks "
        "are lost. Nothing is appended to it. Restore the drive from a copy of this mirror",
        drive_->key().id(), head.db_length, head.content_length, base.db_length,
        base.content_length));
  }
  DataDirectory::IndexLengths accepted;
  {
    MutexLock lock(mutex_);
    accepted = accepted_;
  }
  const bool complete = head.db_length >= accepted.db && head.content_length >= accepted.content;
  // A holder had seen the content of the next batch and not its entries yet. The batch makes the
  // same content again, which is looked at when it is there.
  const bool content_only = base.db_length == head.db_length && base.db_length >= accepted.db &&
                            base.content_length < accepted.content;
  if (content_only) {
    foreseen_ = head;
    foreseen_->db_length = 0;
  }
  if (complete && !content_only &&
      (base.db_length < accepted.db || base.content_length < accepted.content)) {
    return FailedPrecondition(fmt::format(
        "the index drive {} was accepted at lengths {} and {}, and is to be cut back "
        "to {} and {}: the coordinator's database was restored from an older copy. "
        "Nothing is cut. Give the coordinator its newest database",
        drive_->key().id(), accepted.db, accepted.content, base.db_length, base.content_length));
  }
  HNX_ASSIGN_OR_RETURN(const auto cut,
                       drive_->CutUnannouncedTail(base.db_length, base.content_length));
  TellHead();
  {
    MutexLock lock(mutex_);
    head_ = cut;
    publish_batch_ = 0;
    publish_plan_ = 0;
  }
  if (!SameHead(cut, base)) {
    return DataLoss(fmt::format(
        "the index drive {} at length {} is not the one that was accepted (tree hashes differ): "
        "it was written elsewhere with the same key. Nothing is appended to it",
        drive_->key().id(), base.db_length));
  }
  Log("publish")->info("cut an unaccepted tail of the index drive back to length {}",
                       base.db_length);
  return {};
}

Result<void> IndexPublisher::RunTask(const Task& task) {
  HNX_TRY(CutTo(task.base));
  HNX_ASSIGN_OR_RETURN(const auto applier, BatchApplier::Begin(*drive_));
  auto read = coordinator_.ReadPublishBatch(
      task.batch, [&](const LeaseClient::Operation& operation) -> Result<void> {
        if (stopping()) {
          return Error{ErrorCode::kCancelled, "the worker stops"};
        }
        return applier->Apply(operation);
      });
  if (!read.has_value()) {
    return read.error().Annotate(fmt::format("publish batch {}", task.batch));
  }
  HNX_ASSIGN_OR_RETURN(const auto head, applier->Commit());
  if (foreseen_) {
    HNX_ASSIGN_OR_RETURN(const auto same, drive_->GrewOutOf(*foreseen_));
    if (!same || !*same) {
      return DataLoss(
          fmt::format("publish batch {} makes other content than the one that a holder of the "
                      "index drive {} has "
                      "seen at length {}: the coordinator's database is not the one that published "
                      "it. It is not "
                      "announced",
                      task.batch, drive_->key().id(), foreseen_->content_length));
    }
    foreseen_.reset();
  }
  TellHead();
  {
    MutexLock lock(mutex_);
    head_ = head;
    publish_batch_ = task.batch;
    publish_plan_ = task.plan;
  }
  metrics_.CountPublishBatch();
  changed_();
  return {};
}

}  // namespace hnx::worker
