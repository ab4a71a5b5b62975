#include "hyper/core/audit_findings.h"

#include <utility>

#include "hyper/codec/flat_tree.h"
#include "hyper/core/tree_store.h"

namespace hnx::hyper {

std::string NodeName(TreeIndex index) {
  return "node " + std::to_string(index.value());
}

std::string BlockName(BlockIndex block) {
  return "block " + std::to_string(block.value());
}

void AuditFindings::Add(AuditFinding finding) {
  ++report_.findings_total;
  if (options_.on_finding) {
    options_.on_finding(finding);
  }
  if (report_.findings.size() < options_.findings_max) {
    report_.findings.push_back(std::move(finding));
  }
}

void AuditFindings::At(CoreFile file, std::uint64_t offset, std::string message) {
  AuditFinding finding;
  finding.file = file;
  finding.offset = offset;
  finding.message = std::move(message);
  Add(std::move(finding));
}

void AuditFindings::Node(TreeIndex index, const std::string& message) {
  At(CoreFile::kTree, index.value() * kTreeSlotBytes, NodeName(index) + " " + message);
}

void AuditFindings::WrongNode(const TreeNode& seen, const TreeNode& right,
                              const std::string& message) {
  AuditFinding finding;
  finding.file = CoreFile::kTree;
  finding.offset = seen.index.value() * kTreeSlotBytes;
  finding.message = NodeName(seen.index) + " " + message;
  finding.kind = AuditFinding::Kind::kNode;
  finding.right = right;
  finding.seen = seen;
  Add(std::move(finding));
}

void AuditFindings::Children(const KnownNode& parent, TreeIndex at, const std::string& message) {
  AuditFinding finding;
  finding.file = CoreFile::kTree;
  finding.offset = at.value() * kTreeSlotBytes;
  finding.message = NodeName(at) + " " + message;
  finding.kind = AuditFinding::Kind::kChildren;
  finding.block = flat_tree::BlocksBelow(parent.node.index).begin;
  finding.right = parent.node;
  Add(std::move(finding));
}

void AuditFindings::Block(const KnownNode& leaf, std::uint64_t offset, std::string message) {
  AuditFinding finding;
  finding.file = CoreFile::kData;
  finding.offset = offset;
  finding.message = std::move(message);
  finding.kind = AuditFinding::Kind::kBlock;
  finding.block = flat_tree::BlockOf(leaf.node.index);
  finding.right = leaf.node;
  finding.bytes = {ByteOffset(leaf.begin), ByteOffset(leaf.begin + leaf.node.size)};
  Add(std::move(finding));
}

void AuditFindings::Zeros(const KnownNode& leaf) {
  AuditFinding finding;
  finding.block = flat_tree::BlockOf(leaf.node.index);
  finding.file = CoreFile::kBitfield;
  finding.offset = finding.block.value() / 8;
  finding.message = BlockName(finding.block) +
                    " is marked present, but data holds only zeros in its place, from byte " +
                    std::to_string(leaf.begin);
  finding.kind = AuditFinding::Kind::kBlock;
  finding.right = leaf.node;
  finding.bytes = {ByteOffset(leaf.begin), ByteOffset(leaf.begin + leaf.node.size)};
  finding.zeros = true;
  Add(std::move(finding));
}

void AuditFindings::Bit(const KnownNode& leaf, bool present, const std::string& message) {
  AuditFinding finding;
  finding.block = flat_tree::BlockOf(leaf.node.index);
  finding.file = CoreFile::kBitfield;
  finding.offset = finding.block.value() / 8;
  finding.message = BlockName(finding.block) + " " + message;
  finding.kind = AuditFinding::Kind::kBit;
  finding.right = leaf.node;
  finding.bytes = {ByteOffset(leaf.begin), ByteOffset(leaf.begin + leaf.node.size)};
  finding.present = present;
  Add(std::move(finding));
}

}  // namespace hnx::hyper
