#include "worker/scrub/peer_blocks.h"

#include <system_error>
#include <utility>

#include "hyper/core/keys.h"
#include "hyper/drive/corestore.h"
#include "hyper/node/peer_node.h"
#include "hyper/storage/flat_core_storage.h"
#include "worker/data_directory.h"

namespace hnx::worker {
namespace {

constexpr std::chrono::seconds kSourceHeadMax{15};
constexpr std::chrono::seconds kSourceStallMax{10};

Result<void> MakeStore(const std::filesystem::path& folder) {
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  HNX_ASSIGN_OR_RETURN(const auto made, hyper::Corestore::Create(folder));
  return {};
}

Result<std::unique_ptr<hyper::CoreReader>> OpenCore(const std::filesystem::path& store,
                                                    const hyper::DriveKey& key) {
  hyper::CoreKey core_key;
  core_key.bytes = key.bytes();
  HNX_ASSIGN_OR_RETURN(auto storage, hyper::FlatCoreStorage::OpenReadOnly(hyper::CoreFolder(
                                         store, hyper::DiscoveryKeyOf(core_key))));
  return hyper::CoreReader::Open(std::move(storage));
}

hyper::BlobId BlobOf(const WantedBlock& wanted) {
  hyper::BlobId blob;
  blob.byte_offset = wanted.bytes.begin.value();
  blob.block_offset = wanted.block.value();
  blob.block_length = 1;
  blob.byte_length = wanted.bytes.length();
  return blob;
}

}  // namespace

FoundBlocks PeerBlocks::Get(const WantedBlocks& wanted, std::string* trouble) {
  FoundBlocks found;
  const auto fetched = WithBlocks(
      wanted, trouble, [&](hyper::CoreReader& core, hyper::BlockIndex block) -> Result<void> {
        HNX_ASSIGN_OR_RETURN(Bytes bytes, core.Get(block));
        found.emplace(block, std::move(bytes));
        return {};
      });
  if (!fetched.has_value()) {
    *trouble = fetched.error().message;
  }
  return found;
}

std::vector<hyper::TreeNode> PeerBlocks::Nodes(const WantedBlocks& wanted,
                                               const std::vector<hyper::TreeIndex>& nodes) {
  std::vector<hyper::TreeNode> found;
  std::string trouble;
  (void)WithBlocks(wanted, &trouble,
                   [&](hyper::CoreReader& core, hyper::BlockIndex /*block*/) -> Result<void> {
                     for (const hyper::TreeIndex index : nodes) {
                       HNX_ASSIGN_OR_RETURN(const hyper::TreeNode node, core.Node(index));
                       if (!node.blank()) {
                         found.push_back(node);
                       }
                     }
                     return {};
                   });
  return found;
}

Result<void> PeerBlocks::WithBlocks(const WantedBlocks& wanted, std::string* trouble,
                                    const TakeBlock& take) const {
  const std::vector<std::string> addresses =
      options_.addresses ? options_.addresses(wanted.key) : std::vector<std::string>();
  if (addresses.empty() && !options_.swarm) {
    return NotFound("nobody else is known to have it");
  }
  const auto fetched = Fetch(wanted, addresses, trouble, take);
  std::error_code ignored;
  std::filesystem::remove_all(options_.scratch, ignored);
  return fetched;
}

Result<void> PeerBlocks::Fetch(const WantedBlocks& wanted,
                               const std::vector<std::string>& addresses, std::string* trouble,
                               const TakeBlock& take) const {
  HNX_TRY(MakeStore(options_.scratch));
  std::unique_ptr<swarm::SwarmBridge> bridge;  // closed last
  hyper::PeerNodeOptions node_options;
  node_options.peers = addresses;
  if (options_.swarm) {
    HNX_ASSIGN_OR_RETURN(bridge, swarm::SwarmBridge::Start(*options_.swarm));
    node_options.swarm_socket = bridge->socket();
  }
  HNX_ASSIGN_OR_RETURN(const auto node, hyper::PeerNode::Start(std::move(node_options)));
  hyper::RemoteDriveOptions drive_options;
  drive_options.folder = options_.scratch;
  drive_options.lookup = options_.swarm.has_value();
  drive_options.announce = false;
  HNX_ASSIGN_OR_RETURN(const auto drive, node->OpenRemote(wanted.key, drive_options));
  hyper::ReadLimits head_limits = hyper::ReadLimits::Within(kSourceHeadMax);
  head_limits.cancellation = options_.cancellation;
  HNX_TRY(drive->WaitForHead(head_limits));
  hyper::ReadLimits limits;
  limits.stall_max = kSourceStallMax;
  limits.cancellation = options_.cancellation;
  if (!wanted.content) {
    drive->SetKeep(hyper::RemoteDrive::Keep::kEntries);
    HNX_TRY(drive->WaitUntilHeld(hyper::RemoteDrive::Keep::kEntries, limits));
  }
  HNX_ASSIGN_OR_RETURN(const auto view, drive->View(limits));
  const hyper::DriveKey core_key = wanted.content ? view->content_key() : wanted.key;
  for (const WantedBlock& block : wanted.blocks) {
    const auto taken = [&]() -> Result<void> {
      if (wanted.content) {
        HNX_TRY(drive->Fetch(BlobOf(block), limits));
      }
      HNX_ASSIGN_OR_RETURN(const auto core, OpenCore(options_.scratch, core_key));
      return take(*core, block.block);
    }();
    if (!taken.has_value()) {
      *trouble = taken.error().message;
    }
    if (options_.cancellation != nullptr && options_.cancellation->cancelled()) {
      return Error{ErrorCode::kCancelled, "the worker stops"};
    }
  }
  return {};
}

}  // namespace hnx::worker
