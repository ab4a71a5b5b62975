// DriveSource: from an address to an open drive: out of the folders given with --drives, else from
// peers.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "hyp/drive_folders.h"
#include "hyp/opened_mirror.h"
#include "hyp/peer_options.h"
#include "hyper/drive/drive_key.h"
#include "hyper/node/read_limits.h"

namespace hnx::hyp {

struct DriveSource {
  DriveFolders folders;
  PeerOptions peers;

  void AddTo(CLI::App& command);

  struct Wish {
    // Ends reads from peers; none: only the times do.
    std::shared_ptr<hyper::Cancellation> cancellation = {};
    // Where what is fetched is kept, instead of the data folder, until it is given back.
    std::optional<std::filesystem::path> keep_in = {};
    // Nothing is given back, and no other process may use the folder: a later hyp seed --data of it
    // serves what was fetched.
    bool keep_for_good = false;
  };
  // kInvalidArgument: to be kept for good, but not read from peers. kFailedPrecondition: another
  // process has the folder. kNotFound: not in the folders, and peers are not wanted.
  // kDeadlineExceeded: nobody who has it was found in time.
  Result<std::unique_ptr<OpenedMirror>> Open(const hyper::DriveKey& key, const Wish& wish) const;
  Result<std::unique_ptr<OpenedMirror>> Open(const hyper::DriveKey& key) const {
    return Open(key, Wish{});
  }
};

}  // namespace hnx::hyp
