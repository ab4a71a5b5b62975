// Proofs of a hostile peer. An honest answer is edited as the input says; whatever is then taken
// for verified must be true: every node is a node of the core, the head is the owner's, the block
// has the owner's bytes. And whatever is asked for: no crash, no long climb.
//
// Input: a request (9 bytes), then edits of 4 bytes each.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "base/check.h"
#include "tests/property/hyper_core/proof_world.h"

namespace hnx::hyper {
namespace {

constexpr std::uint64_t kLength = 21;
constexpr std::uint32_t kFill = 5;

std::size_t SizeOf(std::uint64_t block) {
  return block % 5 == 2 ? 0 : 3 + block % 7;
}

Hypercore& TheCore() {
  static const std::unique_ptr<Hypercore> core = [] {
    std::vector<std::size_t> sizes;
    for (std::uint64_t i = 0; i < kLength; ++i) {
      sizes.push_back(SizeOf(i));
    }
    return MakeCore({}, kFill, sizes);
  }();
  return *core;
}

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  unsigned Byte() {
    if (size_ == 0) {
      return 0;
    }
    --size_;
    return *data_++;
  }
  // Mostly small, now and then anything.
  std::uint64_t Number() {
    const unsigned byte = Byte();
    return byte < 0xf0 ? byte : ~std::uint64_t{0} >> ((byte & 0xfU) * 4U);
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

ProofRequest ReadRequest(Input& input) {
  ProofRequest request;
  const unsigned kinds = input.Byte();
  const std::uint64_t target = input.Number();
  const std::uint64_t nodes = input.Number();
  const std::uint64_t start = input.Number();
  const std::uint64_t length = input.Number();
  const std::uint64_t bytes = input.Number();
  const std::uint64_t padding = input.Number();
  if ((kinds & 1U) != 0) {
    request.block = BlockRequest{BlockIndex(target), nodes};
  }
  if ((kinds & 2U) != 0) {
    request.hash = HashRequest{TreeIndex(target), nodes};
  }
  if ((kinds & 4U) != 0) {
    request.seek = SeekRequest{bytes, padding};
  }
  if ((kinds & 8U) != 0) {
    request.upgrade = UpgradeRequest{start, length};
  }
  request.manifest = (kinds & 16U) != 0;
  request.fork = (kinds & 32U) != 0 ? 1 : 0;
  return request;
}

// What a peer that has nothing better could send.
Proof MadeUp(const ProofRequest& request) {
  Proof proof;
  proof.fork = request.fork;
  if (request.block) {
    proof.block = BlockProof{request.block->index, BlockValue(Bytes(3)), {}, {}};
  } else if (request.hash) {
    proof.hash = HashProof{request.hash->index, {}};
  }
  if (request.upgrade) {
    proof.upgrade = UpgradeProof{
        request.upgrade->start, request.upgrade->length, {}, {}, TheCore().head().signature};
  }
  return proof;
}

std::vector<TreeNode>* ListOf(Proof& proof, unsigned which) {
  switch (which % 5) {
    case 0:
      return proof.block ? &proof.block->nodes : nullptr;
    case 1:
      return proof.hash ? &proof.hash->nodes : nullptr;
    case 2:
      return proof.seek ? &proof.seek->nodes : nullptr;
    case 3:
      return proof.upgrade ? &proof.upgrade->nodes : nullptr;
    default:
      return proof.upgrade ? &proof.upgrade->additional_nodes : nullptr;
  }
}

void EditList(std::vector<TreeNode>& nodes, Input& input) {
  const unsigned what = input.Byte();
  const std::size_t at = nodes.empty() ? 0 : input.Byte() % nodes.size();
  const std::uint64_t value = input.Number();
  if (what % 6 == 0) {
    TreeNode node = NodeOf(TheCore(), TreeIndex(value % (2 * kLength)));
    nodes.insert(nodes.begin() + static_cast<std::ptrdiff_t>(at), node);
  } else if (!nodes.empty()) {
    switch (what % 6) {
      case 1:
        nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(at));
        break;
      case 2:
        nodes[at].index = TreeIndex(value);
        break;
      case 3:  // shifts bytes to the next node
        nodes[at].size += value;
        nodes[(at + 1) % nodes.size()].size -= value;
        break;
      case 4:
        nodes[at].hash.bytes[value % 32] ^= std::byte{1};
        break;
      default:
        std::swap(nodes[at], nodes[value % nodes.size()]);
    }
  }
}

void Edit(Proof& proof, Input& input) {
  const unsigned which = input.Byte();
  std::vector<TreeNode>* list = ListOf(proof, which);
  if (which < 200 && list != nullptr) {
    return EditList(*list, input);
  }
  const std::uint64_t value = input.Number();
  if (which % 4 == 0 && proof.block) {
    Bytes bytes = ToBytes(proof.block->value.view());
    bytes.resize(std::min<std::uint64_t>(value, 64), std::byte{1});
    proof.block->value = BlockValue(std::move(bytes));
  } else if (which % 4 == 1 && proof.upgrade && !proof.upgrade->signature.empty()) {
    proof.upgrade->signature[value % proof.upgrade->signature.size()] ^= std::byte{1};
  } else if (which % 4 == 2) {
    proof.manifest = TheCore().manifest();
    if (value > 0) {
      proof.manifest->quorum = value;
    }
  } else {
    proof.seek = SeekProof{value, {}};
  }
}

void CheckTrue(const VerifiedProof& verified, const Proof& proof) {
  for (const TreeNode& node : verified.nodes) {
    HNX_CHECK(NodeOf(TheCore(), node.index) == node);
  }
  if (verified.upgrade) {
    HNX_CHECK(verified.upgrade->head == TheCore().head());
  }
  if (verified.manifest) {
    HNX_CHECK(verified.manifest == TheCore().manifest());
  }
  if (verified.block) {
    const std::uint64_t block = verified.block->value();
    HNX_CHECK(block < kLength);
    const Bytes expected = GeneratedBlock(kFill, block, SizeOf(block));
    HNX_CHECK(AsText(proof.block->value.view()) == AsText(expected));
  }
}

void Run(Input input) {
  const ProofRequest request = ReadRequest(input);
  Result<Proof> honest = TheCore().Prove(request);
  const bool block_in_range = !request.block || request.block->index.value() < kLength;
  const bool hash_in_range = !request.hash || request.hash->index.value() < 2 * kLength - 1;
  const bool few_levels =
      (!request.block || request.block->nodes < 8) && (!request.hash || request.hash->nodes < 8);
  const bool askable = !request.upgrade || request.upgrade->start <= kLength;
  if (!block_in_range || !hash_in_range || !few_levels || !askable) {
    return;  // nobody asks so
  }
  Proof proof = honest ? *std::move(honest) : MadeUp(request);
  while (!input.empty()) {
    Edit(proof, input);
  }
  Asker asker(TheCore(), request);
  const Result<ProofVerdict> verdict = asker.Judge(request, proof);
  HNX_CHECK(verdict.has_value());
  HNX_CHECK(!std::holds_alternative<TreeConflict>(*verdict));  // the owner signed one tree
  if (const auto* verified = std::get_if<VerifiedProof>(&*verdict)) {
    CheckTrue(*verified, proof);
  }
}

}  // namespace
}  // namespace hnx::hyper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size <= 512) {
    hnx::hyper::Run(hnx::hyper::Input(data, size));
  }
  return 0;
}
