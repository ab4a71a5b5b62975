#include "worker/recovery/index_holders.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/clock.h"
#include "base/log.h"
#include "hyper/node/peer_node.h"

namespace hnx::worker {
namespace {

constexpr std::chrono::milliseconds kAskInterval{50};
constexpr std::chrono::seconds kProgressInterval{5};

// What the peer says of one core. Waiting: it has not said yet, or more than it has proven so far.
struct CoreAnswer {
  bool waiting = true;
  std::uint64_t length = 0;
};

CoreAnswer AnswerOf(const hyper::RemoteCoreStatus& core) {
  const auto peer = std::find_if(core.peers.begin(), core.peers.end(),
                                 [](const hyper::CorePeer& one) { return one.told; });
  if (peer == core.peers.end()) {
    return {};
  }
  return {peer->length > core.head.length, peer->length};
}

bool Longer(const hyper::CoreHead& head, const hyper::CoreHead& than) {
  return head.length > than.length;
}

}  // namespace

std::string HeldIndex::Describe() const {
  std::string text;
  for (const HolderAnswer& holder : holders) {
    text += text.empty() ? "" : ", ";
    text += holder.answered()
                ? fmt::format("{} has length {}", holder.address, holder.db_length)
                : fmt::format("{} gave no answer ({})", holder.address, holder.trouble);
  }
  return text.empty() ? "no holder was given" : text;
}

Result<void> IndexHolders::MakeFolder() const {
  auto store = hyper::Corestore::Open(options_.folder);
  if (!store.has_value() && store.error().code == ErrorCode::kNotFound) {
    store = hyper::Corestore::Create(options_.folder, options_.primary_key);
  }
  return store.has_value() ? Result<void>() : store.error();
}

Result<IndexHolders::Connected> IndexHolders::Connect(
    const std::vector<std::string>& addresses,
    const std::optional<swarm::SwarmOptions>& swarm) const {
  Connected connected;
  hyper::PeerNodeOptions node;
  node.peers = addresses;
  if (swarm) {
    HNX_ASSIGN_OR_RETURN(connected.bridge, swarm::SwarmBridge::Start(*swarm));
    node.swarm_socket = connected.bridge->socket();
  }
  hyper::RemoteDriveOptions drive;
  drive.folder = options_.folder;
  drive.lookup = swarm.has_value();
  drive.announce = false;
  HNX_ASSIGN_OR_RETURN(connected.node, hyper::PeerNode::Start(std::move(node)));
  HNX_ASSIGN_OR_RETURN(connected.drive, connected.node->OpenRemote(options_.key, drive));
  return connected;
}

Result<HeldIndex> IndexHolders::Ask() {
  HNX_TRY(MakeFolder());
  HeldIndex held;
  for (const std::string& address : options_.addresses) {
    HNX_ASSIGN_OR_RETURN(HolderAnswer answer, AskOne(address, &held));
    held.holders.push_back(std::move(answer));
  }
  return held;
}

Result<HolderAnswer> IndexHolders::AskOne(const std::string& address, HeldIndex* held) const {
  HolderAnswer answer;
  answer.address = address;
  answer.trouble = "no connection";
  HNX_ASSIGN_OR_RETURN(const Connected holder, Connect({address}, std::nullopt));
  const auto& drive = holder.drive;
  const auto deadline = Clock::Real().Steady() + options_.answer_max;
  while (Clock::Real().Steady() < deadline) {
    if (Stopping()) {
      return Error{ErrorCode::kCancelled, "the worker stops"};
    }
    HNX_ASSIGN_OR_RETURN(const hyper::RemoteDriveStatus status, drive->Status());
    if (status.db.frozen || (status.content && status.content->frozen)) {
      return DataLoss(fmt::format(
          "the index drive {}: two trees were signed at one length, so every peer has frozen it. "
          "Nothing can be published under this key any more: make a new one with worker "
          "create-index-key FILE --predecessor {}",
          options_.key.id(), options_.key.id()));
    }
    const CoreAnswer db = AnswerOf(status.db);
    // Until the db has a block there is no content to be asked for.
    const bool empty = !db.waiting && status.db.head.length == 0;
    const CoreAnswer content =
        status.content ? AnswerOf(*status.content) : CoreAnswer{.waiting = !empty};
    if (!db.waiting && !content.waiting) {
      answer.trouble.clear();
      answer.db_length = db.length;
      answer.content_length = content.length;
      if (Longer(status.db.head, held->longest.db)) {
        held->longest.db = status.db.head;
      }
      if (status.content && Longer(status.content->head, held->longest.content)) {
        held->longest.content = status.content->head;
      }
      return answer;
    }
    if (!status.db.peers.empty()) {
      answer.trouble = fmt::format(
          "connected, but it did not prove the head that it names within {} s",
          std::chrono::duration_cast<std::chrono::seconds>(options_.answer_max).count());
    }
    // Until it grows, or a while: what peers say of themselves wakes nobody.
    (void)drive->WaitForVersion(drive->version(), hyper::ReadLimits::Within(kAskInterval));
  }
  return answer;
}

Result<hyper::SignedDriveHead> IndexHolders::Fetch() {
  HNX_TRY(MakeFolder());
  HNX_ASSIGN_OR_RETURN(const Connected holders, Connect(options_.addresses, options_.swarm));
  const auto& drive = holders.drive;
  hyper::ReadLimits limits;
  limits.stall_max = options_.stall_max;
  limits.cancellation = std::make_shared<hyper::Cancellation>();
  auto told = Clock::Real().Steady();
  const auto on_progress = [&](const hyper::DownloadProgress& progress) {
    if (Stopping()) {
      limits.cancellation->Cancel();
    }
    if (const auto now = Clock::Real().Steady(); now - told >= kProgressInterval) {
      told = now;
      Log("index")->info("fetching the index from its holders: {} of {} blocks",
                         progress.blocks_held, progress.blocks_total);
    }
  };
  hyper::ReadLimits head_limits = hyper::ReadLimits::Within(options_.answer_max);
  head_limits.cancellation = limits.cancellation;
  HNX_TRY(drive->WaitForHead(head_limits));
  drive->SetKeep(hyper::RemoteDrive::Keep::kWhole);
  HNX_TRY(drive->WaitUntilHeld(hyper::RemoteDrive::Keep::kWhole, limits, on_progress));
  HNX_ASSIGN_OR_RETURN(const auto status, drive->Status());
  Log("index")->info("the index was fetched at length {}: {} of its blocks without a gap",
                     status.db.head.length, status.db.contiguous_length);
  return hyper::SignedDriveHead{status.db.head,
                                status.content ? status.content->head : hyper::CoreHead{}};
}

}  // namespace hnx::worker
