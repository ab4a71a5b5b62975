#include "corestore7/store_records.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "hyper/codec/compact_encoding.h"

namespace hnx::corestore7 {

namespace {

using hyper::Decoder;
using hyper::Encoder;

constexpr std::uint64_t kHasSeed = 1;
constexpr std::uint64_t kHasDefaultCore = 2;
constexpr std::uint64_t kHasAlias = 1;
constexpr std::uint64_t kHasManifest = 1;
constexpr std::uint64_t kHasContiguousLength = 1;

// Records are of our own or of JavaScript's making: what does not decode was damaged.
Error Damaged(std::string_view record, const Error& error) {
  return DataLoss(std::string(record) + " record: " + error.message);
}

Result<std::uint64_t> DecodeVersion(Decoder& decoder) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t version, decoder.Uint("version"));
  if (version != kStoreVersion) {
    return InvalidArgument("version " + std::to_string(version) + " instead of " +
                           std::to_string(kStoreVersion));
  }
  return version;
}

Result<StoreHead> ReadStoreHead(Decoder decoder) {
  StoreHead head;
  HNX_TRY(DecodeVersion(decoder));
  HNX_ASSIGN_OR_RETURN(head.cores, decoder.Uint("cores"));
  HNX_ASSIGN_OR_RETURN(head.datas, decoder.Uint("datas"));
  HNX_ASSIGN_OR_RETURN(head.groups, decoder.Uint("groups"));
  HNX_ASSIGN_OR_RETURN(const std::uint64_t flags, decoder.Uint("flags"));
  if ((flags & kHasSeed) != 0) {
    head.seed.emplace();
    HNX_ASSIGN_OR_RETURN(const ByteView seed, decoder.Raw(head.seed->size(), "seed"));
    std::copy(seed.begin(), seed.end(), head.seed->begin());
  }
  if ((flags & kHasDefaultCore) != 0) {
    HNX_ASSIGN_OR_RETURN(const ByteView key,
                         decoder.Raw(hyper::DiscoveryKey::kSize, "default core"));
    HNX_ASSIGN_OR_RETURN(head.default_core, hyper::DiscoveryKey::FromBytes(key, "default core"));
  }
  return head;
}

Result<CoreRecord> ReadCoreRecord(Decoder decoder) {
  CoreRecord record;
  HNX_TRY(DecodeVersion(decoder));
  HNX_ASSIGN_OR_RETURN(record.core_pointer, decoder.Uint("core pointer"));
  HNX_ASSIGN_OR_RETURN(record.data_pointer, decoder.Uint("data pointer"));
  HNX_ASSIGN_OR_RETURN(const std::uint64_t flags, decoder.Uint("flags"));
  if ((flags & kHasAlias) != 0) {
    HNX_TRY(decoder.String("alias"));
    HNX_TRY(decoder.Raw(hyper::Namespace::kSize, "namespace"));
  }
  return record;
}

Result<HeadRecord> ReadHead(Decoder decoder) {
  HeadRecord head;
  HNX_ASSIGN_OR_RETURN(head.fork, decoder.Uint("fork"));
  HNX_ASSIGN_OR_RETURN(head.length, decoder.Uint("length"));
  HNX_ASSIGN_OR_RETURN(const ByteView hash, decoder.Raw(hyper::Hash::kSize, "tree hash"));
  HNX_ASSIGN_OR_RETURN(head.tree_hash, hyper::Hash::FromBytes(hash, "tree hash"));
  HNX_ASSIGN_OR_RETURN(const ByteView signature, decoder.Buffer("signature"));
  head.signature = ToBytes(signature);
  return head;  // a timestamp may follow
}

Result<HintsRecord> ReadHints(Decoder decoder) {
  HintsRecord hints;
  HNX_ASSIGN_OR_RETURN(const std::uint64_t flags, decoder.Uint("flags"));
  if ((flags & kHasContiguousLength) != 0) {
    HNX_ASSIGN_OR_RETURN(hints.contiguous_length, decoder.Uint("contiguous length"));
  }
  return hints;
}

// One shape for every version, unlike on the wire, where version 0 has its own.
Bytes EncodeManifest(const hyper::Manifest& manifest) {
  constexpr unsigned kAllowPatch = 1;
  constexpr unsigned kPrologue = 2;
  constexpr unsigned kLinked = 4;
  constexpr unsigned kUserData = 8;
  constexpr std::uint64_t kBlake2b = 0;
  constexpr std::uint64_t kEd25519 = 0;
  Encoder out;
  out.Uint(manifest.version);
  out.Uint((manifest.allow_patch ? kAllowPatch : 0U) | (manifest.prologue ? kPrologue : 0U) |
           (manifest.linked.empty() ? 0U : kLinked) | (manifest.user_data ? kUserData : 0U));
  out.Uint(kBlake2b);
  out.Uint(manifest.quorum);
  out.Uint(manifest.signers.size());
  for (const hyper::ManifestSigner& signer : manifest.signers) {
    out.Uint(kEd25519);
    out.Raw(signer.signer_namespace.view());
    out.Raw(signer.public_key.view());
  }
  if (manifest.prologue) {
    out.Raw(manifest.prologue->tree_hash.view());
    out.Uint(manifest.prologue->length);
  }
  if (!manifest.linked.empty()) {
    out.Uint(manifest.linked.size());
    for (const hyper::CoreKey& key : manifest.linked) {
      out.Raw(key.view());
    }
  }
  if (manifest.user_data) {
    out.Buffer(*manifest.user_data);
  }
  return std::move(out).Take();
}

}  // namespace

Bytes StoreHead::Encode() const {
  Encoder out;
  out.Uint(kStoreVersion);
  out.Uint(cores);
  out.Uint(datas);
  out.Uint(groups);
  out.Uint((seed ? kHasSeed : 0) | (default_core ? kHasDefaultCore : 0));
  if (seed) {
    out.Raw(*seed);
  }
  if (default_core) {
    out.Raw(default_core->view());
  }
  return std::move(out).Take();
}

Result<StoreHead> StoreHead::Decode(ByteView bytes) {
  auto head = ReadStoreHead(Decoder(bytes));
  if (!head) {
    return Damaged("store head", head.error());
  }
  return head;
}

Bytes CoreRecord::Encode() const {
  Encoder out;
  out.Uint(kStoreVersion);
  out.Uint(core_pointer);
  out.Uint(data_pointer);
  out.Uint(0);
  return std::move(out).Take();
}

Result<CoreRecord> CoreRecord::Decode(ByteView bytes) {
  auto record = ReadCoreRecord(Decoder(bytes));
  if (!record) {
    return Damaged("core", record.error());
  }
  return record;
}

Bytes AuthRecord::Encode() const {
  Encoder out;
  out.Raw(key.view());
  out.Raw(discovery_key.view());
  out.Uint(manifest ? kHasManifest : 0);
  if (manifest) {
    out.Buffer(EncodeManifest(*manifest));
  }
  return std::move(out).Take();
}

HeadRecord HeadRecord::Of(const hyper::CoreHead& head) {
  return {head.fork, head.length, head.tree_hash, head.signature};
}

Bytes HeadRecord::Encode() const {
  Encoder out;
  out.Uint(fork);
  out.Uint(length);
  out.Raw(tree_hash.view());
  out.Buffer(signature);
  // Its signer's clock is not part of a core's head: no timestamp.
  out.Uint(0);
  return std::move(out).Take();
}

Result<HeadRecord> HeadRecord::Decode(ByteView bytes) {
  auto head = ReadHead(Decoder(bytes));
  if (!head) {
    return Damaged("head", head.error());
  }
  return head;
}

Bytes HintsRecord::Encode() const {
  Encoder out;
  // JavaScript leaves a zero out.
  out.Uint(contiguous_length > 0 ? kHasContiguousLength : 0);
  if (contiguous_length > 0) {
    out.Uint(contiguous_length);
  }
  return std::move(out).Take();
}

Result<HintsRecord> HintsRecord::Decode(ByteView bytes) {
  auto hints = ReadHints(Decoder(bytes));
  if (!hints) {
    return Damaged("hints", hints.error());
  }
  return hints;
}

Bytes EncodeNode(const hyper::TreeNode& node) {
  Encoder out;
  out.Uint(node.index.value());
  out.Uint(node.size);
  out.Raw(node.hash.view());
  return std::move(out).Take();
}

}  // namespace hnx::corestore7
