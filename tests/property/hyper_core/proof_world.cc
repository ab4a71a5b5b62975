#include "proof_world.h"

#include <stdexcept>
#include <utility>

#include "hyper/core/keys.h"
#include "hyper/storage/memory_core_storage.h"

namespace hnx::hyper {
namespace {

template <class T>
T Must(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().ToString());
  }
  return *std::move(result);
}

void Flip(Hash& hash, std::uint32_t at) {
  hash.bytes[at % hash.bytes.size()] ^= std::byte{static_cast<unsigned char>(1U << (at % 8))};
}

using Check = std::function<void(const Proof&, const std::string&)>;

// Changes one thing after the other, each on a copy.
class Mutator {
 public:
  Mutator(const Proof& proof, std::uint32_t seed, const Check& check)
      : proof_(proof), seed_(seed), check_(check) {}

  void Run();

 private:
  template <class Change>
  void Try(const std::string& what, Change change) {
    Proof copy = proof_;
    change(copy);
    check_(copy, what);
  }
  using List = std::function<std::vector<TreeNode>&(Proof&)>;
  void TryList(const std::string& name, const List& list);
  void TryBlock();
  void TryUpgrade();
  void TryManifest();

  const Proof& proof_;
  std::uint32_t seed_;
  const Check& check_;
};

void Mutator::TryList(const std::string& name, const List& list) {
  Proof copy = proof_;
  const std::size_t count = list(copy).size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::string what = name + "[" + std::to_string(i) + "].";
    Try(what + "index+2", [&](Proof& p) { list(p)[i].index += 2; });
    Try(what + "index^1",
        [&](Proof& p) { list(p)[i].index = TreeIndex(list(p)[i].index.value() ^ 1); });
    Try(what + "size+1", [&](Proof& p) { ++list(p)[i].size; });
    Try(what + "size^high", [&](Proof& p) { list(p)[i].size ^= std::uint64_t{1} << (seed_ % 64); });
    Try(what + "hash", [&](Proof& p) { Flip(list(p)[i].hash, seed_ + static_cast<unsigned>(i)); });
    Try(what + "gone",
        [&](Proof& p) { list(p).erase(list(p).begin() + static_cast<std::ptrdiff_t>(i)); });
    Try(what + "twice", [&](Proof& p) {
      const TreeNode node = list(p)[i];
      list(p).insert(list(p).begin() + static_cast<std::ptrdiff_t>(i), node);
    });
    // The first two nodes of a seek are two siblings, of which the one that comes first claims to
    // be where the byte is. Nobody believes that: both are proven, and the byte is looked for in
    // them.
    const bool claim_only = i == 0 && name == "seek.nodes";
    if (i + 1 < count && !claim_only) {
      Try(what + "swapped", [&](Proof& p) { std::swap(list(p)[i], list(p)[i + 1]); });
    }
  }
}

void Mutator::TryBlock() {
  Try("block.index+1", [](Proof& p) { ++p.block->index; });
  Try("block.value longer", [](Proof& p) {
    Bytes value = ToBytes(p.block->value.view());
    value.push_back(std::byte{0});
    p.block->value = BlockValue(std::move(value));
  });
  if (!proof_.block->value.view().empty()) {
    Try("block.value shorter", [](Proof& p) {
      Bytes value = ToBytes(p.block->value.view());
      value.pop_back();
      p.block->value = BlockValue(std::move(value));
    });
    Try("block.value flipped", [&](Proof& p) {
      Bytes value = ToBytes(p.block->value.view());
      value[seed_ % value.size()] ^= std::byte{0x10};
      p.block->value = BlockValue(std::move(value));
    });
  }
  TryList(
      "block.nodes", [](Proof & p) -> auto& { return p.block->nodes; });
}

void Mutator::TryUpgrade() {
  Try("upgrade.start+1", [](Proof& p) { ++p.upgrade->start; });
  Try("upgrade.length+1", [](Proof& p) { ++p.upgrade->length; });
  Try("upgrade.length-1", [](Proof& p) { --p.upgrade->length; });
  Try("upgrade.signature empty", [](Proof& p) { p.upgrade->signature.clear(); });
  Try("upgrade.signature longer", [](Proof& p) { p.upgrade->signature.push_back(std::byte{0}); });
  for (std::size_t i = 0; i < proof_.upgrade->signature.size(); i += 1 + seed_ % 7) {
    Try("upgrade.signature[" + std::to_string(i) + "]", [&](Proof& p) {
      p.upgrade->signature[i] ^= std::byte{static_cast<unsigned char>(1U << ((seed_ + i) % 8))};
    });
  }
  TryList(
      "upgrade.nodes", [](Proof & p) -> auto& { return p.upgrade->nodes; });
  TryList(
      "upgrade.additional_nodes", [](Proof & p) -> auto& { return p.upgrade->additional_nodes; });
}

void Mutator::TryManifest() {
  Try("manifest.version", [](Proof& p) { p.manifest->version = 2; });
  Try("manifest.allow_patch", [](Proof& p) { p.manifest->allow_patch = !p.manifest->allow_patch; });
  Try("manifest.quorum", [](Proof& p) { p.manifest->quorum ^= 1; });
  Try("manifest.signers", [](Proof& p) { p.manifest->signers.clear(); });
  Try("manifest.prologue", [](Proof& p) { p.manifest->prologue = ManifestPrologue{{}, 1}; });
  for (std::size_t i = 0; i < proof_.manifest->signers.size(); ++i) {
    Try("manifest.signers.public_key",
        [&](Proof& p) { p.manifest->signers[i].public_key.bytes[seed_ % 32] ^= std::byte{1}; });
    Try("manifest.signers.namespace", [&](Proof& p) {
      p.manifest->signers[i].signer_namespace.bytes[seed_ % 32] ^= std::byte{1};
    });
  }
}

void Mutator::Run() {
  Try("fork+1", [](Proof& p) { ++p.fork; });
  if (proof_.block) {
    TryBlock();
  }
  if (proof_.hash) {
    Try("hash.index+2", [](Proof& p) { p.hash->index += 2; });
    TryList(
        "hash.nodes", [](Proof & p) -> auto& { return p.hash->nodes; });
  }
  if (proof_.seek) {
    Try("seek.bytes+1", [](Proof& p) { ++p.seek->bytes; });
    TryList(
        "seek.nodes", [](Proof & p) -> auto& { return p.seek->nodes; });
  }
  if (proof_.upgrade) {
    TryUpgrade();
  }
  if (proof_.manifest) {
    TryManifest();
  }
}

}  // namespace

Bytes GeneratedBlock(std::uint32_t fill, std::uint64_t index, std::size_t size) {
  std::uint32_t state = (fill + static_cast<std::uint32_t>(index)) * 2654435761U + 1;
  Bytes bytes(size);
  for (std::byte& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

std::unique_ptr<Hypercore> MakeCore(const std::array<std::byte, 32>& seed, std::uint32_t fill,
                                    const std::vector<std::size_t>& block_sizes) {
  KeyPair pair = KeyPair::FromSeed(seed);
  Manifest manifest = Manifest::SingleSigner(pair.public_key);
  auto core = Must(Hypercore::Create(std::make_unique<MemoryCoreStorage>(),
                                     NewCore{std::move(manifest), std::move(pair), {}}));
  std::vector<Bytes> blocks;
  std::vector<ByteView> views;
  for (std::size_t i = 0; i < block_sizes.size(); ++i) {
    blocks.push_back(GeneratedBlock(fill, i, block_sizes[i]));
  }
  views.assign(blocks.begin(), blocks.end());
  Must(core->Append(views));
  return core;
}

Result<TreeNode> NodeMap::Get(TreeIndex index) {
  const auto found = nodes_.find(index);
  return found == nodes_.end() ? TreeNode{index, 0, {}} : found->second;
}

TreeNode NodeOf(Hypercore& core, TreeIndex index) {
  ProofRequest request;
  request.fork = core.head().fork;
  request.hash = HashRequest{index, 0};
  const Result<Proof> proof = core.Prove(request);
  return proof ? proof->hash->nodes.front() : TreeNode{index, 0, {}};
}

Asker::Asker(Hypercore& core, const ProofRequest& request)
    : identity_{core.key(), core.manifest()} {
  const std::uint64_t length = request.upgrade ? request.upgrade->start : core.length();
  if (length == 0 && request.manifest) {
    identity_.manifest.reset();
  }
  std::vector<TreeNode> roots;
  for (const TreeIndex index : flat_tree::FullRoots(length)) {
    roots.push_back(NodeOf(core, index));
    nodes_.Put(roots.back());
  }
  tree_ = Must(MerkleTree::FromRoots(length, std::move(roots)));
  head_ = {length, core.head().fork, tree_.byte_length(), tree_.hash(), {}};
  if (request.block || request.hash) {
    TreeIndex at = request.block ? flat_tree::LeafOf(request.block->index) : request.hash->index;
    if (flat_tree::BlocksBelow(at).end.value() <= length) {
      const std::uint64_t nodes = request.block ? request.block->nodes : request.hash->nodes;
      for (std::uint64_t i = 0; i < nodes; ++i) {
        at = flat_tree::Parent(at);
      }
      if (flat_tree::BlocksBelow(at).end.value() <= length) {
        nodes_.Put(NodeOf(core, at));
      }
    }
  }
}

Result<ProofVerdict> Asker::Judge(const ProofRequest& request, const Proof& proof) {
  return VerifyProof({identity_, head_, tree_, nodes_}, request, proof);
}

void ForEachMutation(const Proof& proof, std::uint32_t seed,
                     const std::function<void(const Proof&, const std::string& what)>& check) {
  Mutator(proof, seed, check).Run();
}

}  // namespace hnx::hyper
