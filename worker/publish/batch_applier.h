// BatchApplier: turns the operations of one publish batch into one DriveBatch. What it writes is a
// pure function of the operations and of the drive before them: no clock, no chance, no order of
// its own. Files are streamed; each must have the size and the SHA-256 that its `put` names.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "hyper/drive/hyperdrive.h"
#include "hypercore_nixos/v1/coordinator.pb.h"
#include "nix/hash.h"

namespace hnx::worker {

class BatchApplier {
 public:
  // `drive` must outlive the applier. kFailedPrecondition: another batch is open.
  static Result<std::unique_ptr<BatchApplier>> Begin(hyper::Hyperdrive& drive);

  // kDataLoss: a file's size or hash is not what was said. kInvalidArgument: the operations make no
  // sense. After an error the applier must be dropped; nothing was written then.
  Result<void> Apply(const hypercore_nixos::v1::PublishOperation& operation);
  // Durable when it returns.
  Result<hyper::DriveHead> Commit();

 private:
  explicit BatchApplier(std::unique_ptr<hyper::DriveBatch> batch) : batch_(std::move(batch)) {}
  Result<void> BeginFile(const hypercore_nixos::v1::PutFile& put);
  Result<void> Append(const std::string& data);
  Result<void> EndFile();

  struct File {
    std::string path;
    std::uint64_t size = 0;
    std::string sha256;
    std::uint64_t written = 0;
    nix::Sha256 hasher;
  };

  std::unique_ptr<hyper::DriveBatch> batch_;
  std::optional<File> file_;
  std::optional<hyper::DriveWriteStream> stream_;
};

}  // namespace hnx::worker
