#include "hyper/node/remote_drive_cores.h"

#include <utility>

#include "base/log.h"
#include "hyper/drive/content_core.h"
#include "hyper/storage/flat_core_storage.h"
#include "hyper/storage/frozen_mark.h"

namespace hnx::hyper {
namespace {

constexpr int kHeaderPriority = 2;
constexpr int kDbPriority = 1;
constexpr int kContentPriority = 0;

}  // namespace

RemoteDriveCores::RemoteDriveCores(std::shared_ptr<NodeLoop> node, const CoreKey& key,
                                   RemoteDriveOptions options)
    : node_(std::move(node)),
      options_(std::move(options)),
      db_(std::make_shared<RemoteCore>(node_, key,
                                       CoreFolder(options_.folder, DiscoveryKeyOf(key)))) {}

RemoteDriveCores::Now RemoteDriveCores::now() const {
  const MutexLock lock(mutex_);
  return now_;
}

Result<void> RemoteDriveCores::Open(std::unique_ptr<Corestore> store,
                                    std::unique_ptr<ReplicaCore> db) {
  Replicator* const replicator = node_->replicator();
  if (replicator == nullptr) {
    return Error{ErrorCode::kCancelled, "the peer node has stopped"};
  }
  {
    const MutexLock lock(mutex_);
    db_length_ = db->length();
  }
  const bool has_head = db->length() > 0;
  const auto db_folder = CoreFolder(options_.folder, DiscoveryKeyOf(db->key()));
  if (IsMarkedFrozen(db_folder)) {
    // It is there as it was after the conflict: whoever reads is told why not.
    End(FrozenError(db_folder, CoreKeyId(db->key())));
    return {};
  }
  HNX_ASSIGN_OR_RETURN(Downloader* const downloader,
                       replicator->AddReplica(std::move(db), db_folder));
  store_ = std::move(store);
  node_->Watch(db_->key(), weak_from_this());
  node_->SetTopic(db_->key(), {.announce = options_.announce, .lookup = options_.lookup});
  downloader->SetFollow(options_.follow);
  if (has_head) {
    AskForContentKey();
  }
  return {};
}

void RemoteDriveCores::Close() {
  Replicator* const replicator = node_->replicator();
  if (replicator != nullptr) {
    node_->SetTopic(db_->key(), {});
    replicator->RemoveCore(db_->key());
    node_->Unwatch(db_->key());
    if (const Now now = this->now(); now.content) {
      replicator->RemoveCore(now.content->key());
      node_->Unwatch(now.content->key());
    }
  }
  store_.reset();
  End(Error{ErrorCode::kCancelled, "drive " + CoreKeyId(db_->key()) + " was closed"});
}

void RemoteDriveCores::End(Error why) {
  {
    const MutexLock lock(mutex_);
    if (!now_.ended) {
      now_.ended = std::move(why);
    }
  }
  signal_->Notify();
}

void RemoteDriveCores::OnNodeStopped() {
  store_.reset();
  End(Error{ErrorCode::kCancelled, "the peer node has stopped"});
}

void RemoteDriveCores::OnCoreFrozen(const CoreKey& core) {
  End(DataLoss("core " + CoreKeyId(core) +
               ": its owner signed two different trees; it is frozen for ever"));
}

// The first block of the db names the content core, or the manifest does.
void RemoteDriveCores::AskForContentKey() {
  const Result<Downloader*> downloader = db_->downloader();
  if (!downloader || std::exchange(asked_, true)) {
    return;
  }
  const Result<FetchId> fetch =
      (*downloader)
          ->Fetch(BlockIndex(0), kHeaderPriority, [weak = weak_from_this()](Result<Bytes> header) {
            const auto self = weak.lock();
            if (!self || (!header && header.error().code == ErrorCode::kCancelled)) {
              return;
            }
            const Result<void> opened =
                header ? self->OpenContent(*header) : Result<void>(header.error());
            if (!opened) {
              Log("peers")->warn("drive {}: {}", CoreKeyId(self->db_->key()),
                                 opened.error().ToString());
              self->End(opened.error());
            }
          });
  if (!fetch) {
    asked_ = false;  // with the next head
  }
}

Result<void> RemoteDriveCores::OpenContent(const Bytes& header) {
  Replicator* const replicator = node_->replicator();
  if (replicator == nullptr || store_ == nullptr) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(Downloader* const db, db_->downloader());
  HNX_ASSIGN_OR_RETURN(const CoreKey key,
                       ContentKeyOf(header, db->replica().manifest(), db_->key()));
  if (key == db_->key()) {
    return DataLoss("its content core is said to be its db core");
  }
  HNX_ASSIGN_OR_RETURN(auto replica, store_->OpenReplica(key));
  const std::uint64_t length = replica->length();
  const auto folder = CoreFolder(options_.folder, DiscoveryKeyOf(key));
  HNX_ASSIGN_OR_RETURN(Downloader* const downloader,
                       replicator->AddReplica(std::move(replica), folder));
  node_->Watch(key, weak_from_this());
  {
    const MutexLock lock(mutex_);
    now_.content = std::make_shared<RemoteCore>(node_, key, folder);
    now_.content_length = length;
    now_.version = db_length_;
  }
  downloader->SetFollow(options_.follow);
  ApplyKeep();
  signal_->Notify();
  return {};
}

void RemoteDriveCores::OnCoreHead(const CoreKey& core, const CoreHead& head) {
  const bool is_db = core == db_->key();
  {
    const MutexLock lock(mutex_);
    if (is_db) {
      db_length_ = head.length;
      if (now_.content) {
        now_.version = head.length;
      }
    } else {
      now_.content_length = head.length;
    }
  }
  if (is_db) {
    AskForContentKey();
  }
  signal_->Notify();
}

void RemoteDriveCores::OnCoreBlocks(const CoreKey& core, BlockRange /*blocks*/) {
  if (core == db_->key() && !content_selection_) {
    ApplyKeep();
  }
  signal_->Notify();
}

void RemoteDriveCores::SetKeep(RemoteDrive::Keep keep) {
  keep_ = keep;
  ApplyKeep();
}

// The db first: until it is here, the content's blocks would take its peers' time.
void RemoteDriveCores::ApplyKeep() {
  const Result<Downloader*> db = db_->downloader();
  if (!db) {
    return;
  }
  const auto adjust = [](Downloader& downloader, std::optional<SelectionId>& selection, bool wanted,
                         int priority) {
    if (wanted && !selection) {
      const Result<SelectionId> made = downloader.Select(
          {.blocks = {}, .to_head = true, .priority = priority, .on_complete = {}});
      if (made) {
        selection = *made;
      }
    } else if (!wanted && selection) {
      downloader.Deselect(*std::exchange(selection, std::nullopt));
    }
  };
  adjust(**db, db_selection_, keep_ != RemoteDrive::Keep::kSparse, kDbPriority);
  const Now now = this->now();
  if (!now.content) {
    return;
  }
  const Result<Downloader*> content = now.content->downloader();
  const ReplicaCore& replica = (*db)->replica();
  const bool db_is_here = replica.contiguous_length() >= replica.length();
  if (content) {
    adjust(**content, content_selection_,
           keep_ == RemoteDrive::Keep::kWhole && (db_is_here || content_selection_),
           kContentPriority);
  }
}

}  // namespace hnx::hyper
