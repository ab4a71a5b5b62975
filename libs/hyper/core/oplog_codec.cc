// The payloads of oplog frames.
#include "hyper/codec/compact_encoding.h"
#include "hyper/core/oplog.h"

namespace hnx::hyper {
namespace {

constexpr std::uint64_t kHeaderVersion = 1;

constexpr std::uint64_t kHeaderExternal = 1;
constexpr std::uint64_t kHeaderManifest = 2;
constexpr std::uint64_t kHeaderKeyPair = 4;

constexpr std::uint64_t kEntryUserData = 1;
constexpr std::uint64_t kEntryNodes = 2;
constexpr std::uint64_t kEntryUpgrade = 4;
constexpr std::uint64_t kEntryBitfield = 8;

constexpr std::uint64_t kBitfieldDrop = 1;

constexpr std::size_t kNodeBytesMin = 1 + 1 + 32;
constexpr std::uint64_t kLengthMax = flat_tree::kBlocksMax;

Result<StoredKeyPair> DecodeKeyPair(Decoder& decoder) {
  HNX_ASSIGN_OR_RETURN(const ByteView public_key, decoder.Buffer("header public key"));
  HNX_ASSIGN_OR_RETURN(const ByteView secret_key, decoder.Buffer("header secret key"));
  StoredKeyPair stored;
  HNX_ASSIGN_OR_RETURN(stored.public_key, PublicKey::FromBytes(public_key, "header public key"));
  if (!secret_key.empty()) {
    HNX_ASSIGN_OR_RETURN(KeyPair pair, KeyPair::FromStored(public_key, secret_key));
    stored.secret_key = std::move(pair.secret_key);
  }
  return stored;
}

Result<UserDataItem> DecodeUserData(Decoder& decoder) {
  UserDataItem item;
  HNX_ASSIGN_OR_RETURN(item.key, decoder.String("user data key"));
  HNX_ASSIGN_OR_RETURN(const ByteView value, decoder.Buffer("user data value"));
  item.value = ToBytes(value);
  return item;
}

void EncodeUserData(const UserDataItem& item, Encoder& encoder) {
  encoder.String(item.key);
  encoder.Buffer(item.value);
}

Result<void> DecodeTreeAndHints(Decoder& decoder, OplogHeader& header) {
  HNX_ASSIGN_OR_RETURN(header.fork, decoder.Uint("header fork"));
  HNX_ASSIGN_OR_RETURN(header.length, decoder.UintUpTo(kLengthMax, "header length"));
  HNX_ASSIGN_OR_RETURN(const ByteView tree_hash, decoder.Buffer("header tree hash"));
  header.tree_hash = ToBytes(tree_hash);
  HNX_ASSIGN_OR_RETURN(const ByteView signature, decoder.Buffer("header signature"));
  header.signature = ToBytes(signature);
  HNX_ASSIGN_OR_RETURN(const std::uint64_t reorgs, decoder.Count(3, "header reorg hints"));
  for (std::uint64_t i = 0; i < reorgs; ++i) {
    ReorgHint hint;
    HNX_ASSIGN_OR_RETURN(hint.from, decoder.Uint("header reorg hint"));
    HNX_ASSIGN_OR_RETURN(hint.to, decoder.Uint("header reorg hint"));
    HNX_ASSIGN_OR_RETURN(hint.ancestors, decoder.Uint("header reorg hint"));
    header.reorgs.push_back(hint);
  }
  if (!decoder.done()) {  // absent in the oldest headers
    HNX_ASSIGN_OR_RETURN(header.contiguous_length,
                         decoder.UintUpTo(kLengthMax, "header contiguous length"));
  }
  return {};
}

Result<std::vector<TreeNode>> DecodeNodes(Decoder& decoder) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t count, decoder.Count(kNodeBytesMin, "entry nodes"));
  std::vector<TreeNode> nodes;
  nodes.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    TreeNode node;
    HNX_ASSIGN_OR_RETURN(const std::uint64_t index,
                         decoder.UintUpTo(2 * kLengthMax, "entry node index"));
    node.index = TreeIndex(index);
    HNX_ASSIGN_OR_RETURN(node.size, decoder.Uint("entry node size"));
    HNX_ASSIGN_OR_RETURN(const ByteView hash, decoder.Raw(Hash::kSize, "entry node hash"));
    HNX_ASSIGN_OR_RETURN(node.hash, Hash::FromBytes(hash, "entry node hash"));
    nodes.push_back(node);
  }
  return nodes;
}

Result<TreeUpgrade> DecodeUpgrade(Decoder& decoder) {
  TreeUpgrade upgrade;
  HNX_ASSIGN_OR_RETURN(upgrade.fork, decoder.Uint("entry fork"));
  HNX_ASSIGN_OR_RETURN(upgrade.ancestors, decoder.UintUpTo(kLengthMax, "entry ancestors"));
  HNX_ASSIGN_OR_RETURN(upgrade.length, decoder.UintUpTo(kLengthMax, "entry length"));
  HNX_ASSIGN_OR_RETURN(const ByteView signature, decoder.Buffer("entry signature"));
  upgrade.signature = ToBytes(signature);
  if (upgrade.ancestors > upgrade.length) {
    return InvalidArgument("entry ancestors: " + std::to_string(upgrade.ancestors) +
                           " exceed the length " + std::to_string(upgrade.length));
  }
  return upgrade;
}

Result<BitfieldUpdate> DecodeBitfield(Decoder& decoder) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t flags, decoder.Uint("entry bitfield flags"));
  HNX_ASSIGN_OR_RETURN(const std::uint64_t start,
                       decoder.UintUpTo(kLengthMax, "entry bitfield start"));
  HNX_ASSIGN_OR_RETURN(const std::uint64_t length,
                       decoder.UintUpTo(kLengthMax - start, "entry bitfield length"));
  return BitfieldUpdate{(flags & kBitfieldDrop) != 0,
                        {BlockIndex(start), BlockIndex(start + length)}};
}

}  // namespace

Bytes OplogHeader::Encode() const {
  Encoder encoder;
  encoder.Uint(kHeaderVersion);
  encoder.Uint((manifest ? kHeaderManifest : 0) | (key_pair ? kHeaderKeyPair : 0));
  encoder.Raw(key.view());
  if (manifest) {
    manifest->EncodeTo(encoder);
  }
  if (key_pair) {
    encoder.Buffer(key_pair->public_key.view());
    encoder.Buffer(key_pair->secret_key ? key_pair->secret_key->view() : ByteView());
  }
  encoder.Uint(user_data.size());
  for (const UserDataItem& item : user_data) {
    EncodeUserData(item, encoder);
  }
  encoder.Uint(fork);
  encoder.Uint(length);
  encoder.Buffer(tree_hash);
  encoder.Buffer(signature);
  encoder.Uint(reorgs.size());
  for (const ReorgHint& hint : reorgs) {
    encoder.Uint(hint.from);
    encoder.Uint(hint.to);
    encoder.Uint(hint.ancestors);
  }
  encoder.Uint(contiguous_length);
  return std::move(encoder).Take();
}

Result<OplogHeader> OplogHeader::Decode(ByteView payload) {
  Decoder decoder(payload);
  HNX_ASSIGN_OR_RETURN(const std::uint64_t version, decoder.Uint("header version"));
  if (version != kHeaderVersion) {
    return Error{ErrorCode::kUnimplemented,
                 "oplog header version " + std::to_string(version) +
                     " is not supported; open the core once with JavaScript's hypercore 10"};
  }
  HNX_ASSIGN_OR_RETURN(const std::uint64_t flags, decoder.Uint("header flags"));
  OplogHeader header;
  if ((flags & kHeaderExternal) != 0) {
    ExternalHeader external;
    HNX_ASSIGN_OR_RETURN(external.start, decoder.Uint("external header start"));
    HNX_ASSIGN_OR_RETURN(external.length,
                         decoder.UintUpTo(kExternalHeaderBytesMax, "external header length"));
    header.external = external;
    return header;
  }
  HNX_ASSIGN_OR_RETURN(const ByteView key, decoder.Raw(CoreKey::kSize, "header core key"));
  HNX_ASSIGN_OR_RETURN(header.key, CoreKey::FromBytes(key, "header core key"));
  if ((flags & kHeaderManifest) != 0) {
    HNX_ASSIGN_OR_RETURN(header.manifest, Manifest::Decode(decoder));
  }
  if ((flags & kHeaderKeyPair) != 0) {
    HNX_ASSIGN_OR_RETURN(header.key_pair, DecodeKeyPair(decoder));
  }
  HNX_ASSIGN_OR_RETURN(const std::uint64_t items, decoder.Count(2, "header user data"));
  for (std::uint64_t i = 0; i < items; ++i) {
    HNX_ASSIGN_OR_RETURN(UserDataItem item, DecodeUserData(decoder));
    header.user_data.push_back(std::move(item));
  }
  HNX_TRY(DecodeTreeAndHints(decoder, header));
  return header;
}

Bytes OplogEntry::Encode() const {
  Encoder encoder;
  encoder.Uint((user_data ? kEntryUserData : 0) | (nodes.empty() ? 0 : kEntryNodes) |
               (upgrade ? kEntryUpgrade : 0) | (bitfield ? kEntryBitfield : 0));
  if (user_data) {
    EncodeUserData(*user_data, encoder);
  }
  if (!nodes.empty()) {
    encoder.Uint(nodes.size());
    for (const TreeNode& node : nodes) {
      encoder.Uint(node.index.value());
      encoder.Uint(node.size);
      encoder.Raw(node.hash.view());
    }
  }
  if (upgrade) {
    encoder.Uint(upgrade->fork);
    encoder.Uint(upgrade->ancestors);
    encoder.Uint(upgrade->length);
    encoder.Buffer(upgrade->signature);
  }
  if (bitfield) {
    encoder.Uint(bitfield->drop ? kBitfieldDrop : 0);
    encoder.Uint(bitfield->blocks.begin.value());
    encoder.Uint(bitfield->blocks.length());
  }
  return std::move(encoder).Take();
}

Result<OplogEntry> OplogEntry::Decode(ByteView payload) {
  Decoder decoder(payload);
  HNX_ASSIGN_OR_RETURN(const std::uint64_t flags, decoder.Uint("entry flags"));
  OplogEntry entry;
  if ((flags & kEntryUserData) != 0) {
    HNX_ASSIGN_OR_RETURN(entry.user_data, DecodeUserData(decoder));
  }
  if ((flags & kEntryNodes) != 0) {
    HNX_ASSIGN_OR_RETURN(entry.nodes, DecodeNodes(decoder));
  }
  if ((flags & kEntryUpgrade) != 0) {
    HNX_ASSIGN_OR_RETURN(entry.upgrade, DecodeUpgrade(decoder));
  }
  if ((flags & kEntryBitfield) != 0) {
    HNX_ASSIGN_OR_RETURN(entry.bitfield, DecodeBitfield(decoder));
  }
  return entry;
}

}  // namespace hnx::hyper
