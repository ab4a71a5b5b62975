// IndexRecovery: what happens before an index worker appends its first block: it finds out how long
// the index is that others may have, and makes this data directory's drive that index (rule 8 of
// docs/ARCHITECTURE.md; every branch is in docs/STATE_MACHINE.md, "The index outlives its disk").
//
//   the drive here is whole       its holders, if any are configured, are asked: one must answer
//   the drive is missing, shorter than accepted, or shorter than a holder's
//                                 all holders must answer; the longest head is fetched from them
//   no holders, or one is silent  the operator's word (--accept-length) instead
//   the key was never used        (FILE.new beside it) an empty drive is made
//
// Blocking; threads: one at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hyper/drive/corestore.h"
#include "worker/data_directory.h"
#include "worker/recovery/index_holders.h"

namespace hnx::worker {

struct IndexRecoveryOptions {
  std::filesystem::path key_file;
  std::vector<std::string> holders;            // "HOST:PORT" each
  std::optional<swarm::SwarmOptions> swarm{};  // see IndexHolders
  // The operator's word: the index was never longer than so many blocks of its db core.
  std::optional<std::uint64_t> accept_length;
  // Build a lost index again from the publish log; holders are only asked.
  bool from_log = false;
  std::function<bool()> stopping;  // may be empty
  std::chrono::milliseconds answer_max = kHolderAnswerMax;
  std::chrono::milliseconds stall_max = kHolderStallMax;
};

// How the index stands when its worker begins.
struct IndexStart {
  hyper::PrimaryKey primary_key{};
  // Nothing may be written anew below these: accepted before, or with a holder, or the operator's
  // word.
  DataDirectory::IndexLengths known;
  std::optional<std::uint64_t> accept_length;
  std::optional<hyper::DriveKey> predecessor;
};

// Afterwards the drive is there, with its keys. kFailedPrecondition: it cannot be told how long the
// index was, and the message says who said what, and what to do.
Result<IndexStart> RecoverIndex(DataDirectory& data, const IndexRecoveryOptions& options);

}  // namespace hnx::worker
