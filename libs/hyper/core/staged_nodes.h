// Nodes that are not recorded yet, over those that are.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "hyper/core/tree_nodes.h"

namespace hnx::hyper {

class StagedNodes final : public TreeNodes {
 public:
  // `recorded` must outlive this.
  explicit StagedNodes(TreeNodes& recorded) : recorded_(recorded) {}

  Result<TreeNode> Get(TreeIndex index) override {
    const auto staged = staged_.find(index);
    if (staged != staged_.end()) {
      return staged->second;
    }
    return recorded_.Get(index);
  }
  std::string Name() const override { return recorded_.Name(); }

  // True when it was not there.
  bool Stage(const TreeNode& node) { return staged_.emplace(node.index, node).second; }
  void Unstage(TreeIndex index) { staged_.erase(index); }
  void Clear() { staged_.clear(); }
  const std::map<TreeIndex, TreeNode>& staged() const { return staged_; }

 private:
  TreeNodes& recorded_;
  std::map<TreeIndex, TreeNode> staged_;
};

}  // namespace hnx::hyper
