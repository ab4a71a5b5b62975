#include "hyper/bee/bee_node.h"

#include <string_view>

#include <fmt/core.h>

#include "base/check.h"
#include "hyper/bee/protobuf_wire.h"

namespace hnx::hyper {

namespace {

constexpr std::string_view kProtocol = "hyperbee";

Bytes EncodeLevel(const BeeLevel& level) {
  Bytes packed;
  Bytes out;
  for (const std::uint64_t key : level.keys) {
    AppendVarint(packed, key);
  }
  if (!packed.empty()) {
    AppendBytesField(out, 1, packed);
  }
  packed.clear();
  for (const BeeChild& child : level.children) {
    AppendVarint(packed, child.seq);
    AppendVarint(packed, child.offset);
  }
  if (!packed.empty()) {
    AppendBytesField(out, 2, packed);
  }
  return out;
}

Result<std::uint64_t> ReadSeq(ProtobufReader& reader) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t seq, reader.ReadVarint());
  if (seq == 0 || seq > kBeeSeqMax) {
    return InvalidArgument(fmt::format("sequence number {} is out of range", seq));
  }
  return seq;
}

Result<void> ReadKeys(ByteView packed, BeeLevel& level) {
  ProtobufReader reader(packed);
  while (!reader.AtEnd()) {
    if (level.keys.size() == kBeeMaxKeys) {
      return InvalidArgument(fmt::format("a tree node has more than {} keys", kBeeMaxKeys));
    }
    HNX_ASSIGN_OR_RETURN(const std::uint64_t seq, ReadSeq(reader));
    level.keys.push_back(seq);
  }
  return {};
}

Result<void> ReadChildren(ByteView packed, BeeLevel& level) {
  ProtobufReader reader(packed);
  while (!reader.AtEnd()) {
    if (level.children.size() == kBeeMaxKeys + 1) {
      return InvalidArgument(fmt::format("a tree node has more than {} children", kBeeMaxKeys + 1));
    }
    BeeChild child;
    HNX_ASSIGN_OR_RETURN(child.seq, ReadSeq(reader));
    HNX_ASSIGN_OR_RETURN(child.offset, reader.ReadVarint());
    if (child.offset >= kBeeLevelsMax) {
      return InvalidArgument(fmt::format("child offset {} is out of range", child.offset));
    }
    level.children.push_back(child);
  }
  return {};
}

Result<BeeLevel> DecodeLevel(ByteView bytes) {
  BeeLevel level;
  ProtobufReader reader(bytes);
  while (!reader.AtEnd()) {
    HNX_ASSIGN_OR_RETURN(const ProtobufReader::Field field, reader.ReadField());
    if (field.number != 1 && field.number != 2) {
      continue;
    }
    if (!field.length_delimited) {
      return InvalidArgument("a tree node's lists are not packed");
    }
    HNX_TRY(field.number == 1 ? ReadKeys(field.bytes, level) : ReadChildren(field.bytes, level));
  }
  if (!level.children.empty() &&
      (level.keys.empty() || level.children.size() != level.keys.size() + 1)) {
    return InvalidArgument(fmt::format("a tree node has {} keys and {} children", level.keys.size(),
                                       level.children.size()));
  }
  return level;
}

Result<std::vector<BeeLevel>> DecodeIndex(ByteView bytes) {
  std::vector<BeeLevel> levels;
  ProtobufReader reader(bytes);
  while (!reader.AtEnd()) {
    HNX_ASSIGN_OR_RETURN(const ProtobufReader::Field field, reader.ReadField());
    if (field.number != 1) {
      continue;
    }
    if (!field.length_delimited) {
      return InvalidArgument("a tree node is no message");
    }
    if (levels.size() == kBeeLevelsMax) {
      return InvalidArgument(fmt::format("more than {} tree nodes in a block", kBeeLevelsMax));
    }
    HNX_ASSIGN_OR_RETURN(BeeLevel level, DecodeLevel(field.bytes));
    levels.push_back(std::move(level));
  }
  return levels;
}

}  // namespace

Bytes EncodeBeeNode(const BeeNode& node) {
  HNX_CHECK(node.levels.size() <= kBeeLevelsMax);
  Bytes index;
  for (const BeeLevel& level : node.levels) {
    AppendBytesField(index, 1, EncodeLevel(level));
  }
  Bytes out;
  out.reserve(index.size() + node.key.size() + (node.value ? node.value->size() : 0) + 16);
  AppendBytesField(out, 1, index);
  AppendBytesField(out, 2, node.key);
  if (node.value) {
    AppendBytesField(out, 3, *node.value);
  }
  return out;
}

Result<BeeNode> DecodeBeeNode(ByteView block) {
  if (block.size() > kBeeBlockBytesMax) {
    return InvalidArgument(fmt::format("a Hyperbee block of {} bytes, more than the limit of {}",
                                       block.size(), kBeeBlockBytesMax));
  }
  BeeNode node;
  bool has_index = false;
  bool has_key = false;
  ProtobufReader reader(block);
  while (!reader.AtEnd()) {
    HNX_ASSIGN_OR_RETURN(const ProtobufReader::Field field, reader.ReadField());
    if (field.number > 3) {
      continue;
    }
    if (!field.length_delimited) {
      return InvalidArgument(fmt::format("field {} of a Hyperbee block is no bytes", field.number));
    }
    if (field.number == 1) {
      HNX_ASSIGN_OR_RETURN(node.levels, DecodeIndex(field.bytes));
      has_index = true;
    } else if (field.number == 2) {
      node.key = ToBytes(field.bytes);
      has_key = true;
    } else {
      node.value = ToBytes(field.bytes);
    }
  }
  if (!has_index || !has_key) {
    return InvalidArgument("a Hyperbee block without index or key");
  }
  return node;
}

Bytes EncodeBeeHeader(const BeeHeader& header) {
  Bytes metadata;
  if (header.content_feed) {
    AppendBytesField(metadata, 1, *header.content_feed);
  }
  if (header.user_data) {
    AppendBytesField(metadata, 2, *header.user_data);
  }
  Bytes out;
  AppendBytesField(out, 1, AsBytes(kProtocol));
  AppendBytesField(out, 2, metadata);
  return out;
}

Result<BeeHeader> DecodeBeeHeader(ByteView block) {
  BeeHeader header;
  bool has_protocol = false;
  ProtobufReader reader(block);
  while (!reader.AtEnd()) {
    HNX_ASSIGN_OR_RETURN(const ProtobufReader::Field field, reader.ReadField());
    if (!field.length_delimited) {
      continue;
    }
    if (field.number == 1) {
      has_protocol = AsText(field.bytes) == kProtocol;
    } else if (field.number == 2) {
      ProtobufReader metadata(field.bytes);
      while (!metadata.AtEnd()) {
        HNX_ASSIGN_OR_RETURN(const ProtobufReader::Field part, metadata.ReadField());
        if (part.length_delimited && part.number == 1) {
          header.content_feed = ToBytes(part.bytes);
        } else if (part.length_delimited && part.number == 2) {
          header.user_data = ToBytes(part.bytes);
        }
      }
    }
  }
  if (!has_protocol) {
    return InvalidArgument("the first block does not say that this is a Hyperbee");
  }
  return header;
}

}  // namespace hnx::hyper
