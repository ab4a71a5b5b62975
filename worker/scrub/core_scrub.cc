#include "worker/scrub/core_scrub.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/log.h"
#include "hyper/codec/flat_tree.h"
#include "hyper/core/core_reader.h"
#include "hyper/core/tree_store.h"

namespace hnx::worker {
namespace {

using hyper::AuditFinding;
using Kind = AuditFinding::Kind;
using Outcome = hyper::CoreMender::Outcome;

// The kernel forgets what was read so far, and what comes next, once in so many bytes.
constexpr std::uint64_t kForgetBytes = std::uint64_t{4} << 20;
// Of tree and bitfield, for each block.
constexpr std::uint64_t kTreeBytesEach = 80;
// While something is not clear.
constexpr int kFurtherLooksMax = 4;
// From damage that nodes and bits around it put right.
constexpr const char* kFromTree = "tree";

const char* KindName(const AuditFinding& finding) {
  switch (finding.kind) {
    case Kind::kBlock:
      return "block";
    case Kind::kNode:
    case Kind::kChildren:
      return "node";
    case Kind::kBit:
      return "bit";
    default:
      return "other";
  }
}

}  // namespace

Result<std::vector<GivenUp>> CoreScrub::Run() {
  HNX_ASSIGN_OR_RETURN(auto files, hyper::FlatCoreStorage::OpenForMending(options_.folder));
  mender_ = std::make_unique<hyper::CoreMender>(
      std::move(files),
      [folder = options_.folder]() -> Result<std::unique_ptr<hyper::CoreStorage>> {
        HNX_ASSIGN_OR_RETURN(auto storage, hyper::FlatCoreStorage::OpenReadOnly(folder));
        return std::unique_ptr<hyper::CoreStorage>(std::move(storage));
      });
  for (bool end = false; !end;) {
    HNX_ASSIGN_OR_RETURN(const Stretch stretch, Read(false));
    HNX_ASSIGN_OR_RETURN(std::vector<AuditFinding> unclear, Mend(stretch.findings));
    // What was mended may have made clear what was not, and a writer may have been at work.
    for (int look = 0; look < kFurtherLooksMax && !unclear.empty(); ++look) {
      HNX_TRY(Clarify(unclear));
      HNX_ASSIGN_OR_RETURN(const Stretch again, Read(true));
      HNX_ASSIGN_OR_RETURN(unclear, Mend(again.findings));
    }
    for (const AuditFinding& finding : unclear) {
      GiveUp(finding, "",
             finding.file == hyper::CoreFile::kOplog
                 ? "its writer makes it anew when it flushes or starts next"
                 : "what it should be cannot be told from what is here");
    }
    end = stretch.end || stretch.end_block >= options_.end_block;
    round_.block = std::max(round_.block, stretch.end_block);
  }
  return std::move(given_up_);
}

// Nodes that nothing here tells come with a block below them from somebody else.
Result<void> CoreScrub::Clarify(const std::vector<AuditFinding>& unclear) {
  for (const AuditFinding& finding : unclear) {
    if (finding.kind != Kind::kChildren) {
      continue;
    }
    WantedBlocks wanted{options_.drive.key, options_.content, {}};
    wanted.blocks.emplace_back();
    wanted.blocks.back().block = finding.block;
    const auto [left, right] = hyper::flat_tree::Children(finding.right.index);
    for (BlockSource* source : parts_.sources) {
      const std::vector<hyper::TreeNode> nodes = source->Nodes(wanted, {left, right});
      if (nodes.size() != 2 || hyper::ParentOf(nodes[0], nodes[1]) != finding.right) {
        continue;
      }
      for (const hyper::TreeNode& node : nodes) {
        HNX_TRY(MendFrom(node, source->name()));
      }
      break;
    }
    if (parts_.pace.cancelled()) {
      return Error{ErrorCode::kCancelled, "the worker stops"};
    }
  }
  return {};
}

Result<void> CoreScrub::MendFrom(const hyper::TreeNode& right, const char* source) {
  HNX_ASSIGN_OR_RETURN(auto storage, hyper::FlatCoreStorage::OpenReadOnly(options_.folder));
  HNX_ASSIGN_OR_RETURN(const auto core, hyper::CoreReader::Open(std::move(storage)));
  AuditFinding finding;
  finding.file = hyper::CoreFile::kTree;
  finding.offset = right.index.value() * hyper::kTreeSlotBytes;
  finding.kind = Kind::kNode;
  finding.message = fmt::format("node {} is wrong", right.index.value());
  finding.right = right;
  HNX_ASSIGN_OR_RETURN(finding.seen, core->Node(right.index));
  if (finding.seen == right) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const Outcome outcome, mender_->MendNode(finding));
  Note(finding, outcome, source);
  return {};
}

Result<CoreScrub::Stretch> CoreScrub::Read(bool again) {
  HNX_ASSIGN_OR_RETURN(const auto storage, hyper::FlatCoreStorage::OpenReadOnly(options_.folder));
  for (const hyper::CoreFile file :
       {hyper::CoreFile::kOplog, hyper::CoreFile::kTree, hyper::CoreFile::kBitfield}) {
    storage->ForgetCached(file, 0, 0);
  }
  const std::uint64_t read_to = stretch_.end_block;
  const ScrubCounts counts = round_.counts;
  stretch_ = {};
  stretch_.end_block = round_.block;
  forgotten_to_ = 0;
  behind_damage_ = 0;
  hyper::AuditOptions audit;
  audit.first_block = hyper::BlockIndex(round_.block);
  audit.on_finding = [this](const AuditFinding& finding) {
    // What was given up stays what it is.
    if (stretch_.findings.size() < kScrubFindingsMax && !told_.contains(finding.ToString())) {
      stretch_.findings.push_back(finding);
    }
  };
  audit.on_block = [&](hyper::BlockIndex block, const hyper::ByteRange& bytes) -> Result<void> {
    HNX_TRY(OnBlock(*storage, block, bytes));
    return again && block.value() + 1 >= read_to ? Result<void>(Aborted("read again so far"))
                                                 : Result<void>();
  };
  const auto report = hyper::AuditCore(*storage, audit);
  if (again) {
    round_.counts = counts;  // counted before
  }
  if (!report.has_value() && report.error().code != ErrorCode::kAborted) {
    return report.error();
  }
  stretch_.end = report.has_value();
  return stretch_;
}

Result<void> CoreScrub::OnBlock(hyper::FlatCoreStorage& storage, hyper::BlockIndex block,
                                const hyper::ByteRange& bytes) {
  if (bytes.end.value() >= forgotten_to_) {
    const std::uint64_t from = bytes.begin.value() - std::min(bytes.begin.value(), kForgetBytes);
    storage.ForgetCached(hyper::CoreFile::kData, from, 3 * kForgetBytes);
    forgotten_to_ = bytes.end.value() + kForgetBytes;
  }
  const std::uint64_t read = bytes.length() + kTreeBytesEach;
  parts_.metrics.CountScrubbed(1, read);
  HNX_TRY(parts_.pace.Spend(read));
  ++round_.counts.blocks;
  round_.counts.bytes += read;
  stretch_.end_block = block.value() + 1;
  if (stretch_.findings.empty()) {
    round_.block = stretch_.end_block;
  }
  if (stretch_.end_block >= options_.end_block) {
    return Aborted("all that was to be read");
  }
  if (stretch_.findings.empty()) {
    return options_.on_progress();
  }
  // A restart begins again at what was not mended.
  behind_damage_ += read;
  return behind_damage_ >= kMendAfterBytes || stretch_.findings.size() >= kScrubFindingsMax
             ? Result<void>(Aborted("mend first"))
             : options_.on_progress();
}

void CoreScrub::Note(const AuditFinding& finding, Outcome outcome, const char* source) {
  if (outcome == Outcome::kSound) {
    return;
  }
  ++round_.counts.damaged;
  ++round_.counts.repaired;
  parts_.metrics.CountScrubDamage(KindName(finding));
  parts_.metrics.CountScrubRepair(source);
  Log("scrub")->warn("{}: {}; repaired ({})", options_.folder.string(), finding.ToString(), source);
}

void CoreScrub::GiveUp(const AuditFinding& finding, const std::string& file,
                       const std::string& why) {
  if (!told_.insert(finding.ToString()).second) {
    return;
  }
  ++round_.counts.damaged;
  ++round_.counts.given_up;
  parts_.metrics.CountScrubDamage(KindName(finding));
  parts_.metrics.CountScrubGivenUp();
  given_up_.push_back({file, fmt::format("{}{}: {}", file.empty() ? std::string() : file + ", ",
                                         finding.ToString(), why)});
  Log("scrub")->error("{}: {}", options_.folder.string(), given_up_.back().message);
}

Result<std::vector<AuditFinding>> CoreScrub::Mend(const std::vector<AuditFinding>& findings) {
  std::vector<const AuditFinding*> blocks;
  std::vector<AuditFinding> unclear;
  for (const AuditFinding& finding : findings) {
    if (finding.kind == Kind::kBlock) {
      blocks.push_back(&finding);
    } else if (finding.kind == Kind::kOther || finding.kind == Kind::kChildren) {
      unclear.push_back(finding);
    } else {
      HNX_ASSIGN_OR_RETURN(const Outcome outcome, finding.kind == Kind::kNode
                                                      ? mender_->MendNode(finding)
                                                      : mender_->MendBit(finding));
      Note(finding, outcome, kFromTree);
    }
  }
  if (!blocks.empty()) {
    HNX_TRY(MendBlocks(std::move(blocks)));
  }
  return unclear;
}

Result<void> CoreScrub::MendBlocks(std::vector<const AuditFinding*> left) {
  WantedBlocks wanted{options_.drive.key, options_.content, {}};
  for (const AuditFinding* finding : left) {
    WantedBlock block;
    block.block = finding->block;
    block.bytes = finding->bytes;
    wanted.blocks.push_back(std::move(block));
  }
  if (options_.name_files) {
    HNX_TRY(options_.name_files(wanted.blocks));
    HNX_TRY(MarkCleared(left, wanted));
  }
  std::string trouble;
  for (BlockSource* source : parts_.sources) {
    if (!left.empty()) {
      HNX_TRY(TryBlocks(*source, left, wanted, trouble));
    }
    if (parts_.pace.cancelled()) {
      return Error{ErrorCode::kCancelled, "the worker stops"};
    }
  }
  for (std::size_t i = 0; i < left.size(); ++i) {
    HNX_ASSIGN_OR_RETURN(const bool damaged, mender_->StillDamaged(*left[i]));
    if (damaged) {
      GiveUp(*left[i], wanted.blocks[i].file, trouble);
    }
  }
  return {};
}

Result<void> CoreScrub::MarkCleared(std::vector<const AuditFinding*>& left, WantedBlocks& wanted) {
  std::vector<const AuditFinding*> still;
  std::vector<WantedBlock> still_wanted;
  for (std::size_t i = 0; i < left.size(); ++i) {
    // Zeros: it was cleared, and the bit is wrong.
    if (!left[i]->zeros || !wanted.blocks[i].file.empty()) {
      still.push_back(left[i]);
      still_wanted.push_back(wanted.blocks[i]);
      continue;
    }
    HNX_ASSIGN_OR_RETURN(const Outcome outcome, mender_->MarkAbsent(*left[i]));
    Note(*left[i], outcome, kFromTree);
  }
  left = std::move(still);
  wanted.blocks = std::move(still_wanted);
  return {};
}

Result<void> CoreScrub::TryBlocks(BlockSource& source, std::vector<const AuditFinding*>& left,
                                  WantedBlocks& wanted, std::string& trouble) {
  std::string why;
  const FoundBlocks found = source.Get(wanted, &why);
  std::vector<const AuditFinding*> still;
  std::vector<WantedBlock> still_wanted;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const auto bytes = found.find(left[i]->block);
    const auto outcome =
        bytes == found.end()
            ? Result<Outcome>(NotFound(why.empty() ? std::string("it is not there") : why))
            : mender_->MendBlock(*left[i], bytes->second);
    if (outcome.has_value()) {
      Note(*left[i], *outcome, source.name());
      continue;
    }
    if (outcome.error().code == ErrorCode::kDataLoss) {
      return outcome.error();  // the disk does not keep what is written
    }
    why = outcome.error().message;
    still.push_back(left[i]);
    still_wanted.push_back(wanted.blocks[i]);
  }
  if (!still.empty()) {
    trouble += fmt::format("{}{}: {}", trouble.empty() ? "" : "; ", source.name(), why);
  }
  left = std::move(still);
  wanted.blocks = std::move(still_wanted);
  return {};
}

}  // namespace hnx::worker
