// IndexSource: the index drive that a rescan reads, at one version: a folder of this machine, or
// fetched from peers into a folder first. Nothing but the drive's key is trusted.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "hyper/drive/drive_view.h"
#include "hyper/node/peer_node.h"
#include "hyper/node/remote_drive.h"

namespace hnx::coordinator {

struct IndexSourceOptions {
  // The drive's own folder, or with a key one that has it as <id>. Empty: from `peers`.
  std::string folder;
  std::string mirror;              // hyper://KEY or KEY; empty: whatever drive is in the folder
  std::vector<std::string> peers;  // HOST:PORT
  std::filesystem::path cache;     // where it is fetched to; goes on where an earlier fetch stopped
};

class IndexSource {
 public:
  // kInvalidArgument: neither a folder, nor a key with peers. kNotFound: no drive there.
  // kUnavailable, kDeadlineExceeded: no peer has all of it.
  static Result<IndexSource> Open(const IndexSourceOptions& options);

  const hyper::DriveView& view() const { return *view_; }

 private:
  // Closed in the opposite order.
  std::unique_ptr<hyper::PeerNode> node_;
  std::shared_ptr<hyper::RemoteDrive> drive_;
  std::shared_ptr<const hyper::DriveView> view_;
};

}  // namespace hnx::coordinator
