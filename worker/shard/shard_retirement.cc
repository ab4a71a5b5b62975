// ShardWriter's part in retirement: entries go first, blocks when the head without the entries is
// recorded.
#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/core.h>

#include "base/log.h"
#include "worker/shard/shard_writer.h"

namespace hnx::worker {

// Only what is not under way. The coordinator asks again and again until it is told.
void ShardWriter::TakeRetirement(const Verdict& verdict) {
  DeleteFiles deletion;
  for (const std::string& file : verdict.delete_files) {
    if (deleting_.insert(file).second) {
      deletion.files.push_back(file);
    }
  }
  if (!deletion.files.empty()) {
    Push(std::move(deletion), 0);
  }
  ClearBlobs clearing;
  std::set<std::uint64_t> asked;
  for (const hyper::BlobId& blob : verdict.clear_blobs) {
    asked.insert(blob.block_offset);
    if (!cleared_.contains(blob.block_offset) && clearing_.insert(blob.block_offset).second) {
      clearing.blobs.push_back(blob);
    }
  }
  std::erase_if(cleared_, [&](std::uint64_t block) { return !asked.contains(block); });
  if (!clearing.blobs.empty()) {
    Push(std::move(clearing), 0);
  }
}

// A copy that the coordinator has not recorded is newer than what it asked to have removed.
bool ShardWriter::WasPutAgain(const std::string& file) const {
  MutexLock lock(mutex_);
  return ledger_ && ledger_->FindUnrecorded(file) != nullptr;
}

void ShardWriter::Handle(DeleteFiles& command) {
  auto drive = Drive();
  bool done = false;
  if (drive.has_value() && !(*drive)->writing()) {
    Commit();
    std::vector<std::string> files;
    std::copy_if(command.files.begin(), command.files.end(), std::back_inserter(files),
                 [this](const std::string& file) { return !WasPutAgain(file); });
    auto deleted = (*drive)->DeleteEntries(files);
    done = deleted.has_value();
    if (done) {
      TellHead();
      std::vector<ShardEntry> entries;
      for (std::string& file : files) {
        ShardEntry entry;
        entry.file = std::move(file);
        entry.deleted = true;
        entries.push_back(std::move(entry));
      }
      MutexLock lock(mutex_);
      ledger_->Committed((*drive)->head(), std::move(entries));
    } else {
      Log("shard")->warn("delete {} entries: {}; it is tried again", files.size(),
                         deleted.error().message);
      // From its last committed state, whatever the failed call left in memory.
      drive_.reset();
    }
  }
  {
    MutexLock lock(mutex_);
    for (const std::string& file : command.files) {
      deleting_.erase(file);
    }
  }
  if (done) {
    environment_.on_committed();
  }
}

void ShardWriter::Handle(ClearBlobs& command) {
  auto drive = Drive();
  std::set<std::uint64_t> done;
  if (drive.has_value() && !(*drive)->writing()) {
    Commit();
    for (const hyper::BlobId& blob : command.blobs) {
      auto cleared = (*drive)->Clear(blob);
      if (cleared.has_value()) {
        done.insert(blob.block_offset);
      } else if (cleared.error().code != ErrorCode::kUnavailable) {  // a reader is sending it
        Log("shard")->warn("clear the blocks of a retired NAR: {}; it is tried again",
                           cleared.error().message);
      }
    }
  }
  const bool any = !done.empty();
  {
    MutexLock lock(mutex_);
    for (const hyper::BlobId& blob : command.blobs) {
      clearing_.erase(blob.block_offset);
    }
    cleared_.merge(done);
  }
  if (any) {
    environment_.on_committed();
  }
}

}  // namespace hnx::worker
