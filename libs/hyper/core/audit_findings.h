// AuditFindings: what an audit says of each fault that it finds. Internal to this folder.
#pragma once

#include <cstdint>
#include <string>

#include "hyper/core/audit.h"

namespace hnx::hyper {

std::string NodeName(TreeIndex index);
std::string BlockName(BlockIndex block);

// A node that is known to be right, and where the bytes below it begin.
struct KnownNode {
  TreeNode node;
  std::uint64_t begin;
};

class AuditFindings {
 public:
  // Both must outlive it.
  AuditFindings(const AuditOptions& options, AuditReport& report)
      : options_(options), report_(report) {}

  void At(CoreFile file, std::uint64_t offset, std::string message);
  void Node(TreeIndex index, const std::string& message);
  // Of which is known what it should be.
  void WrongNode(const TreeNode& seen, const TreeNode& right, const std::string& message);
  void Children(const KnownNode& parent, TreeIndex at, const std::string& message);
  void Block(const KnownNode& leaf, std::uint64_t offset, std::string message);
  void Zeros(const KnownNode& leaf);
  // `present`: what it should be.
  void Bit(const KnownNode& leaf, bool present, const std::string& message);

 private:
  void Add(AuditFinding finding);

  const AuditOptions& options_;
  AuditReport& report_;
};

}  // namespace hnx::hyper
