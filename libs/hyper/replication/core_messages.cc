#include "hyper/replication/core_messages.h"

#include <cstring>
#include <utility>

#include "base/check.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/codec/compact_encoding.h"
#include "hyper/codec/flat_tree.h"

namespace hnx::hyper {
namespace {

// Flags, by message.
constexpr std::uint64_t kSyncCanUpgrade = 1;
constexpr std::uint64_t kSyncUploading = 2;
constexpr std::uint64_t kSyncDownloading = 4;
constexpr std::uint64_t kSyncHasManifest = 8;
constexpr std::uint64_t kSyncAllowPush = 16;

constexpr std::uint64_t kHasBlock = 1;
constexpr std::uint64_t kHasHash = 2;
constexpr std::uint64_t kHasSeek = 4;
constexpr std::uint64_t kHasUpgrade = 8;
constexpr std::uint64_t kHasManifest = 16;
constexpr std::uint64_t kHasPriority = 32;

constexpr std::uint64_t kRangeDrop = 1;
constexpr std::uint64_t kRangeOfOne = 2;

constexpr std::uint64_t kNumberMax = kSafeIntegerMax;
constexpr std::size_t kNodeBytesMin = 2 + Hash::kSize;

std::uint64_t FlagIf(bool set, std::uint64_t flag) {
  return set ? flag : 0;
}

// -- Writing: each message is described once and run twice, to measure and to fill.

class Meter {
 public:
  void Uint(std::uint64_t value) {
    size_ += value <= 0xfc ? 1 : value <= 0xffff ? 3 : value <= 0xffff'ffff ? 5 : 9;
  }
  void Raw(ByteView bytes) { size_ += bytes.size(); }
  void Word(std::uint32_t /*word*/) { size_ += sizeof(std::uint32_t); }
  void Skip(std::size_t bytes) { size_ += bytes; }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_ = 0;
};

class Filler {
 public:
  explicit Filler(std::span<std::byte> out) : rest_(out) {}

  void Uint(std::uint64_t value) {
    if (value <= 0xfc) {
      Take(1)[0] = std::byte(value);
    } else if (value <= 0xffff) {
      Little(0xfd, value, 2);
    } else if (value <= 0xffff'ffff) {
      Little(0xfe, value, 4);
    } else {
      Little(0xff, value, 8);
    }
  }
  void Raw(ByteView bytes) {
    if (!bytes.empty()) {
      std::memcpy(Take(bytes.size()).data(), bytes.data(), bytes.size());
    }
  }
  void Word(std::uint32_t word) { StoreLe32(word, Take(4).first<4>()); }
  void Skip(std::size_t bytes) { hole_ = Take(bytes); }

  std::span<std::byte> hole() const { return hole_; }
  bool full() const { return rest_.empty(); }

 private:
  std::span<std::byte> Take(std::size_t bytes) {
    HNX_CHECK(bytes <= rest_.size());
    const std::span<std::byte> taken = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return taken;
  }
  void Little(std::uint8_t tag, std::uint64_t value, std::size_t bytes) {
    const std::span<std::byte> to = Take(1 + bytes);
    to[0] = std::byte{tag};
    for (std::size_t i = 0; i < bytes; ++i) {
      to[1 + i] = std::byte((value >> (8 * i)) & 0xff);
    }
  }

  std::span<std::byte> rest_;
  std::span<std::byte> hole_;
};

template <class Out>
void Put(Out& out, const CoreHandshake& m) {
  out.Uint(FlagIf(m.seeks, 1));
  out.Raw(m.capability.view());
}

template <class Out>
void Put(Out& out, const SyncMessage& m) {
  out.Uint(FlagIf(m.can_upgrade, kSyncCanUpgrade) | FlagIf(m.uploading, kSyncUploading) |
           FlagIf(m.downloading, kSyncDownloading) | FlagIf(m.has_manifest, kSyncHasManifest) |
           FlagIf(m.allow_push, kSyncAllowPush));
  out.Uint(m.fork);
  out.Uint(m.length);
  out.Uint(m.remote_length);
}

template <class Out>
void Put(Out& out, const RequestMessage& m) {
  out.Uint(FlagIf(m.proof.block.has_value(), kHasBlock) |
           FlagIf(m.proof.hash.has_value(), kHasHash) | FlagIf(m.proof.seek.has_value(), kHasSeek) |
           FlagIf(m.proof.upgrade.has_value(), kHasUpgrade) |
           FlagIf(m.proof.manifest, kHasManifest) | FlagIf(m.priority != 0, kHasPriority));
  out.Uint(m.id);
  out.Uint(m.proof.fork);
  if (m.proof.block) {
    out.Uint(m.proof.block->index.value());
    out.Uint(m.proof.block->nodes);
  }
  if (m.proof.hash) {
    out.Uint(m.proof.hash->index.value());
    out.Uint(m.proof.hash->nodes);
  }
  if (m.proof.seek) {
    out.Uint(m.proof.seek->bytes);
    out.Uint(m.proof.seek->padding);
  }
  if (m.proof.upgrade) {
    out.Uint(m.proof.upgrade->start);
    out.Uint(m.proof.upgrade->length);
  }
  if (m.priority != 0) {
    out.Uint(m.priority);
  }
}

template <class Out>
void Put(Out& out, const CancelMessage& m) {
  out.Uint(m.request);
}

template <class Out>
void PutNodes(Out& out, const std::vector<TreeNode>& nodes) {
  out.Uint(nodes.size());
  for (const TreeNode& node : nodes) {
    out.Uint(node.index.value());
    out.Uint(node.size);
    out.Raw(node.hash.view());
  }
}

template <class Out>
void PutUpgrade(Out& out, const UpgradeProof& upgrade) {
  out.Uint(upgrade.start);
  out.Uint(upgrade.length);
  PutNodes(out, upgrade.nodes);
  PutNodes(out, upgrade.additional_nodes);
  out.Uint(upgrade.signature.size());
  out.Raw(upgrade.signature);
}

// `value_bytes`: leave a hole of that size instead of writing the block's value.
template <class Out>
void PutData(Out& out, const DataMessage& m, std::optional<std::size_t> value_bytes) {
  out.Uint(FlagIf(m.proof.block.has_value(), kHasBlock) |
           FlagIf(m.proof.hash.has_value(), kHasHash) | FlagIf(m.proof.seek.has_value(), kHasSeek) |
           FlagIf(m.proof.upgrade.has_value(), kHasUpgrade) |
           FlagIf(m.proof.manifest.has_value(), kHasManifest));
  out.Uint(m.request);
  out.Uint(m.proof.fork);
  if (m.proof.block) {
    out.Uint(m.proof.block->index.value());
    if (value_bytes) {
      out.Uint(*value_bytes);
      out.Skip(*value_bytes);
    } else {
      out.Uint(m.proof.block->value.view().size());
      out.Raw(m.proof.block->value.view());
    }
    PutNodes(out, m.proof.block->nodes);
  }
  if (m.proof.hash) {
    out.Uint(m.proof.hash->index.value());
    PutNodes(out, m.proof.hash->nodes);
  }
  if (m.proof.seek) {
    out.Uint(m.proof.seek->bytes);
    PutNodes(out, m.proof.seek->nodes);
  }
  if (m.proof.upgrade) {
    PutUpgrade(out, *m.proof.upgrade);
  }
  if (m.proof.manifest) {
    out.Raw(m.proof.manifest->Encode());  // last and without a length
  }
}

template <class Out>
void Put(Out& out, const DataMessage& m) {
  PutData(out, m, std::nullopt);
}

template <class Out>
void Put(Out& out, const NoDataMessage& m) {
  out.Uint(m.request);
  const bool reason = m.reason != NoDataReason::kNone;
  out.Uint(FlagIf(reason, 1));
  if (reason) {
    out.Uint(static_cast<std::uint64_t>(m.reason));
  }
}

template <class Out>
void Put(Out& out, const WantMessage& m) {
  out.Uint(m.start);
  out.Uint(m.length);
  if (m.any) {
    out.Uint(1);
  }
}

template <class Out>
void Put(Out& out, const BitfieldMessage& m) {
  out.Uint(m.start);
  out.Uint(m.words.size());
  for (const std::uint32_t word : m.words) {
    out.Word(word);
  }
}

template <class Out>
void Put(Out& out, const RangeMessage& m) {
  out.Uint(FlagIf(m.drop, kRangeDrop) | FlagIf(m.length == 1, kRangeOfOne));
  out.Uint(m.start);
  if (m.length != 1) {
    out.Uint(m.length);
  }
}

template <class Message>
std::size_t Measure(const Message& message) {
  Meter meter;
  Put(meter, message);
  return meter.size();
}

template <class Message>
void Fill(const Message& message, std::span<std::byte> out) {
  Filler filler(out);
  Put(filler, message);
  HNX_CHECK(filler.full());
}

// -- Reading

Result<BlockIndex> ReadBlockIndex(Decoder& in, std::string_view field) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t value, in.UintUpTo(flat_tree::kBlocksMax, field));
  return BlockIndex(value);
}

Result<TreeIndex> ReadTreeIndex(Decoder& in, std::string_view field) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t value, in.UintUpTo(2 * flat_tree::kBlocksMax, field));
  return TreeIndex(value);
}

Result<std::vector<TreeNode>> ReadNodes(Decoder& in, std::string_view field) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t count, in.Count(kNodeBytesMin, field));
  if (count > kProofNodesMax) {
    return InvalidArgument(std::string(field) + ": " + std::to_string(count) +
                           " nodes, more than the limit of " + std::to_string(kProofNodesMax));
  }
  std::vector<TreeNode> nodes(count);
  for (TreeNode& node : nodes) {
    HNX_ASSIGN_OR_RETURN(node.index, ReadTreeIndex(in, field));
    HNX_ASSIGN_OR_RETURN(node.size, in.UintUpTo(kNumberMax, field));
    HNX_ASSIGN_OR_RETURN(const ByteView hash, in.Raw(Hash::kSize, field));
    HNX_ASSIGN_OR_RETURN(node.hash, Hash::FromBytes(hash, field));
  }
  return nodes;
}

Result<BlockProof> ReadDataBlock(Decoder& in) {
  BlockProof block;
  HNX_ASSIGN_OR_RETURN(block.index, ReadBlockIndex(in, "data.block.index"));
  HNX_ASSIGN_OR_RETURN(const ByteView value, in.Buffer("data.block.value"));
  if (value.size() > kWireBlockBytesMax) {
    return InvalidArgument("data.block.value: " + std::to_string(value.size()) +
                           " bytes, more than the limit of " + std::to_string(kWireBlockBytesMax));
  }
  block.value = BlockValue::Borrowed(value);
  HNX_ASSIGN_OR_RETURN(block.nodes, ReadNodes(in, "data.block.nodes"));
  return block;
}

Result<UpgradeProof> ReadDataUpgrade(Decoder& in) {
  UpgradeProof upgrade;
  HNX_ASSIGN_OR_RETURN(upgrade.start, in.UintUpTo(flat_tree::kBlocksMax, "data.upgrade.start"));
  HNX_ASSIGN_OR_RETURN(upgrade.length, in.UintUpTo(flat_tree::kBlocksMax, "data.upgrade.length"));
  HNX_ASSIGN_OR_RETURN(upgrade.nodes, ReadNodes(in, "data.upgrade.nodes"));
  HNX_ASSIGN_OR_RETURN(upgrade.additional_nodes, ReadNodes(in, "data.upgrade.additionalNodes"));
  HNX_ASSIGN_OR_RETURN(const ByteView signature, in.Buffer("data.upgrade.signature"));
  if (signature.size() > kProofSignatureBytesMax) {
    return InvalidArgument("data.upgrade.signature: " + std::to_string(signature.size()) +
                           " bytes, more than the limit of " +
                           std::to_string(kProofSignatureBytesMax));
  }
  upgrade.signature = ToBytes(signature);
  return upgrade;
}

}  // namespace

Hash CapabilityOf(const CoreKey& core_key, bool sender_is_initiator, ByteView handshake_hash) {
  constexpr std::uint8_t kReplicateInitiator = 1;
  constexpr std::uint8_t kReplicateResponder = 2;
  const Namespace role =
      NamespaceOf("hypercore", sender_is_initiator ? kReplicateInitiator : kReplicateResponder);
  return KeyedHashOf(handshake_hash, {role.view(), core_key.view()});
}

Result<CoreHandshake> DecodeCoreHandshake(ByteView input) {
  Decoder in(input);
  HNX_ASSIGN_OR_RETURN(const std::uint64_t flags, in.UintUpTo(kNumberMax, "handshake.flags"));
  HNX_ASSIGN_OR_RETURN(const ByteView capability, in.Raw(Hash::kSize, "handshake.capability"));
  CoreHandshake m;
  m.seeks = (flags & 1) != 0;
  HNX_ASSIGN_OR_RETURN(m.capability, Hash::FromBytes(capability, "handshake.capability"));
  return m;
}

Result<SyncMessage> DecodeSync(ByteView input) {
  Decoder in(input);
  HNX_ASSIGN_OR_RETURN(const std::uint64_t flags, in.UintUpTo(kNumberMax, "sync.flags"));
  SyncMessage m;
  m.can_upgrade = (flags & kSyncCanUpgrade) != 0;
  m.uploading = (flags & kSyncUploading) != 0;
  m.downloading = (flags & kSyncDownloading) != 0;
  m.has_manifest = (flags & kSyncHasManifest) != 0;
  m.allow_push = (flags & kSyncAllowPush) != 0;
  HNX_ASSIGN_OR_RETURN(m.fork, in.UintUpTo(kNumberMax, "sync.fork"));
  HNX_ASSIGN_OR_RETURN(m.length, in.UintUpTo(flat_tree::kBlocksMax, "sync.length"));
  HNX_ASSIGN_OR_RETURN(m.remote_length, in.UintUpTo(flat_tree::kBlocksMax, "sync.remoteLength"));
  return m;
}

Result<RequestMessage> DecodeRequest(ByteView input) {
  Decoder in(input);
  HNX_ASSIGN_OR_RETURN(const std::uint64_t flags, in.UintUpTo(kNumberMax, "request.flags"));
  RequestMessage m;
  HNX_ASSIGN_OR_RETURN(m.id, in.UintUpTo(kNumberMax, "request.id"));
  HNX_ASSIGN_OR_RETURN(m.proof.fork, in.UintUpTo(kNumberMax, "request.fork"));
  if ((flags & kHasBlock) != 0) {
    BlockRequest& block = m.proof.block.emplace();
    HNX_ASSIGN_OR_RETURN(block.index, ReadBlockIndex(in, "request.block.index"));
    HNX_ASSIGN_OR_RETURN(block.nodes, in.UintUpTo(kNumberMax, "request.block.nodes"));
  }
  if ((flags & kHasHash) != 0) {
    HashRequest& hash = m.proof.hash.emplace();
    HNX_ASSIGN_OR_RETURN(hash.index, ReadTreeIndex(in, "request.hash.index"));
    HNX_ASSIGN_OR_RETURN(hash.nodes, in.UintUpTo(kNumberMax, "request.hash.nodes"));
  }
  if ((flags & kHasSeek) != 0) {
    SeekRequest& seek = m.proof.seek.emplace();
    HNX_ASSIGN_OR_RETURN(seek.bytes, in.UintUpTo(kNumberMax, "request.seek.bytes"));
    HNX_ASSIGN_OR_RETURN(seek.padding, in.UintUpTo(kNumberMax, "request.seek.padding"));
  }
  if ((flags & kHasUpgrade) != 0) {
    UpgradeRequest& upgrade = m.proof.upgrade.emplace();
    HNX_ASSIGN_OR_RETURN(upgrade.start,
                         in.UintUpTo(flat_tree::kBlocksMax, "request.upgrade.start"));
    HNX_ASSIGN_OR_RETURN(upgrade.length,
                         in.UintUpTo(flat_tree::kBlocksMax, "request.upgrade.length"));
  }
  m.proof.manifest = (flags & kHasManifest) != 0;
  if ((flags & kHasPriority) != 0) {
    HNX_ASSIGN_OR_RETURN(m.priority, in.UintUpTo(kNumberMax, "request.priority"));
  }
  return m;
}

Result<CancelMessage> DecodeCancel(ByteView input) {
  Decoder in(input);
  CancelMessage m;
  HNX_ASSIGN_OR_RETURN(m.request, in.UintUpTo(kNumberMax, "cancel.request"));
  return m;
}

Result<DataMessage> DecodeData(ByteView input) {
  Decoder in(input);
  HNX_ASSIGN_OR_RETURN(const std::uint64_t flags, in.UintUpTo(kNumberMax, "data.flags"));
  DataMessage m;
  HNX_ASSIGN_OR_RETURN(m.request, in.UintUpTo(kNumberMax, "data.request"));
  HNX_ASSIGN_OR_RETURN(m.proof.fork, in.UintUpTo(kNumberMax, "data.fork"));
  if ((flags & kHasBlock) != 0) {
    HNX_ASSIGN_OR_RETURN(m.proof.block, ReadDataBlock(in));
  }
  if ((flags & kHasHash) != 0) {
    HashProof& hash = m.proof.hash.emplace();
    HNX_ASSIGN_OR_RETURN(hash.index, ReadTreeIndex(in, "data.hash.index"));
    HNX_ASSIGN_OR_RETURN(hash.nodes, ReadNodes(in, "data.hash.nodes"));
  }
  if ((flags & kHasSeek) != 0) {
    SeekProof& seek = m.proof.seek.emplace();
    HNX_ASSIGN_OR_RETURN(seek.bytes, in.UintUpTo(kNumberMax, "data.seek.bytes"));
    HNX_ASSIGN_OR_RETURN(seek.nodes, ReadNodes(in, "data.seek.nodes"));
  }
  if ((flags & kHasUpgrade) != 0) {
    HNX_ASSIGN_OR_RETURN(m.proof.upgrade, ReadDataUpgrade(in));
  }
  if ((flags & kHasManifest) != 0) {
    HNX_ASSIGN_OR_RETURN(m.proof.manifest, Manifest::Decode(in));
  }
  return m;
}

Result<NoDataMessage> DecodeNoData(ByteView input) {
  Decoder in(input);
  NoDataMessage m;
  HNX_ASSIGN_OR_RETURN(m.request, in.UintUpTo(kNumberMax, "noData.request"));
  if (in.done()) {
    return m;
  }
  HNX_ASSIGN_OR_RETURN(const std::uint64_t flags, in.UintUpTo(kNumberMax, "noData.flags"));
  if ((flags & 1) != 0) {
    HNX_ASSIGN_OR_RETURN(const std::uint64_t reason, in.UintUpTo(kNumberMax, "noData.reason"));
    m.reason = reason == 1   ? NoDataReason::kNotAvailable
               : reason == 2 ? NoDataReason::kInvalidRequest
                             : NoDataReason::kNone;
  }
  return m;
}

Result<WantMessage> DecodeWant(ByteView input) {
  Decoder in(input);
  WantMessage m;
  HNX_ASSIGN_OR_RETURN(m.start, in.UintUpTo(flat_tree::kBlocksMax, "want.start"));
  HNX_ASSIGN_OR_RETURN(m.length, in.UintUpTo(kNumberMax, "want.length"));
  if (!in.done()) {
    HNX_ASSIGN_OR_RETURN(const std::uint64_t flags, in.UintUpTo(kNumberMax, "want.flags"));
    m.any = (flags & 1) != 0;
  }
  return m;
}

Result<BitfieldMessage> DecodeBitfield(ByteView input) {
  Decoder in(input);
  BitfieldMessage m;
  HNX_ASSIGN_OR_RETURN(m.start, in.UintUpTo(flat_tree::kBlocksMax, "bitfield.start"));
  if (m.start % 32 != 0) {
    return InvalidArgument("bitfield.start: " + std::to_string(m.start) +
                           " is not a multiple of 32");
  }
  HNX_ASSIGN_OR_RETURN(const std::uint64_t count, in.Count(4, "bitfield.words"));
  if (count > kWireBitfieldWordsMax) {
    return InvalidArgument("bitfield.words: " + std::to_string(count) +
                           ", more than the limit of " + std::to_string(kWireBitfieldWordsMax));
  }
  m.words.resize(count);
  for (std::uint32_t& word : m.words) {
    HNX_ASSIGN_OR_RETURN(word, in.Uint32("bitfield.words"));
  }
  return m;
}

Result<RangeMessage> DecodeRange(ByteView input) {
  Decoder in(input);
  HNX_ASSIGN_OR_RETURN(const std::uint64_t flags, in.UintUpTo(kNumberMax, "range.flags"));
  RangeMessage m;
  m.drop = (flags & kRangeDrop) != 0;
  HNX_ASSIGN_OR_RETURN(m.start, in.UintUpTo(flat_tree::kBlocksMax, "range.start"));
  m.length = 1;
  if ((flags & kRangeOfOne) == 0) {
    HNX_ASSIGN_OR_RETURN(m.length, in.UintUpTo(flat_tree::kBlocksMax, "range.length"));
  }
  return m;
}

Result<ExtensionMessage> DecodeExtension(ByteView input) {
  Decoder in(input);
  ExtensionMessage m;
  HNX_ASSIGN_OR_RETURN(const ByteView name, in.Buffer("extension.name"));
  if (name.size() > kWireExtensionNameBytesMax) {
    return InvalidArgument("extension.name: " + std::to_string(name.size()) +
                           " bytes, more than the limit of " +
                           std::to_string(kWireExtensionNameBytesMax));
  }
  m.name = ToString(name);
  m.payload = in.rest();
  return m;
}

std::size_t EncodedSize(const CoreHandshake& message) {
  return Measure(message);
}
std::size_t EncodedSize(const SyncMessage& message) {
  return Measure(message);
}
std::size_t EncodedSize(const RequestMessage& message) {
  return Measure(message);
}
std::size_t EncodedSize(const CancelMessage& message) {
  return Measure(message);
}
std::size_t EncodedSize(const DataMessage& message) {
  return Measure(message);
}
std::size_t EncodedSize(const NoDataMessage& message) {
  return Measure(message);
}
std::size_t EncodedSize(const WantMessage& message) {
  return Measure(message);
}
std::size_t EncodedSize(const BitfieldMessage& message) {
  return Measure(message);
}
std::size_t EncodedSize(const RangeMessage& message) {
  return Measure(message);
}

void EncodeTo(const CoreHandshake& message, std::span<std::byte> out) {
  Fill(message, out);
}
void EncodeTo(const SyncMessage& message, std::span<std::byte> out) {
  Fill(message, out);
}
void EncodeTo(const RequestMessage& message, std::span<std::byte> out) {
  Fill(message, out);
}
void EncodeTo(const CancelMessage& message, std::span<std::byte> out) {
  Fill(message, out);
}
void EncodeTo(const DataMessage& message, std::span<std::byte> out) {
  Fill(message, out);
}
void EncodeTo(const NoDataMessage& message, std::span<std::byte> out) {
  Fill(message, out);
}
void EncodeTo(const WantMessage& message, std::span<std::byte> out) {
  Fill(message, out);
}
void EncodeTo(const BitfieldMessage& message, std::span<std::byte> out) {
  Fill(message, out);
}
void EncodeTo(const RangeMessage& message, std::span<std::byte> out) {
  Fill(message, out);
}

std::size_t EncodedSizeAround(const DataMessage& message, std::size_t value_bytes) {
  Meter meter;
  PutData(meter, message, value_bytes);
  return meter.size();
}

std::span<std::byte> EncodeAround(const DataMessage& message, std::size_t value_bytes,
                                  std::span<std::byte> out) {
  Filler filler(out);
  PutData(filler, message, value_bytes);
  HNX_CHECK(filler.full());
  return filler.hole();
}

}  // namespace hnx::hyper
