#include "hyper/replication/core_hub.h"

namespace hnx::hyper {
namespace {

void AddTo(CoreSessionStatistics& sum, const CoreSessionStatistics& more) {
  sum.blocks_up += more.blocks_up;
  sum.bytes_up += more.bytes_up;
  sum.blocks_down += more.blocks_down;
  sum.bytes_down += more.bytes_down;
  sum.requests_in += more.requests_in;
  sum.refused += more.refused;
}

}  // namespace

// Telling may close a session, which takes it off the list: the loops run over copies.

void CoreHub::Announce() {
  const std::vector<CoreSession*> all = sessions_;
  for (CoreSession* session : all) {
    session->Announce();
  }
}

void CoreHub::AnnounceBlocks(BlockRange blocks, bool drop) {
  const std::vector<CoreSession*> all = sessions_;
  for (CoreSession* session : all) {
    session->AnnounceBlocks(blocks, drop);
  }
}

void CoreHub::CloseAll() {
  const std::vector<CoreSession*> all = sessions_;
  for (CoreSession* session : all) {
    session->Close();
  }
}

CoreSessionStatistics CoreHub::statistics() const {
  CoreSessionStatistics sum = gone_;
  for (const CoreSession* session : sessions_) {
    AddTo(sum, session->statistics());
  }
  return sum;
}

void CoreHub::OnOpened(CoreSession& session) {
  if (downloader_) {
    downloader_->OnOpened(session);
  }
}

void CoreHub::OnRemoteChanged(CoreSession& session) {
  if (downloader_) {
    downloader_->OnRemoteChanged(session);
  }
}

Result<void> CoreHub::OnData(CoreSession& session, const DataMessage& data) {
  if (downloader_) {
    return downloader_->OnData(session, data);
  }
  // Nothing was asked for; but a peer may show a second tree under the owner's signature.
  const std::optional<UpgradeProof>& upgrade = data.proof.upgrade;
  if (data.request != 0 || !upgrade || upgrade->start != 0 || !on_conflict_ ||
      !session.TakeConflictClaim()) {
    return {};
  }
  const Result<std::optional<TreeConflict>> conflict =
      core_->JudgeConflict(data.proof, session.remote().sync.length);
  if (conflict && *conflict) {
    on_conflict_(**conflict);
  }
  return {};
}

Result<void> CoreHub::OnNoData(CoreSession& session, const NoDataMessage& no_data) {
  if (downloader_) {
    return downloader_->OnNoData(session, no_data);
  }
  return {};
}

void CoreHub::OnGone(CoreSession& session) {
  if (std::erase(sessions_, &session) == 0) {
    return;
  }
  AddTo(gone_, session.statistics());
  if (downloader_) {
    downloader_->OnGone(session);
  }
}

}  // namespace hnx::hyper
