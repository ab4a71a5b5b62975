#include "hyper/core/core_reader.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "hyper/core/core_view.h"

namespace hnx::hyper {
namespace {

// How often a view is loaded anew because the writer went on meanwhile. A load takes well below a
// millisecond, a writer's steps each end with a sync, so two or three are usual.
constexpr int kLoadTriesMax = 1000;
// How often a read is repeated because the view had to be refreshed.
constexpr int kReadTriesMax = 16;

}  // namespace

class CoreReader::Impl {
 public:
  explicit Impl(std::unique_ptr<CoreStorage> storage_in) : storage(std::move(storage_in)) {}

  // A view of the files at one moment.
  Result<std::unique_ptr<CoreView>> LoadView() {
    for (int i = 1;; ++i) {
      HNX_ASSIGN_OR_RETURN(const OplogMark before, ReadOplogMark(*storage, OplogMark{}));
      Result<std::unique_ptr<CoreView>> loaded = CoreView::Load(*storage);
      if (loaded) {
        std::optional<StoredKeyPair>& pair = (*loaded)->header().key_pair;
        secret_key_here = pair && pair->secret_key;
        pair.reset();  // a reader keeps no secrets
        return loaded;
      }
      HNX_ASSIGN_OR_RETURN(const OplogMark after, ReadOplogMark(*storage, OplogMark{}));
      // What failed while the files changed says nothing about them.
      const bool changing = before != after || loaded.error().code == ErrorCode::kUnavailable;
      if (!changing || i >= kLoadTriesMax) {
        return loaded;
      }
      std::this_thread::yield();
    }
  }

  Result<bool> Refresh() {
    const OplogMark& known = view->loaded().mark;
    HNX_ASSIGN_OR_RETURN(const OplogMark now, ReadOplogMark(*storage, known));
    if (now == known) {
      return false;
    }
    HNX_ASSIGN_OR_RETURN(std::unique_ptr<CoreView> fresh, LoadView());
    if (fresh->identity().key != view->identity().key) {
      return DataLoss("core " + storage->Name() + ": another core stands in its place");
    }
    view = std::move(fresh);
    return true;
  }

  // Reads; when what was read contradicts itself because the writer cleared or cut meanwhile, once
  // more with a fresh view.
  template <class Read>
  auto ReadFresh(Read read) -> decltype(read()) {
    for (int i = 1;; ++i) {
      auto result = read();
      if (result || result.error().code != ErrorCode::kDataLoss || i >= kReadTriesMax) {
        return result;
      }
      HNX_ASSIGN_OR_RETURN(const bool changed, Refresh());
      if (!changed) {
        return result;
      }
    }
  }

  std::unique_ptr<CoreStorage> storage;
  std::unique_ptr<CoreView> view;
  // What the caller was told of: reads move the view too.
  OplogMark told;
  bool secret_key_here = false;
};

CoreReader::CoreReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CoreReader::~CoreReader() = default;

Result<std::unique_ptr<CoreReader>> CoreReader::Open(std::unique_ptr<CoreStorage> storage) {
  auto impl = std::make_unique<Impl>(std::move(storage));
  HNX_ASSIGN_OR_RETURN(impl->view, impl->LoadView());
  impl->told = impl->view->loaded().mark;
  return std::unique_ptr<CoreReader>(new CoreReader(std::move(impl)));
}

Result<bool> CoreReader::Refresh() {
  HNX_TRY(impl_->Refresh());
  const OplogMark& now = impl_->view->loaded().mark;
  return std::exchange(impl_->told, now) != now;
}

const CoreKey& CoreReader::key() const {
  return impl_->view->identity().key;
}

const DiscoveryKey& CoreReader::discovery_key() const {
  return impl_->view->discovery_key();
}

const std::optional<Manifest>& CoreReader::manifest() const {
  return impl_->view->identity().manifest;
}

const std::vector<UserDataItem>& CoreReader::user_data() const {
  return impl_->view->header().user_data;
}

std::string CoreReader::name() const {
  return impl_->storage->Name();
}

bool CoreReader::secret_key_here() const {
  return impl_->secret_key_here;
}

const std::vector<TreeNode>& CoreReader::roots() const {
  return impl_->view->tree().roots();
}

Result<TreeNode> CoreReader::Node(TreeIndex index) {
  return impl_->view->nodes().Get(index);
}

const CoreHead& CoreReader::head() const {
  return impl_->view->head();
}

Result<bool> CoreReader::Has(BlockIndex block) {
  return impl_->view->Has(block);
}

Result<bool> CoreReader::HasAll(BlockRange blocks) {
  if (blocks.end.value() > length()) {
    return false;
  }
  HNX_ASSIGN_OR_RETURN(const BlockIndex gap, impl_->view->bits().Find(false, blocks));
  return gap == blocks.end;
}

Result<BlockIndex> CoreReader::Find(bool present, BlockRange blocks) {
  const BlockIndex end = std::min(blocks.end, BlockIndex(length()));
  if (blocks.begin >= end) {
    return present ? blocks.end : blocks.begin;
  }
  HNX_ASSIGN_OR_RETURN(const BlockIndex found,
                       impl_->view->bits().Find(present, {blocks.begin, end}));
  return found == end && present ? blocks.end : found;
}

Result<Bytes> CoreReader::Get(BlockIndex block) {
  return impl_->ReadFresh([&] { return impl_->view->Get(block); });
}

Result<ByteRange> CoreReader::Locate(BlockIndex block) {
  return impl_->ReadFresh([&] { return impl_->view->Locate(block); });
}

Result<ByteRange> CoreReader::Locate(BlockRange blocks) {
  HNX_ASSIGN_OR_RETURN(const ByteRange first, Locate(blocks.begin));
  if (blocks.empty()) {
    return ByteRange{first.begin, first.begin};
  }
  // Not the beginning of the next block: in a sparse core nobody may know where that is.
  HNX_ASSIGN_OR_RETURN(const ByteRange last, Locate(blocks.end - 1));
  return ByteRange{first.begin, last.end};
}

Result<CoreReader::LockedBlocks> CoreReader::LockRange(BlockRange blocks, LockWait wait) {
  HNX_ASSIGN_OR_RETURN(const ByteRange bytes, Locate(blocks));
  HNX_ASSIGN_OR_RETURN(DataLock lock, impl_->storage->LockData(LockKind::kShared, bytes, wait));
  HNX_TRY(impl_->Refresh());
  HNX_ASSIGN_OR_RETURN(const bool all_there, HasAll(blocks));
  if (!all_there) {
    return NotFound("core " + name() + ": blocks " + std::to_string(blocks.begin.value()) + " to " +
                    std::to_string(blocks.end.value()) + " are not all there");
  }
  // A tail that was cut and written again may lie elsewhere now.
  HNX_ASSIGN_OR_RETURN(const ByteRange bytes_now, Locate(blocks));
  if (bytes_now != bytes) {
    return Unavailable("core " + name() + ": blocks moved while they were locked");
  }
  return LockedBlocks{bytes, std::move(lock)};
}

Result<Proof> CoreReader::Prove(const ProofRequest& request, BlockBytes block_bytes) {
  HNX_ASSIGN_OR_RETURN(Proof proof, impl_->ReadFresh([&] {
    return BuildProof(*impl_->view, request, block_bytes);
  }));
  if (proof.block && block_bytes == BlockBytes::kRead) {
    HNX_ASSIGN_OR_RETURN(const bool there, StillThere(proof.block->index, proof.block->bytes));
    if (!there) {
      return NotFound("core " + name() + ": block " + std::to_string(proof.block->index.value()) +
                      " was cleared while it was read");
    }
  }
  return proof;
}

Result<Proof> CoreReader::ProveAt(const CoreHead& head, const ProofRequest& request) {
  return impl_->ReadFresh([&]() -> Result<Proof> {
    CoreView& view = *impl_->view;
    HNX_ASSIGN_OR_RETURN(const MerkleTree tree, view.nodes().TreeOf(head.length));
    if (request.block) {
      const bool below = request.block->index.value() < head.length;
      HNX_ASSIGN_OR_RETURN(const bool here, view.Has(request.block->index));
      if (!below || !here) {
        return NotFound("core " + name() + ": block " +
                        std::to_string(request.block->index.value()) + " is not here");
      }
    }
    const TreeState state{view.identity(), head, tree, view.nodes()};
    HNX_ASSIGN_OR_RETURN(Proof proof, BuildProof(state, request));
    if (proof.block) {
      HNX_ASSIGN_OR_RETURN(proof.block->bytes, view.Locate(proof.block->index));
    }
    return proof;
  });
}

Result<ProofVerdict> CoreReader::Judge(const ProofRequest& request, const Proof& proof) {
  return impl_->ReadFresh([&] {
    CoreView& view = *impl_->view;
    const TreeState state{view.identity(), view.head(), view.tree(), view.nodes()};
    return VerifyProof(state, request, proof);
  });
}

Result<CoreHead> CoreReader::HeadAt(std::uint64_t length) {
  HNX_ASSIGN_OR_RETURN(const MerkleTree tree, impl_->view->nodes().TreeOf(length));
  CoreHead head;
  head.length = length;
  head.fork = impl_->view->head().fork;
  head.byte_length = tree.byte_length();
  head.tree_hash = tree.hash();
  return head;
}

Result<bool> CoreReader::StillThere(BlockIndex block, const ByteRange& bytes) {
  HNX_TRY(impl_->Refresh());
  HNX_ASSIGN_OR_RETURN(const bool here, Has(block));
  if (!here) {
    return false;
  }
  HNX_ASSIGN_OR_RETURN(const ByteRange now, Locate(block));
  return now == bytes;
}

Result<void> CoreReader::ReadBytes(ByteOffset at, std::span<std::byte> out) {
  return impl_->view->ReadBytes(at, out);
}

Result<AuditReport> CoreReader::Audit(const AuditProgress& progress) {
  return AuditCore(*impl_->storage, progress);
}

}  // namespace hnx::hyper
