#include "hyper/bee/bee_snapshot.h"

#include <utility>

#include <fmt/core.h>

#include "base/check.h"

namespace hnx::hyper {

namespace {

BeeEntry ToEntry(std::uint64_t seq, const BeeNode& node) {
  return BeeEntry{seq, node.key, node.value.value_or(Bytes{})};
}

}  // namespace

Result<std::optional<BeeEntry>> BeeSnapshot::Get(ByteView key) const {
  if (empty()) {
    return std::optional<BeeEntry>();
  }
  HNX_ASSIGN_OR_RETURN(BeePlace node,
                       OpenBeeNode(*store_, version_, {version_ - 1, 0}, std::nullopt));
  for (std::size_t depth = 0; depth < kBeeDepthMax; ++depth) {
    const BeeLevel& level = node.level();
    std::size_t low = 0;
    std::size_t high = level.keys.size();
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      HNX_ASSIGN_OR_RETURN(const auto holder, OpenBeeKey(*store_, version_, level.keys[middle]));
      const int order = CompareBeeKeys(key, holder->key);
      if (order == 0) {
        return std::optional<BeeEntry>(ToEntry(level.keys[middle], *holder));
      }
      (order < 0 ? high : low) = order < 0 ? middle : middle + 1;
    }
    if (level.is_leaf()) {
      return std::optional<BeeEntry>();
    }
    HNX_ASSIGN_OR_RETURN(node, OpenBeeNode(*store_, version_, level.children[low], node.seq));
  }
  return BeeTooDeep(version_);
}

BeeRange BeeSnapshot::Range(BeeRangeOptions options) const {
  return {*store_, version_, std::move(options)};
}

BeeRange::BeeRange(const BeeStore& store, std::uint64_t version, BeeRangeOptions options)
    : store_(&store), version_(version), options_(std::move(options)) {
  HNX_CHECK(!(options_.gt && options_.gte) && !(options_.lt && options_.lte));
}

Result<void> BeeRange::Push(BeeChild place, std::optional<std::uint64_t> parent_seq) {
  if (stack_.size() == kBeeDepthMax) {
    return BeeTooDeep(version_);
  }
  HNX_ASSIGN_OR_RETURN(BeePlace node, OpenBeeNode(*store_, version_, place, parent_seq));
  stack_.push_back(Frame{std::move(node), 0});
  return {};
}

Result<bool> BeeRange::IsBeforeStart(std::uint64_t key_seq) const {
  const auto& exclusive = options_.reverse ? options_.lt : options_.gt;
  const auto& inclusive = options_.reverse ? options_.lte : options_.gte;
  if (!exclusive && !inclusive) {
    return false;
  }
  HNX_ASSIGN_OR_RETURN(const auto holder, OpenBeeKey(*store_, version_, key_seq));
  const int order = CompareBeeKeys(holder->key, exclusive ? *exclusive : *inclusive);
  if (order == 0) {
    return exclusive.has_value();
  }
  return options_.reverse ? order > 0 : order < 0;
}

bool BeeRange::IsBeyondEnd(ByteView key) const {
  const auto& exclusive = options_.reverse ? options_.gt : options_.lt;
  const auto& inclusive = options_.reverse ? options_.gte : options_.lte;
  if (!exclusive && !inclusive) {
    return false;
  }
  const int order = CompareBeeKeys(key, exclusive ? *exclusive : *inclusive);
  if (order == 0) {
    return exclusive.has_value();
  }
  return options_.reverse ? order < 0 : order > 0;
}

Result<void> BeeRange::SeekInTop() {
  Frame& top = stack_.back();
  const BeeLevel& node = top.node.level();
  // Binary search for the first key (in the direction of travel) that is not before the start.
  std::size_t low = 0;
  std::size_t high = node.keys.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    const std::size_t index = options_.reverse ? node.keys.size() - 1 - middle : middle;
    HNX_ASSIGN_OR_RETURN(const bool before, IsBeforeStart(node.keys[index]));
    (before ? low : high) = before ? middle + 1 : middle;
  }
  top.next = 2 * low;  // the child before that key
  return {};
}

Result<void> BeeRange::Start() {
  started_ = true;
  if (version_ < 2) {
    ended_ = true;
    return {};
  }
  HNX_TRY(Push({version_ - 1, 0}, std::nullopt));
  return SeekInTop();
}

Result<void> BeeRange::CheckOrder(ByteView key) {
  if (previous_) {
    const int order = CompareBeeKeys(*previous_, key);
    if (options_.reverse ? order <= 0 : order >= 0) {
      return DataLoss(
          fmt::format("the keys of the Hyperbee at version {} are out of order", version_));
    }
  }
  previous_ = ToBytes(key);
  return {};
}

Result<std::optional<BeeEntry>> BeeRange::Next() {
  if (!started_) {
    HNX_TRY(Start());
  }
  while (!ended_ && !stack_.empty() && (!options_.limit || yielded_ < *options_.limit)) {
    Frame& top = stack_.back();
    const BeeLevel& node = top.node.level();
    const std::size_t step = top.next++;
    const std::size_t index = step / 2;
    if (step % 2 == 0) {
      if (!node.is_leaf()) {
        const BeeChild child =
            node.children[options_.reverse ? node.children.size() - 1 - index : index];
        HNX_TRY(Push(child, top.node.seq));
        if (seeking_) {
          HNX_TRY(SeekInTop());
        }
      } else {
        seeking_ = false;  // the start is found; what follows lies in the range
      }
      continue;
    }
    if (index >= node.keys.size()) {
      stack_.pop_back();
      continue;
    }
    const std::uint64_t seq = node.keys[options_.reverse ? node.keys.size() - 1 - index : index];
    HNX_ASSIGN_OR_RETURN(const auto holder, OpenBeeKey(*store_, version_, seq));
    if (IsBeyondEnd(holder->key)) {
      break;
    }
    HNX_TRY(CheckOrder(holder->key));
    ++yielded_;
    return std::optional<BeeEntry>(ToEntry(seq, *holder));
  }
  ended_ = true;
  stack_.clear();
  return std::optional<BeeEntry>();
}

}  // namespace hnx::hyper
