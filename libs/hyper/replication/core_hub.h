// CoreHub: one core of this process and all its sessions: what one of them must know of the core is
// told to all. With a Downloader, what peers answer goes to it.
//
// Threads: that of the Replicator.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "hyper/replication/core_session.h"
#include "hyper/replication/downloader.h"
#include "hyper/replication/served_core.h"

namespace hnx::hyper {

class CoreHub final : public CoreSessionEvents {
 public:
  explicit CoreHub(std::unique_ptr<ServedCore> core) : core_(std::move(core)) {}
  ~CoreHub() override = default;
  CoreHub(const CoreHub&) = delete;
  CoreHub& operator=(const CoreHub&) = delete;
  CoreHub(CoreHub&&) = delete;
  CoreHub& operator=(CoreHub&&) = delete;

  ServedCore& core() { return *core_; }
  Downloader* downloader() { return downloader_.get(); }
  void SetDownloader(std::unique_ptr<Downloader> downloader) {
    downloader_ = std::move(downloader);
  }
  // Called when a peer proved that the owner signed two trees (without a Downloader, which finds
  // that out by itself).
  void SetOnConflict(std::function<void(const TreeConflict&)> on_conflict) {
    on_conflict_ = std::move(on_conflict);
  }
  // All that are not closed, opened or not.
  const std::vector<CoreSession*>& sessions() const { return sessions_; }
  void Add(CoreSession& session) { sessions_.push_back(&session); }

  // Head, manifest or `downloading` changed.
  void Announce();
  void AnnounceBlocks(BlockRange blocks, bool drop);
  // Closes all sessions.
  void CloseAll();

  // Of sessions that are gone, and with those that are there.
  CoreSessionStatistics statistics() const;

  bool downloading() const override { return downloader_ && downloader_->downloading(); }
  void OnOpened(CoreSession& session) override;
  void OnRemoteChanged(CoreSession& session) override;
  Result<void> OnData(CoreSession& session, const DataMessage& data) override;
  Result<void> OnNoData(CoreSession& session, const NoDataMessage& no_data) override;
  void OnGone(CoreSession& session) override;

 private:
  std::unique_ptr<ServedCore> core_;
  std::unique_ptr<Downloader> downloader_;
  std::function<void(const TreeConflict&)> on_conflict_;
  std::vector<CoreSession*> sessions_;
  CoreSessionStatistics gone_;
};

}  // namespace hnx::hyper
