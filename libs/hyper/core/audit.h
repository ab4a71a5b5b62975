// Audit: checks a whole core, every block and node, and names the file and the place of whatever is
// wrong. It reads everything once and holds no more than a few pages.
//
// A flipped bit is found in: either header slot and any entry of `oplog` (checksums), every node of
// `tree` (hashes up to the signed roots) and every slot that must be blank, every bit of `bitfield`
// (against the bytes in `data`; beyond the length it must be zero), every present block of `data`.
// Not checked, because nothing there means anything: bytes of `oplog` behind a header within its
// slot, entries left by an older header, bytes of `data` beyond the committed length, the inside of
// cleared blocks, slots that pending oplog entries are about to overwrite, bits of absent blocks in
// a copy of somebody else's core (which may have them in `data` already). An empty block's bit
// cannot be checked either, nor a cleared bit over a block of zeros behind the first cleared one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hyper/core/core_storage.h"
#include "hyper/core/merkle_tree.h"

namespace hnx::hyper {

// Findings beyond this are counted, not kept.
inline constexpr std::size_t kAuditFindingsMax = 100;

struct AuditFinding {
  // What CoreMender can put right of it.
  enum class Kind {
    kOther,  // nothing
    kBlock,  // with the bytes of `block`, which hash to the leaf `right`
    kNode,   // by writing `right`, which was proven up to the signed roots, over `seen`
    kBit,    // by marking `block` present, or absent
    // With a proof of somebody else's: the children of the node `right`, which is right, are not,
    // and cannot be told from what is here. `block` is the first one below.
    kChildren,
  };

  CoreFile file = CoreFile::kOplog;
  std::uint64_t offset = 0;  // byte in that file where the damaged thing begins
  std::string message;       // names the thing: "block 17", "node 34", "header slot 1"
  Kind kind = Kind::kOther;
  BlockIndex block{0};
  // kNode, kChildren; kBlock, kBit: the block's leaf.
  TreeNode right{TreeIndex(0), 0, {}};
  TreeNode seen{TreeIndex(0), 0, {}};  // kNode
  ByteRange bytes;                     // kBlock, kBit: where the block lies in `data`
  bool present = false;                // kBit: what is right
  bool zeros = false;  // kBlock: only zeros are there, so it may be the bit that is wrong

  // "<file> at byte <offset>: <message>"
  std::string ToString() const;
};

struct AuditReport {
  std::vector<AuditFinding> findings;
  std::uint64_t findings_total = 0;
  std::uint64_t nodes_checked = 0;
  std::uint64_t blocks_checked = 0;
  std::uint64_t bytes_checked = 0;
  std::uint64_t blocks_absent = 0;  // cleared

  bool clean() const { return findings_total == 0; }
};

// Called now and then with the bytes of `data` checked since the last call.
using AuditProgress = std::function<void(std::uint64_t bytes)>;

struct AuditOptions {
  AuditProgress progress;
  // Subtrees that end before it are passed over.
  BlockIndex first_block{0};
  // After each block, with the bytes read for it; its error ends the audit. It may wait.
  std::function<Result<void>(BlockIndex block, const ByteRange& bytes)> on_block;
  // Each finding when it is made, before the blocks below it. Once more when a writer cut a tail
  // meanwhile, so that all is looked at again; so whoever acts on it looks again, too.
  std::function<void(const AuditFinding&)> on_finding;
  std::size_t findings_max = kAuditFindingsMax;  // kept in the report
};

// Changes nothing, so it may run on read-only storage and beside a writer. An Error is a failure to
// read (kNotFound: no core there); damage is a finding.
Result<AuditReport> AuditCore(CoreStorage& storage, const AuditOptions& options);
Result<AuditReport> AuditCore(CoreStorage& storage, const AuditProgress& progress = {});

}  // namespace hnx::hyper
