#include "worker/publish/batch_applier.h"

#include <utility>

#include <fmt/core.h>

#include "base/crash_point.h"

namespace hnx::worker {

namespace pb = hypercore_nixos::v1;

Result<std::unique_ptr<BatchApplier>> BatchApplier::Begin(hyper::Hyperdrive& drive) {
  HNX_ASSIGN_OR_RETURN(auto batch, drive.BeginBatch());
  return std::unique_ptr<BatchApplier>(new BatchApplier(std::move(batch)));
}

Result<void> BatchApplier::Apply(const pb::PublishOperation& operation) {
  if (operation.operation_case() == pb::PublishOperation::kMore) {
    if (!file_) {
      return InvalidArgument("a piece of a file without a file before it");
    }
    return Append(operation.more());
  }
  HNX_TRY(EndFile());
  switch (operation.operation_case()) {
    case pb::PublishOperation::kPut:
      return BeginFile(operation.put());
    case pb::PublishOperation::kLink: {
      const pb::PutLink& link = operation.link();
      return batch_->Symlink(link.path(), link.linkname(),
                             link.metadata_json().empty() ? "null" : link.metadata_json());
    }
    case pb::PublishOperation::kRemove:
      return batch_->Del(operation.remove());
    default:
      return InvalidArgument("an operation of a kind that this version does not know; update it");
  }
}

Result<void> BatchApplier::BeginFile(const pb::PutFile& put) {
  HNX_ASSIGN_OR_RETURN(auto stream, batch_->OpenWrite(put.path()));
  stream_.emplace(std::move(stream));
  file_ = File{};
  file_->path = put.path();
  file_->size = put.size();
  file_->sha256 = put.sha256();
  return Append(put.data());
}

Result<void> BatchApplier::Append(const std::string& data) {
  file_->written += data.size();
  if (file_->written > file_->size) {
    return DataLoss(fmt::format("{}: more than its {} bytes", file_->path, file_->size));
  }
  file_->hasher.Update(AsBytes(data));
  return stream_->Write(AsBytes(data));
}

Result<void> BatchApplier::EndFile() {
  if (!file_) {
    return {};
  }
  if (file_->written != file_->size) {
    return DataLoss(
        fmt::format("{}: {} of {} bytes came", file_->path, file_->written, file_->size));
  }
  const nix::Sha256Digest digest = file_->hasher.Finish();
  if (AsText(digest) != file_->sha256) {
    return DataLoss(fmt::format("{}: its SHA-256 is not the one in the log", file_->path));
  }
  file_.reset();
  HNX_TRY(stream_->Finish());
  stream_.reset();
  return {};
}

Result<hyper::DriveHead> BatchApplier::Commit() {
  HNX_TRY(EndFile());
  CrashPoint("index.after_apply");
  HNX_ASSIGN_OR_RETURN(const auto head, batch_->Commit());
  CrashPoint("index.after_commit");
  return head;
}

}  // namespace hnx::worker
