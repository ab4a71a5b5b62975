// proof_tool: answers proof requests, judges answers and fills replicas, for js/proof_requests.mjs
// and js/replica_turns.mjs. Reads JSON lines, answers each with one.
//
//   {"core": {"seed": HEX, "fill": N, "blocks": [SIZE, ...]}}
//       makes that core -> {"length", "signature", "treeHash"}
//   {"request": REQUEST, "proof": PROOF or null, "mutations": N}
//       -> {"proof": ours, or "error": why; "verdict": what we say of the given proof;
//           "mutations": how many wrong variants of it were judged; "survivor": one that was taken}
//
//   {"grow": [SIZE, ...]}
//       appends to the core -> {"length", ...}
//   {"replica": FOLDER, "give": [BLOCK, ...], "clear": [BEGIN, END] or null, "flush": BOOL}
//       opens or makes the replica of the core there, gives it these blocks of the core (which
//       upgrades it), clears -> {"length", "present": [BLOCK, ...], "contiguous", "findings"}
//
// A proof's nodes are [index, size, HEX]; bytes are HEX.
#include <array>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/hex.h"
#include "hyper/core/replica_core.h"
#include "hyper/storage/flat_core_storage.h"
#include "tests/property/hyper_core/proof_world.h"

namespace hnx::hyper {
namespace {

using Json = nlohmann::ordered_json;  // as JavaScript orders its objects

template <class T>
T Must(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().ToString());
  }
  return *std::move(result);
}
void Must(const Result<void>& result) {
  if (!result) {
    throw std::runtime_error(result.error().ToString());
  }
}

Bytes FromHex(const Json& json) {
  return Must(DecodeHex(json.get<std::string>()));
}

Json ToJson(const std::vector<TreeNode>& nodes) {
  Json list = Json::array();
  for (const TreeNode& node : nodes) {
    list.push_back({node.index.value(), node.size, node.hash.ToHex()});
  }
  return list;
}

std::vector<TreeNode> NodesOf(const Json& list) {
  std::vector<TreeNode> nodes;
  for (const Json& json : list) {
    const Bytes hash = FromHex(json[2]);
    nodes.push_back({TreeIndex(json[0].get<std::uint64_t>()), json[1].get<std::uint64_t>(),
                     *Hash::FromBytes(hash, "node")});
  }
  return nodes;
}

Json ToJson(const Proof& proof) {
  Json json = {{"fork", proof.fork}};
  if (proof.block) {
    json["block"] = {{"index", proof.block->index.value()},
                     {"value", EncodeHex(proof.block->value.view())},
                     {"nodes", ToJson(proof.block->nodes)}};
  }
  if (proof.hash) {
    json["hash"] = {{"index", proof.hash->index.value()}, {"nodes", ToJson(proof.hash->nodes)}};
  }
  if (proof.seek) {
    json["seek"] = {{"bytes", proof.seek->bytes}, {"nodes", ToJson(proof.seek->nodes)}};
  }
  if (proof.upgrade) {
    json["upgrade"] = {{"start", proof.upgrade->start},
                       {"length", proof.upgrade->length},
                       {"nodes", ToJson(proof.upgrade->nodes)},
                       {"additionalNodes", ToJson(proof.upgrade->additional_nodes)},
                       {"signature", EncodeHex(proof.upgrade->signature)}};
  }
  if (proof.manifest) {
    json["manifest"] = EncodeHex(proof.manifest->Encode());
  }
  return json;
}

Proof ProofOf(const Json& json) {
  Proof proof;
  proof.fork = json["fork"];
  if (json.contains("block")) {
    const Json& block = json["block"];
    proof.block = BlockProof{BlockIndex(block["index"].get<std::uint64_t>()),
                             BlockValue(FromHex(block["value"])),
                             NodesOf(block["nodes"]),
                             {}};
  }
  if (json.contains("hash")) {
    proof.hash = HashProof{TreeIndex(json["hash"]["index"].get<std::uint64_t>()),
                           NodesOf(json["hash"]["nodes"])};
  }
  if (json.contains("seek")) {
    proof.seek = SeekProof{json["seek"]["bytes"], NodesOf(json["seek"]["nodes"])};
  }
  if (json.contains("upgrade")) {
    const Json& upgrade = json["upgrade"];
    proof.upgrade =
        UpgradeProof{upgrade["start"], upgrade["length"], NodesOf(upgrade["nodes"]),
                     NodesOf(upgrade["additionalNodes"]), FromHex(upgrade["signature"])};
  }
  if (json.contains("manifest")) {
    proof.manifest = Must(Manifest::Decode(ByteView(FromHex(json["manifest"]))));
  }
  return proof;
}

ProofRequest RequestOf(const Json& json) {
  ProofRequest request;
  request.manifest = json.value("manifest", false);
  if (json.contains("block")) {
    request.block = BlockRequest{BlockIndex(json["block"]["index"].get<std::uint64_t>()),
                                 json["block"]["nodes"]};
  }
  if (json.contains("hash")) {
    request.hash =
        HashRequest{TreeIndex(json["hash"]["index"].get<std::uint64_t>()), json["hash"]["nodes"]};
  }
  if (json.contains("seek")) {
    request.seek = SeekRequest{json["seek"]["bytes"], json["seek"]["padding"]};
  }
  if (json.contains("upgrade")) {
    request.upgrade = UpgradeRequest{json["upgrade"]["start"], json["upgrade"]["length"]};
  }
  return request;
}

std::string Text(const ProofVerdict& verdict) {
  if (std::holds_alternative<VerifiedProof>(verdict)) {
    return "verified";
  }
  if (const auto* refused = std::get_if<ProofRefused>(&verdict)) {
    return std::string(ProofFaultName(refused->fault)) + ": " + refused->why;
  }
  if (const auto* stale = std::get_if<ProofStale>(&verdict)) {
    return "stale: " + stale->why;
  }
  return std::holds_alternative<ForkAhead>(verdict) ? "fork ahead" : "conflict";
}

class Tool {
 public:
  Json Execute(const Json& line) {
    if (line.contains("core")) {
      return Make(line["core"]);
    }
    if (line.contains("grow")) {
      return Grow(line["grow"].get<std::vector<std::size_t>>());
    }
    if (line.contains("replica")) {
      return Fill(line);
    }
    return Answer(line);
  }

 private:
  Json Make(const Json& core) {
    const Bytes seed_bytes = FromHex(core["seed"]);
    std::array<std::byte, 32> seed{};
    std::copy(seed_bytes.begin(), seed_bytes.end(), seed.begin());
    fill_ = core["fill"];
    core_ = MakeCore(seed, fill_, core["blocks"].get<std::vector<std::size_t>>());
    return Head();
  }

  Json Head() const {
    return {{"length", core_->length()},
            {"signature", EncodeHex(core_->head().signature)},
            {"treeHash", core_->head().tree_hash.ToHex()}};
  }

  Json Grow(const std::vector<std::size_t>& sizes) {
    for (const std::size_t size : sizes) {
      const Bytes block = GeneratedBlock(fill_, core_->length(), size);
      const ByteView view = block;
      Must(core_->Append(std::span(&view, 1)));
    }
    return Head();
  }

  std::unique_ptr<ReplicaCore> OpenReplica(const std::string& folder) {
    auto storage = Must(FlatCoreStorage::OpenForWriting(folder));
    if (Must(storage->Size(CoreFile::kOplog)) == 0) {
      return Must(ReplicaCore::Create(std::move(storage), core_->key()));
    }
    return Must(ReplicaCore::Open(std::move(storage)));
  }

  Json Fill(const Json& line) {
    const auto replica = OpenReplica(line["replica"]);
    for (const std::uint64_t block : line["give"].get<std::vector<std::uint64_t>>()) {
      const ProofRequest request = Must(replica->RequestBlock(BlockIndex(block), core_->length()));
      const ReceiveVerdict verdict = Must(replica->Receive(request, Must(core_->Prove(request))));
      if (!std::holds_alternative<ProofStaged>(verdict)) {
        throw std::runtime_error("block " + std::to_string(block) + " was not taken");
      }
    }
    Must(replica->Commit());
    if (!line["clear"].is_null()) {
      Must(replica->Clear({BlockIndex(line["clear"][0].get<std::uint64_t>()),
                           BlockIndex(line["clear"][1].get<std::uint64_t>())}));
    }
    if (line["flush"]) {
      Must(replica->Flush());
    }
    Json answer = {{"length", replica->length()}, {"present", Json::array()}};
    for (std::uint64_t i = 0; i < replica->length(); ++i) {
      if (Must(replica->Has(BlockIndex(i)))) {
        if (Must(replica->Get(BlockIndex(i))) != Must(core_->Get(BlockIndex(i)))) {
          throw std::runtime_error("block " + std::to_string(i) + " has other bytes");
        }
        answer["present"].push_back(i);
      }
    }
    answer["contiguous"] = replica->contiguous_length();
    // Read-only, so that entries stay in the oplog when they are to.
    auto reader = Must(FlatCoreStorage::OpenReadOnly(line["replica"].get<std::string>()));
    Json findings = Json::array();
    for (const AuditFinding& finding : Must(AuditCore(*reader)).findings) {
      findings.push_back(finding.ToString());
    }
    answer["findings"] = findings;
    return answer;
  }

  Json Answer(const Json& line) {
    const ProofRequest request = RequestOf(line["request"]);
    Json answer;
    const Result<Proof> ours = core_->Prove(request);
    if (ours) {
      answer["proof"] = ToJson(*ours);
    } else {
      answer["error"] = ours.error().ToString();
    }
    if (!line["proof"].is_null()) {
      Judge(request, ProofOf(line["proof"]), line["mutations"], answer);
    }
    return answer;
  }

  void Judge(const ProofRequest& request, const Proof& proof, std::size_t mutations_max,
             Json& answer) {
    Asker asker(*core_, request);
    const Result<ProofVerdict> verdict = asker.Judge(request, proof);
    answer["verdict"] = verdict ? Text(*verdict) : verdict.error().ToString();

    std::vector<Proof> mutations;
    std::vector<std::string> names;
    ForEachMutation(proof, static_cast<std::uint32_t>(random_()),
                    [&](const Proof& mutation, const std::string& what) {
                      mutations.push_back(mutation);
                      names.push_back(what);
                    });
    std::size_t judged = 0;
    for (std::size_t i = 0; i < mutations.size(); ++i) {
      // A fair sample of all when there are more than wanted.
      if (random_() % mutations.size() >= mutations_max) {
        continue;
      }
      ++judged;
      const Result<ProofVerdict> result = asker.Judge(request, mutations[i]);
      if (!result || std::holds_alternative<VerifiedProof>(*result)) {
        answer["survivor"] = names[i] + (result ? "" : ": " + result.error().ToString());
      }
    }
    answer["mutations"] = judged;
  }

  std::unique_ptr<Hypercore> core_;
  std::uint32_t fill_ = 0;
  std::mt19937 random_{20261122};
};

int Main() {
  Tool tool;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << tool.Execute(Json::parse(line)).dump() << '\n';
  }
  return std::cout.flush() ? 0 : 1;
}

}  // namespace
}  // namespace hnx::hyper

int main() {
  try {
    return hnx::hyper::Main();
  } catch (const std::exception& error) {
    std::cerr << "proof_tool: " << error.what() << '\n';
    return 1;
  }
}
