#include "memory_bee.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

namespace hnx::hyper {

namespace {

// The depth of the leaves below a node; an error text when a rule is broken.
struct Walk {
  std::size_t leaf_depth = 0;
  std::string broken;
};

Walk Check(const BeeStore& store, std::uint64_t version, BeeChild place, bool is_root) {
  const auto node = OpenBeeNode(store, version, place, std::nullopt);
  if (!node) {
    return {0, node.error().ToString()};
  }
  const BeeLevel& level = node->level();
  if (level.keys.size() > kBeeMaxKeys || (!is_root && level.keys.size() < kBeeMinKeys)) {
    return {0,
            fmt::format("node ({}, {}) has {} keys", place.seq, place.offset, level.keys.size())};
  }
  std::optional<std::size_t> depth;
  for (const BeeChild& child : level.children) {
    if (child.seq > place.seq) {
      return {0, fmt::format("a child of ({}, {}) lies after it", place.seq, place.offset)};
    }
    const Walk below = Check(store, version, child, false);
    if (!below.broken.empty()) {
      return below;
    }
    if (depth && *depth != below.leaf_depth) {
      return {0, fmt::format("leaves below ({}, {}) differ in depth", place.seq, place.offset)};
    }
    depth = below.leaf_depth;
  }
  return {depth ? *depth + 1 : 0, ""};
}

}  // namespace

Result<Bytes> MemoryBee::ReadBlock(std::uint64_t seq) const {
  if (seq >= blocks_.size()) {
    return Error{ErrorCode::kOutOfRange, "beyond the end"};
  }
  return blocks_[seq];
}

void MemoryBee::Append(std::vector<Bytes> blocks) {
  for (Bytes& block : blocks) {
    blocks_.push_back(std::move(block));
  }
}

void MemoryBee::Put(const std::string& key, const std::string& value) {
  BeeBatch batch = Batch();
  ASSERT_TRUE(batch.Put(AsBytes(key), AsBytes(value)).has_value());
  Append(std::move(batch).Encode());
}

bool MemoryBee::Del(const std::string& key) {
  BeeBatch batch = Batch();
  const auto found = batch.Del(AsBytes(key));
  EXPECT_TRUE(found.has_value());
  Append(std::move(batch).Encode());
  return found.value_or(false);
}

std::optional<std::string> MemoryBee::Get(const std::string& key) const {
  const auto entry = snapshot().Get(AsBytes(key));
  EXPECT_TRUE(entry.has_value()) << entry.error().ToString();
  if (!entry || !*entry) {
    return std::nullopt;
  }
  return ToString((*entry)->value);
}

std::optional<std::string> MemoryBee::GetLikeJavaScript(const std::string& key) const {
  if (length() < 2) {
    return std::nullopt;
  }
  BeeChild place{length() - 1, 0};
  while (true) {
    const auto node = OpenBeeNode(store_, length(), place, std::nullopt);
    EXPECT_TRUE(node.has_value());
    if (AsText(node->block->key) == key) {
      return node->block->value ? std::optional(ToString(*node->block->value)) : std::nullopt;
    }
    const BeeLevel& level = node->level();
    std::size_t i = 0;
    for (; i < level.keys.size(); ++i) {
      const auto holder = store_.Node(level.keys[i]);
      EXPECT_TRUE(holder.has_value());
      const int order = CompareBeeKeys(AsBytes(key), (*holder)->key);
      if (order == 0) {
        return ToString((*holder)->value.value_or(Bytes{}));
      }
      if (order < 0) {
        break;
      }
    }
    if (level.is_leaf()) {
      return std::nullopt;
    }
    place = level.children[i];
  }
}

std::vector<std::pair<std::string, std::string>> MemoryBee::List(BeeRangeOptions options) const {
  std::vector<std::pair<std::string, std::string>> items;
  BeeRange range = snapshot().Range(std::move(options));
  while (true) {
    auto entry = range.Next();
    EXPECT_TRUE(entry.has_value()) << entry.error().ToString();
    if (!entry || !*entry) {
      return items;
    }
    items.emplace_back(ToString((*entry)->key), ToString((*entry)->value));
  }
}

std::string MemoryBee::BrokenRule() const {
  if (length() < 2) {
    return "";
  }
  return Check(store_, length(), {length() - 1, 0}, true).broken;
}

std::vector<std::pair<std::string, std::string>> Items(const Model& model) {
  return {model.begin(), model.end()};
}

}  // namespace hnx::hyper
