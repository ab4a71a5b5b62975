// A Hyperbee in a vector of blocks, with the verbs of the tests, and a checker of the tree's rules.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/bee/bee_batch.h"
#include "hyper/bee/bee_snapshot.h"
#include "hyper/bee/bee_store.h"

namespace hnx::hyper {

class MemoryBee : public BeeBlocks {
 public:
  explicit MemoryBee(std::size_t cache_bytes_max = kBeeCacheBytesDefault)
      : store_(*this, cache_bytes_max) {}

  Result<Bytes> ReadBlock(std::uint64_t seq) const override;

  BeeStore& store() { return store_; }
  std::vector<Bytes>& blocks() { return blocks_; }
  std::uint64_t length() const { return blocks_.size(); }
  BeeSnapshot snapshot() const { return {store_, blocks_.size()}; }
  BeeBatch Batch() const { return {store_, blocks_.size()}; }
  void Append(std::vector<Bytes> blocks);

  void Put(const std::string& key, const std::string& value);
  bool Del(const std::string& key);
  std::optional<std::string> Get(const std::string& key) const;
  // As JavaScript's get finds it: with the reader's shortcut.
  std::optional<std::string> GetLikeJavaScript(const std::string& key) const;
  std::vector<std::pair<std::string, std::string>> List(BeeRangeOptions options = {}) const;

  // Empty, or what rule of the tree is broken: node sizes, equal depth of leaves, order.
  std::string BrokenRule() const;

 private:
  std::vector<Bytes> blocks_;
  BeeStore store_;
};

using Model = std::map<std::string, std::string>;
std::vector<std::pair<std::string, std::string>> Items(const Model& model);

}  // namespace hnx::hyper
