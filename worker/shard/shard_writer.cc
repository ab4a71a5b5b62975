#include "worker/shard/shard_writer.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/check.h"
#include "base/log.h"
#include "base/service.h"

namespace hnx::worker {
namespace {

using Standing = ShardLedger::Standing;

NarFailure FailureOf(const Error& error) {
  const bool full = error.code == ErrorCode::kResourceExhausted;
  // Whatever happened to this disk: the NAR is as good as before, another try is not its fault.
  return {
      ErrorCode::kResourceExhausted, full ? kReasonDiskFull : kReasonStorage, error.message, {}};
}

}  // namespace

ShardWriter::ShardWriter(ShardEnvironment& environment, std::optional<hyper::DriveKey> key)
    : environment_(environment), key_(std::move(key)), fresh_(!key_.has_value()) {
  thread_ = std::thread([this] { Run(); });
}

ShardWriter::~ShardWriter() {
  Stop();
}

bool ShardWriter::Accepts() const {
  MutexLock lock(mutex_);
  if (stop_ || broken_ || sealed_ || cutting_ || size_bytes_ >= environment_.shard_size_max) {
    return false;
  }
  return ledger_ ? ledger_->standing() == Standing::kWritable : fresh_;
}

bool ShardWriter::HasRoom() const {
  MutexLock lock(mutex_);
  return queued_bytes_ < kShardQueueBytesMax &&
         (!ledger_ || ledger_->unrecorded() + kCommitNarsMax <= kShardEntriesMax);
}

bool ShardWriter::TryReserve() {
  MutexLock lock(mutex_);
  return !std::exchange(reserved_, true);
}

bool ShardWriter::reserved() const {
  MutexLock lock(mutex_);
  return reserved_;
}

void ShardWriter::Unreserve() {
  MutexLock lock(mutex_);
  reserved_ = false;
}

void ShardWriter::Push(Item item, std::uint64_t bytes) {
  queue_.emplace_back(std::move(item), bytes);
  queued_bytes_ += bytes;
  changed_.NotifyAll();
}

void ShardWriter::PutNar(ShardEntry entry, std::vector<Chunk> chunks) {
  std::uint64_t bytes = 0;
  for (const Chunk& chunk : chunks) {
    bytes += chunk.bytes.size();
  }
  MutexLock lock(mutex_);
  size_bytes_ += bytes;
  Push(Put{std::move(entry), std::move(chunks)}, bytes);
}

void ShardWriter::StreamChunk(const std::string& file, Chunk chunk) {
  const std::uint64_t bytes = chunk.bytes.size();
  MutexLock lock(mutex_);
  Push(StreamPiece{file, std::move(chunk)}, bytes);
}

void ShardWriter::StreamFinish(ShardEntry entry) {
  MutexLock lock(mutex_);
  Push(StreamEnd{std::move(entry)}, 0);
}

void ShardWriter::StreamAbort() {
  MutexLock lock(mutex_);
  Push(StreamEnd{}, 0);
}

void ShardWriter::CommitSoon() {
  MutexLock lock(mutex_);
  commit_soon_ = true;
  changed_.NotifyAll();
}

ShardState ShardWriter::State() const {
  MutexLock lock(mutex_);
  ShardState state;
  state.sealed = sealed_;
  if (!ledger_) {
    state.unread = key_;
    return state;
  }
  state.key = key_;
  state.content_key = content_key_;
  state.head = ledger_->head();
  state.base = ledger_->base();
  state.standing = ledger_->standing();
  state.cleared.assign(cleared_.begin(), cleared_.end());
  if (state.base && state.standing != Standing::kNeedsTail) {
    state.entries = ledger_->EntriesAboveBase();
  }
  return state;
}

bool ShardWriter::readable() const {
  MutexLock lock(mutex_);
  return fresh_ || ledger_.has_value();
}

bool ShardWriter::Confirmed() const {
  MutexLock lock(mutex_);
  if (!ledger_) {
    return fresh_ || broken_;
  }
  return !cutting_ && ledger_->standing() != Standing::kUnconfirmed &&
         ledger_->standing() != Standing::kNeedsTail && !ledger_->tail_was_read();
}

std::size_t ShardWriter::unrecorded() const {
  MutexLock lock(mutex_);
  return ledger_ && ledger_->base() ? ledger_->unrecorded() : 0;
}

void ShardWriter::Apply(const Verdict& verdict) {
  std::vector<ShardEntry> lost;
  std::string why;
  {
    MutexLock lock(mutex_);
    if (!ledger_ || cutting_ || ledger_->standing() == Standing::kRefused) {
      return;
    }
    sealed_ = sealed_ || verdict.sealed;
    const bool had_asked = ledger_->standing() == Standing::kNeedsTail;
    if (verdict.cut_tail && !SameHead(verdict.recorded, ledger_->head())) {
      cutting_ = true;
      Push(CutTail{verdict.recorded}, 0);
    } else {
      std::vector<ShardEntry> unrecorded = ledger_->EntriesAboveBase();
      ledger_->Recorded(verdict.recorded);
      if (ledger_->standing() == Standing::kRefused) {
        lost = std::move(unrecorded);
        why = ledger_->refusal();
      } else if (ledger_->standing() == Standing::kNeedsTail && !had_asked) {
        Push(ReadTail{}, 0);
      }
    }
    for (const std::string& file : verdict.drop_files) {
      if (dropping_.insert(file).second) {
        Push(DropFile{file}, 0);
      }
    }
    TakeRetirement(verdict);
    changed_.NotifyAll();  // a sealed, wholly recorded shard may close
  }
  if (!why.empty()) {
    ReportLost(lost, why);
  }
}

Result<void> ShardWriter::DropDamaged(const std::string& file) {
  MutexLock lock(mutex_);
  if (stop_ || sealed_ || broken_ || !ledger_ || ledger_->standing() != Standing::kWritable) {
    return FailedPrecondition("nothing may be appended to its shard");
  }
  if (dropping_.insert(file).second) {
    Push(DropFile{file}, 0);
  }
  return {};
}

void ShardWriter::Refuse(const std::string& why) {
  std::vector<ShardEntry> lost;
  {
    MutexLock lock(mutex_);
    if (!ledger_ || ledger_->standing() == Standing::kRefused) {
      return;
    }
    lost = ledger_->EntriesAboveBase();
    ledger_->Refuse(why);
  }
  ReportLost(lost, why);
}

void ShardWriter::ReportLost(const std::vector<ShardEntry>& lost, const std::string& why) {
  Log("shard")->warn("{}; {} NARs are to be fetched again", why, lost.size());
  for (const ShardEntry& entry : lost) {
    environment_.outcomes.OnFailed(entry.ref,
                                   {ErrorCode::kUnavailable,
                                    kReasonShardLost,
                                    fmt::format("{} was stored and lost: {}", entry.file, why),
                                    {}});
  }
}

void ShardWriter::Stop() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void ShardWriter::Run() {
  NameThisThread("hnx-append");
  OpenAtStart();
  while (true) {
    std::optional<Item> item = Next();
    if (item) {
      std::visit([this](auto& one) { Handle(one); }, *item);
      item.reset();  // gives the bytes back before somebody is told that there is room
      environment_.on_room();
    }
    if (CommitIsDue()) {
      Commit();
    }
    CloseWhenDormant();
    MutexLock lock(mutex_);
    if (stop_ && queue_.empty()) {
      break;
    }
  }
  if (drive_ != nullptr) {
    (void)drive_->AbortNar();
    Commit();
  }
  drive_.reset();
}

std::optional<ShardWriter::Item> ShardWriter::Next() {
  MutexLock lock(mutex_);
  while (queue_.empty() && !stop_) {
    if (staged_since_) {
      const auto age = Clock::Real().Steady() - *staged_since_;
      if (commit_soon_ || age >= kCommitDelayMax) {
        return std::nullopt;
      }
      changed_.WaitFor(mutex_, kCommitDelayMax - age);
    } else {
      changed_.Wait(mutex_);
      if (queue_.empty() && sealed_) {
        return std::nullopt;
      }
    }
  }
  if (queue_.empty()) {
    return std::nullopt;
  }
  Item item = std::move(queue_.front().first);
  queued_bytes_ -= queue_.front().second;
  queue_.pop_front();
  return item;
}

void ShardWriter::OpenAtStart() {
  std::optional<hyper::DriveKey> key;
  {
    MutexLock lock(mutex_);
    key = key_;
  }
  if (!key) {
    return;
  }
  auto drive = Drive();
  if (!drive.has_value()) {
    Log("shard")->error("open shard {}: {}; it is left alone", key->id(), drive.error().message);
    MutexLock lock(mutex_);
    broken_ = true;
    return;
  }
  environment_.on_committed();
}

// Opens the drive, or makes it.
Result<ShardDrive*> ShardWriter::Drive() {
  if (drive_ != nullptr) {
    return drive_.get();
  }
  std::optional<hyper::DriveKey> key;
  {
    MutexLock lock(mutex_);
    key = key_;
  }
  if (!key) {
    HNX_ASSIGN_OR_RETURN(key, environment_.data.CreateDrive());
    Log("shard")->info("made shard {}", key->id());
  }
  HNX_ASSIGN_OR_RETURN(drive_, ShardDrive::Open(environment_.data.DriveFolder(*key)));
  TellHead();
  MutexLock lock(mutex_);
  key_ = key;
  content_key_ = drive_->content_key();
  if (!ledger_) {
    ledger_.emplace(drive_->head(), fresh_);
    size_bytes_ += drive_->head().content_byte_length;
  }
  return drive_.get();
}

bool ShardWriter::IsUnrecorded(const ShardEntry& entry) const {
  const auto same = [&](const ShardEntry& other) {
    return other.file == entry.file && other.nar_hash == entry.nar_hash;
  };
  if (drive_ != nullptr && std::any_of(drive_->staged().begin(), drive_->staged().end(), same)) {
    return true;
  }
  MutexLock lock(mutex_);
  const ShardEntry* found = ledger_ ? ledger_->FindUnrecorded(entry.file) : nullptr;
  return found != nullptr && same(*found);
}

void ShardWriter::Handle(Put& put) {
  auto drive = Drive();
  if (!drive.has_value()) {
    Fail(put.entry, drive.error());
    return;
  }
  if (IsUnrecorded(put.entry)) {
    environment_.outcomes.OnStored(put.entry.ref);
    return;
  }
  const auto began = Clock::Real().Steady();
  auto done = (*drive)->PutNar(put.entry, put.chunks);
  environment_.metrics.ObserveAppend(Clock::Real().Steady() - began);
  if (!done.has_value()) {
    Fail(put.entry, done.error());
    FailStaged(done.error());
    return;
  }
  StagedOne();
}

void ShardWriter::Handle(StreamPiece& piece) {
  if (stream_error_) {
    return;
  }
  auto drive = Drive();
  if (!drive.has_value()) {
    stream_error_ = drive.error();
    return;
  }
  if (!(*drive)->writing() && staged_since_) {
    // A long stream would keep what is verified from being durable.
    Commit();
  }
  auto written = (*drive)->Write(piece.file, piece.chunk.bytes);
  if (!written.has_value()) {
    stream_error_ = written.error();
    FailStaged(written.error());
  }
}

void ShardWriter::Handle(StreamEnd& end) {
  const std::optional<Error> error = std::exchange(stream_error_, std::nullopt);
  if (error) {
    if (end.entry) {
      Fail(*end.entry, *error);
    }
    return;
  }
  if (drive_ == nullptr || !drive_->writing()) {
    return;
  }
  if (!end.entry) {
    auto aborted = drive_->AbortNar();
    if (!aborted.has_value()) {
      FailStaged(aborted.error());
    }
    return;
  }
  if (IsUnrecorded(*end.entry)) {
    (void)drive_->AbortNar();
    environment_.outcomes.OnStored(end.entry->ref);
    return;
  }
  auto finished = drive_->FinishNar(*end.entry);
  if (!finished.has_value()) {
    Fail(*end.entry, finished.error());
    FailStaged(finished.error());
    return;
  }
  {
    MutexLock lock(mutex_);
    size_bytes_ += drive_->staged().back().blob.byte_length;
  }
  StagedOne();
}

void ShardWriter::Handle(ReadTail& /*command*/) {
  hyper::DriveHead base;
  {
    MutexLock lock(mutex_);
    if (ledger_->standing() != Standing::kNeedsTail) {
      return;
    }
    base = *ledger_->base();
  }
  auto drive = Drive();
  auto entries = drive.has_value() ? (*drive)->EntriesFrom(base.content_length)
                                   : Result<std::vector<ShardEntry>>(drive.error());
  {
    MutexLock lock(mutex_);
    if (!entries.has_value()) {
      ledger_->Refuse(entries.error().message);
    } else {
      Log("shard")->info("shard {}: {} NARs above the recorded length are reported again",
                         key_->id(), entries->size());
      ledger_->SetTail(*std::move(entries));
    }
  }
  environment_.on_committed();
}

void ShardWriter::Handle(CutTail& command) {
  std::vector<ShardEntry> lost;
  auto drive = Drive();
  if (drive.has_value()) {
    lost = (*drive)->Abort();
    staged_since_.reset();
  }
  auto head =
      drive.has_value() ? (*drive)->CutTail(command.to) : Result<hyper::DriveHead>(drive.error());
  if (head.has_value()) {
    TellHead();
  }
  std::string why = "another process of this worker wrote the shard; the tail was cut off";
  {
    MutexLock lock(mutex_);
    const std::vector<ShardEntry> unrecorded = ledger_->EntriesAboveBase();
    lost.insert(lost.end(), unrecorded.begin(), unrecorded.end());
    cutting_ = false;
    if (!head.has_value()) {
      why = head.error().message;
      ledger_->Refuse(why);
    } else if (!SameHead(*head, command.to)) {
      why = "after the cut the tree hash is not the recorded one";
      ledger_->Refuse(why);
    } else {
      ledger_->Cut(*head);
      size_bytes_ = head->content_byte_length;
    }
  }
  ReportLost(lost, why);
  environment_.on_committed();
}

void ShardWriter::Handle(DropFile& command) {
  auto drive = Drive();
  if (drive.has_value() && !(*drive)->writing()) {
    Commit();
  }
  // What was put again since is another copy than the one that was to go.
  if (drive.has_value() && !(*drive)->writing() && !WasPutAgain(command.file)) {
    auto dropped = (*drive)->Drop(command.file);
    TellHead();
    MutexLock lock(mutex_);
    if (dropped.has_value()) {
      ShardEntry entry;
      entry.file = command.file;
      entry.deleted = true;
      ledger_->Committed((*drive)->head(), {entry});
    } else {
      Log("shard")->warn("drop {}: {}; it is tried again", command.file, dropped.error().message);
    }
  }
  {
    MutexLock lock(mutex_);
    dropping_.erase(command.file);
  }
  environment_.on_committed();
}

// Before the ledger has it, and with it the coordinator, whose word must find it told.
void ShardWriter::TellHead() {
  if (environment_.heads != nullptr) {
    environment_.heads->Committed(drive_->key(), drive_->content_key(), drive_->signed_head());
  }
}

void ShardWriter::StagedOne() {
  if (!staged_since_) {
    staged_since_ = Clock::Real().Steady();
  }
}

bool ShardWriter::CommitIsDue() const {
  if (!staged_since_ || drive_ == nullptr || drive_->writing()) {
    return false;
  }
  {
    MutexLock lock(mutex_);
    if (queue_.empty() && (commit_soon_ || stop_)) {
      return true;
    }
  }
  return drive_->staged().size() >= kCommitNarsMax || drive_->staged_bytes() >= kCommitBytesMax ||
         Clock::Real().Steady() - *staged_since_ >= kCommitDelayMax;
}

void ShardWriter::Commit() {
  staged_since_.reset();
  bool refused = false;
  {
    MutexLock lock(mutex_);
    commit_soon_ = false;
    refused = ledger_ && ledger_->standing() == Standing::kRefused;
  }
  if (refused) {
    ReportLost(drive_->Abort(), "it was refused before its last NARs were durable");
    return;
  }
  if (drive_->staged().empty()) {
    return;
  }
  const auto began = Clock::Real().Steady();
  auto entries = drive_->Commit();
  if (!entries.has_value()) {
    FailStaged(entries.error());
    return;
  }
  environment_.metrics.ObserveCommit(Clock::Real().Steady() - began);
  TellHead();
  {
    MutexLock lock(mutex_);
    ledger_->Committed(drive_->head(), *entries);
  }
  for (const ShardEntry& entry : *entries) {
    environment_.metrics.CountStored(entry.blob.byte_length, entry.nar_size);
    environment_.outcomes.OnStored(entry.ref);
  }
  environment_.on_committed();
}

void ShardWriter::CloseWhenDormant() {
  if (drive_ == nullptr || staged_since_ || drive_->writing()) {
    return;
  }
  {
    MutexLock lock(mutex_);
    const bool recorded = ledger_ && ledger_->base() && ledger_->unrecorded() == 0 &&
                          ledger_->standing() == Standing::kWritable;
    if (!sealed_ || !recorded || !queue_.empty()) {
      return;
    }
  }
  drive_.reset();
}

void ShardWriter::Fail(const ShardEntry& entry, const Error& error) {
  environment_.outcomes.OnFailed(entry.ref, FailureOf(error));
}

void ShardWriter::FailStaged(const Error& error) {
  Log("shard")->error("append: {}", error.message);
  for (const ShardEntry& entry : drive_->Abort()) {
    Fail(entry, error);
  }
  staged_since_.reset();
  // From its last committed state, whatever the failed call left in memory.
  drive_.reset();
}

}  // namespace hnx::worker
