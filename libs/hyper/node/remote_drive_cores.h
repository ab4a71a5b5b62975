// RemoteDriveCores: the two replicas of a RemoteDrive on the loop: the content core is opened when
// the db core tells its key. Internal to this folder.
#pragma once

#include <memory>
#include <optional>

#include "base/mutex.h"
#include "base/result.h"
#include "hyper/drive/corestore.h"
#include "hyper/node/node_loop.h"
#include "hyper/node/remote_core.h"
#include "hyper/node/remote_drive.h"
#include "hyper/node/signal.h"

namespace hnx::hyper {

class RemoteDriveCores final : public CoreWatcher,
                               public std::enable_shared_from_this<RemoteDriveCores> {
 public:
  RemoteDriveCores(std::shared_ptr<NodeLoop> node, const CoreKey& key, RemoteDriveOptions options);

  // -- Threads: any
  const RemoteDriveOptions& options() const { return options_; }
  NodeLoop& node() const { return *node_; }
  const std::shared_ptr<RemoteCore>& db() const { return db_; }
  // Notified when anything of Now() changes, when blocks arrive, when peers come and go.
  const std::shared_ptr<Signal>& signal() const { return signal_; }
  struct Now {
    std::uint64_t version = 0;  // 0 until the content core is known too
    std::uint64_t content_length = 0;
    std::shared_ptr<RemoteCore> content;
    // Why nothing more will come.
    std::optional<Error> ended;
  };
  Now now() const HNX_EXCLUDES(mutex_);

  // -- Threads: the loop's
  Result<void> Open(std::unique_ptr<Corestore> store, std::unique_ptr<ReplicaCore> db);
  void Close();
  void SetKeep(RemoteDrive::Keep keep);

  void OnCoreHead(const CoreKey& core, const CoreHead& head) override;
  void OnCoreHeadConfirmed(const CoreKey& /*core*/) override { signal_->Notify(); }
  void OnCoreBlocks(const CoreKey& core, BlockRange blocks) override;
  void OnCoreFrozen(const CoreKey& core) override;
  void OnPeersChanged() override { signal_->Notify(); }
  void OnNodeStopped() override;

 private:
  void AskForContentKey();
  Result<void> OpenContent(const Bytes& header);
  void ApplyKeep();
  void End(Error why) HNX_EXCLUDES(mutex_);

  const std::shared_ptr<NodeLoop> node_;
  const RemoteDriveOptions options_;
  const std::shared_ptr<RemoteCore> db_;
  const std::shared_ptr<Signal> signal_ = std::make_shared<Signal>();

  // Of the loop.
  std::unique_ptr<Corestore> store_;
  bool asked_ = false;
  RemoteDrive::Keep keep_ = RemoteDrive::Keep::kSparse;
  std::optional<SelectionId> db_selection_;
  std::optional<SelectionId> content_selection_;

  mutable Mutex mutex_;
  std::uint64_t db_length_ HNX_GUARDED_BY(mutex_) = 0;
  Now now_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::hyper
