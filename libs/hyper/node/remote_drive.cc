#include "hyper/node/remote_drive.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "hyper/node/loop_call.h"
#include "hyper/node/remote_drive_impl.h"
#include "hyper/node/remote_drive_view.h"

namespace hnx::hyper {
namespace {

using std::chrono::milliseconds;

// How often is asked what no event tells: what peers have.
constexpr milliseconds kAskInterval{50};
constexpr int kFetchPriority = 1;

BlockRange BlocksOf(const BlobId& blob) {
  return {BlockIndex(blob.block_offset), BlockIndex(blob.block_offset + blob.block_length)};
}

Result<std::unique_ptr<Corestore>> OpenStore(const std::filesystem::path& folder) {
  auto store = Corestore::Open(folder);
  return store || store.error().code != ErrorCode::kNotFound ? std::move(store)
                                                             : Corestore::Create(folder);
}

}  // namespace

Result<std::shared_ptr<RemoteDrive>> RemoteDriveImpl::Open(std::shared_ptr<NodeLoop> node,
                                                           const DriveKey& key,
                                                           RemoteDriveOptions options) {
  CoreKey core_key;
  core_key.bytes = key.bytes();
  // A drive that was given up before gives its files free on the loop.
  HNX_ASSIGN_OR_RETURN(
      const bool known, CallOnLoop(node->loop(), [node, core_key]() -> Result<bool> {
        return node->replicator() != nullptr && node->replicator()->HasCore(core_key);
      }));
  if (known) {
    return Error{ErrorCode::kAlreadyExists, "open drive " + key.id() + ": it is open already"};
  }
  HNX_ASSIGN_OR_RETURN(auto store, OpenStore(options.folder));
  HNX_ASSIGN_OR_RETURN(auto db, store->OpenReplica(core_key));
  const auto cores =
      std::make_shared<RemoteDriveCores>(std::move(node), core_key, std::move(options));
  // A std::function holds copies only.
  const auto shared_store = std::make_shared<std::unique_ptr<Corestore>>(std::move(store));
  const auto shared_db = std::make_shared<std::unique_ptr<ReplicaCore>>(std::move(db));
  const Result<void> opened =
      CallOnLoop(cores->node().loop(), [cores, shared_store, shared_db]() -> Result<void> {
        return cores->Open(std::move(*shared_store), std::move(*shared_db));
      });
  if (!opened) {
    return opened.error().Annotate("open drive " + key.id());
  }
  return std::shared_ptr<RemoteDrive>(std::make_shared<RemoteDriveImpl>(key, cores));
}

RemoteDriveImpl::RemoteDriveImpl(const DriveKey& key, std::shared_ptr<RemoteDriveCores> cores)
    : key_(key),
      cores_(std::move(cores)),
      cache_(std::make_shared<BeeCache>(cores_->options().cache_bytes_max)) {}

RemoteDriveImpl::~RemoteDriveImpl() {
  cores_->node().loop().Post([cores = cores_] { cores->Close(); });
}

std::string RemoteDriveImpl::Describe(const char* what) const {
  return std::string(what) + " of drive " + key_.id();
}

Result<std::shared_ptr<RemoteCore>> RemoteDriveImpl::Content() const {
  RemoteDriveCores::Now now = cores_->now();
  if (now.ended) {
    return *now.ended;
  }
  if (!now.content) {
    return FailedPrecondition("drive " + key_.id() + ": no head is known yet");
  }
  return std::move(now.content);
}

// -- Heads

Result<void> RemoteDriveImpl::WaitForHead(const ReadLimits& limits) {
  const CancelHook hook(limits, cores_->signal());
  const std::string what = Describe("find a head");
  for (;;) {
    const std::uint64_t seen = cores_->signal()->seen();
    const RemoteDriveCores::Now now = cores_->now();
    if (now.version > 0) {
      return {};
    }
    if (now.ended) {
      return now.ended->Annotate(what);
    }
    HNX_ASSIGN_OR_RETURN(const bool alone,
                         CallOnLoop(cores_->node().loop(),
                                    [this]() -> Result<bool> { return cores_->node().alone(); }));
    if (alone) {
      return Unavailable(
          what + ": nobody was found who has it. Is its key right, does somebody " +
          "serve it, is there a way to them (--peer HOST:PORT, or the swarm bridge)?");
    }
    HNX_TRY(cores_->signal()->WaitChange(seen, limits, Clock::Real().Steady() + kAskInterval * 4,
                                         what));
  }
}

Result<void> RemoteDriveImpl::WaitForFreshHead(const ReadLimits& limits) {
  const CancelHook hook(limits, cores_->signal());
  const std::string what = Describe("have the head confirmed");
  for (;;) {
    const std::uint64_t seen = cores_->signal()->seen();
    const RemoteDriveCores::Now now = cores_->now();
    if (now.ended) {
      return now.ended->Annotate(what);
    }
    HNX_ASSIGN_OR_RETURN(const bool fresh,
                         CallOnLoop(cores_->node().loop(), [this]() -> Result<bool> {
                           HNX_ASSIGN_OR_RETURN(Downloader* const db, cores_->db()->downloader());
                           return db->statistics().head_confirmed.has_value();
                         }));
    if (fresh && now.version > 0) {
      return {};
    }
    HNX_TRY(cores_->signal()->WaitChange(seen, limits, std::nullopt, what));
  }
}

Result<void> RemoteDriveImpl::WaitForVersion(std::uint64_t version, const ReadLimits& limits) {
  const CancelHook hook(limits, cores_->signal());
  const std::string what = Describe("wait for a newer version");
  for (;;) {
    const std::uint64_t seen = cores_->signal()->seen();
    const RemoteDriveCores::Now now = cores_->now();
    if (now.version > version) {
      return {};
    }
    if (now.ended) {
      return now.ended->Annotate(what);
    }
    HNX_TRY(cores_->signal()->WaitChange(seen, limits, std::nullopt, what));
  }
}

Result<std::uint64_t> RemoteDriveImpl::VersionInReach() {
  const RemoteDriveCores::Now now = cores_->now();
  if (now.ended) {
    return *now.ended;
  }
  if (now.version == 0) {
    return std::uint64_t{0};
  }
  HNX_ASSIGN_OR_RETURN(const std::uint64_t length, cores_->db()->LengthInReach());
  return std::min(length, now.version);
}

Result<std::shared_ptr<const DriveView>> RemoteDriveImpl::View(const ReadLimits& limits) {
  return ViewAt(cores_->now().version, limits);
}

Result<std::shared_ptr<const DriveView>> RemoteDriveImpl::ViewAt(std::uint64_t version,
                                                                 const ReadLimits& limits) {
  RemoteDriveCores::Now now = cores_->now();
  if (now.ended) {
    return *now.ended;
  }
  if (version == 0) {
    return FailedPrecondition("read drive " + key_.id() + ": no head is known yet");
  }
  return std::shared_ptr<const DriveView>(std::make_shared<RemoteDriveView>(
      RemoteDriveView::Parts{shared_from_this(), cores_->db(), std::move(now.content), version,
                             cores_->options().older_entries, cache_, limits}));
}

// -- Blobs

Result<Availability> RemoteDriveImpl::AvailabilityOf(const BlobId& blob) {
  HNX_TRY(CheckRemoteBlob(blob));
  HNX_ASSIGN_OR_RETURN(const auto content, Content());
  return content->AvailabilityOf(BlocksOf(blob));
}

Result<Availability> RemoteDriveImpl::WaitForAvailability(const BlobId& blob,
                                                          const ReadLimits& limits) {
  const CancelHook hook(limits, cores_->signal());
  for (;;) {
    const std::uint64_t seen = cores_->signal()->seen();
    HNX_ASSIGN_OR_RETURN(const Availability now, AvailabilityOf(blob));
    if (now != Availability::kUnknown) {
      return now;
    }
    const auto waited = cores_->signal()->WaitChange(
        seen, limits, Clock::Real().Steady() + kAskInterval, Describe("find the peers of a blob"));
    if (!waited) {
      return waited.error().code == ErrorCode::kDeadlineExceeded ? Result<Availability>(now)
                                                                 : waited.error();
    }
  }
}

Result<void> RemoteDriveImpl::Fetch(const BlobId& blob, const ReadLimits& limits,
                                    const OnProgress& progress) {
  HNX_TRY(CheckRemoteBlob(blob));
  if (blob.block_length == 0) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const auto content, Content());
  const BlockRange blocks = BlocksOf(blob);
  HNX_ASSIGN_OR_RETURN(const bool held, content->HoldsLocally(blocks));
  return held ? Result<void>() : FetchBlocks(content, blocks, limits, progress);
}

Result<void> RemoteDriveImpl::FetchBlocks(const std::shared_ptr<RemoteCore>& content,
                                          BlockRange blocks, const ReadLimits& limits,
                                          const OnProgress& progress) {
  const CancelHook hook(limits, cores_->signal());
  const auto done = std::make_shared<std::atomic<bool>>(false);
  HNX_ASSIGN_OR_RETURN(
      const SelectionId selection,
      CallOnLoop(cores_->node().loop(),
                 [content, blocks, done, signal = cores_->signal()]() -> Result<SelectionId> {
                   HNX_ASSIGN_OR_RETURN(Downloader* const downloader, content->downloader());
                   // What is staged counts with the next commit; nobody waits for it here.
                   return downloader->Select({.blocks = blocks,
                                              .to_head = false,
                                              .priority = kFetchPriority,
                                              .on_complete = [done, signal] {
                                                *done = true;
                                                signal->Notify();
                                              }});
                 }));
  const auto give_up = [&](const Error& why) -> Error {
    cores_->node().loop().Post([content, selection] {
      if (const Result<Downloader*> downloader = content->downloader()) {
        (*downloader)->Deselect(selection);
      }
    });
    return why;
  };
  const std::string what = Describe("fetch a blob");
  std::uint64_t held_before = 0;
  std::optional<Clock::SteadyTime> stalled;
  for (;;) {
    const std::uint64_t seen = cores_->signal()->seen();
    if (*done) {
      return {};
    }
    if (const RemoteDriveCores::Now now = cores_->now(); now.ended) {
      return give_up(now.ended->Annotate(what));
    }
    const Result<DownloadProgress> progressed =
        CallOnLoop(cores_->node().loop(), [content, blocks]() -> Result<DownloadProgress> {
          HNX_ASSIGN_OR_RETURN(Downloader* const downloader, content->downloader());
          DownloadProgress now;
          now.blocks_total = blocks.length();
          now.bytes_fetched = downloader->statistics().bytes_received;
          for (BlockIndex at = blocks.begin; at < blocks.end;) {
            HNX_ASSIGN_OR_RETURN(const BlockIndex begin,
                                 downloader->replica().NextPresent({at, blocks.end}));
            HNX_ASSIGN_OR_RETURN(const BlockIndex end,
                                 downloader->replica().NextAbsent({begin, blocks.end}));
            now.blocks_held += end.value() - begin.value();
            at = std::max(end, begin);
          }
          return now;
        });
    if (!progressed) {
      return give_up(progressed.error());
    }
    if (progress) {
      progress(*progressed);
    }
    const Clock::SteadyTime time = Clock::Real().Steady();
    if (!stalled || progressed->blocks_held > held_before) {
      held_before = progressed->blocks_held;
      stalled = time;
    }
    std::optional<Clock::SteadyTime> until;
    if (limits.stall_max) {
      until = *stalled + *limits.stall_max;
      if (time >= *until) {
        return give_up(Error{ErrorCode::kDeadlineExceeded,
                             what + ": no peer sent a block of it within " +
                                 std::to_string(limits.stall_max->count()) + " ms"});
      }
    }
    const auto waited = cores_->signal()->WaitChange(seen, limits, until, what);
    if (!waited) {
      return give_up(waited.error());
    }
  }
}

void RemoteDriveImpl::SetKeep(Keep keep) {
  cores_->node().loop().Post([cores = cores_, keep] { cores->SetKeep(keep); });
}

// By the entries, not by the cores: of what was retired nobody has the blocks any more.
Result<void> RemoteDriveImpl::WaitUntilHeld(Keep what, const ReadLimits& limits,
                                            const OnProgress& progress) {
  if (what == Keep::kSparse) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const auto view, View(limits));
  HNX_ASSIGN_OR_RETURN(const auto list, view->List("/"));
  DownloadProgress sum;
  for (;;) {
    HNX_ASSIGN_OR_RETURN(const std::optional<DriveEntry> entry, list->Next());
    if (!entry) {
      break;
    }
    if (what == Keep::kWhole && entry->blob) {
      const auto on_blob = [&](const DownloadProgress& blob) {
        if (progress) {
          progress({sum.blocks_held + blob.blocks_held, sum.blocks_total + blob.blocks_total,
                    blob.bytes_fetched});
        }
      };
      const Result<void> fetched = Fetch(*entry->blob, limits, on_blob);
      if (!fetched) {
        return fetched.error().Annotate("fetch " + entry->path);
      }
      sum.blocks_held += entry->blob->block_length;
      sum.blocks_total += entry->blob->block_length;
    }
  }
  // The entries' own blocks were read while they were listed: they are staged at least.
  return CommitEntries();
}

Result<void> RemoteDriveImpl::CommitEntries() {
  return CallOnLoop(cores_->node().loop(), [this]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(Downloader* const db, cores_->db()->downloader());
    return db->Commit();
  });
}

Result<void> RemoteDriveImpl::Evict(const BlobId& blob) {
  HNX_TRY(CheckRemoteBlob(blob));
  HNX_ASSIGN_OR_RETURN(const auto content, Content());
  return blob.block_length == 0 ? Result<void>() : content->Evict(BlocksOf(blob));
}

Result<RemoteDriveStatus> RemoteDriveImpl::Status() {
  RemoteDriveStatus status;
  auto db = cores_->db()->Status();
  if (!db) {
    const auto ended = cores_->now().ended;
    return ended ? *ended : db.error();
  }
  status.db = *std::move(db);
  if (const RemoteDriveCores::Now now = cores_->now(); now.content) {
    HNX_ASSIGN_OR_RETURN(status.content, now.content->Status());
    status.bytes_on_disk = now.content->bytes_on_disk();
  }
  if (status.db.download.head_confirmed) {
    status.head_age = std::chrono::duration_cast<milliseconds>(Clock::Real().Steady() -
                                                               *status.db.download.head_confirmed);
  }
  return status;
}

}  // namespace hnx::hyper
