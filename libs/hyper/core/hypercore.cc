#include "hyper/core/hypercore.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "hyper/core/hypercore_impl.h"

namespace hnx::hyper {

Result<void> Hypercore::Impl::WritableNow() const {
  HNX_TRY(Usable());
  const std::optional<StoredKeyPair>& pair = view->header().key_pair;
  if (!pair || !pair->secret_key) {
    return OutOfOrder("its secret key is not here");
  }
  return {};
}

Result<Bytes> Hypercore::Impl::SignHead(const MerkleTree& tree, std::uint64_t fork) const {
  const StoredKeyPair& pair = *view->header().key_pair;
  const CoreHead head{tree.length(), fork, tree.byte_length(), tree.hash(), {}};
  return SignTree(view->identity(), pair.public_key, *pair.secret_key, head);
}

Hypercore::Hypercore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Hypercore::~Hypercore() = default;

Result<std::unique_ptr<Hypercore>> Hypercore::Create(std::unique_ptr<CoreStorage> storage,
                                                     NewCore core) {
  CoreStorage& files = *storage;
  OplogHeader header;
  header.key = CoreKeyOf(core.manifest);
  header.manifest = std::move(core.manifest);
  header.user_data = std::move(core.user_data);
  // Fails here rather than at the first append.
  HNX_TRY(SignTree({header.key, header.manifest}, core.key_pair.public_key,
                   core.key_pair.secret_key, CoreHead{}));
  header.key_pair = StoredKeyPair{core.key_pair.public_key, std::move(core.key_pair.secret_key)};
  HNX_ASSIGN_OR_RETURN(const OplogWriter oplog, RecordedCore::MakeFiles(files, header));
  auto view = CoreView::Empty(files, std::move(header));
  return std::unique_ptr<Hypercore>(
      new Hypercore(std::make_unique<Impl>(std::move(storage), std::move(view), oplog)));
}

Result<std::unique_ptr<Hypercore>> Hypercore::Open(std::unique_ptr<CoreStorage> storage) {
  HNX_ASSIGN_OR_RETURN(std::unique_ptr<CoreView> view, CoreView::Load(*storage));
  const OplogWriter oplog(*storage, view->loaded());
  auto impl = std::make_unique<Impl>(std::move(storage), std::move(view), oplog);
  HNX_TRY(impl->Repair());
  return std::unique_ptr<Hypercore>(new Hypercore(std::move(impl)));
}

Result<std::unique_ptr<Hypercore>> Hypercore::TakeOver(std::unique_ptr<CoreStorage> storage,
                                                       NewCore core) {
  HNX_ASSIGN_OR_RETURN(auto opened, Open(std::move(storage)));
  if (opened->writable()) {
    return opened;
  }
  Impl& impl = *opened->impl_;
  const CoreHead& head = impl.view->head();
  if (opened->key() != CoreKeyOf(core.manifest)) {
    return impl.OutOfOrder("it is not the core of this key pair");
  }
  if (head.fork != 0) {
    return impl.OutOfOrder("it is at fork " + std::to_string(head.fork) +
                           ", our own cores never leave fork 0");
  }
  if (!impl.view->identity().manifest) {
    impl.view->LearnManifest(core.manifest);
  }
  if (head.length > 0) {
    // Ed25519 signatures are deterministic: a head of ours carries exactly this one.
    HNX_ASSIGN_OR_RETURN(const Bytes ours, SignTree(impl.view->identity(), core.key_pair.public_key,
                                                    core.key_pair.secret_key, head));
    if (ours != head.signature) {
      return impl.OutOfOrder("its head is not signed as this key pair signs");
    }
  }
  OplogHeader& header = impl.view->header();
  header.key_pair = StoredKeyPair{core.key_pair.public_key, std::move(core.key_pair.secret_key)};
  header.user_data = std::move(core.user_data);
  HNX_TRY(impl.Flush());
  return opened;
}

const CoreKey& Hypercore::key() const {
  return impl_->view->identity().key;
}

const DiscoveryKey& Hypercore::discovery_key() const {
  return impl_->view->discovery_key();
}

const std::optional<Manifest>& Hypercore::manifest() const {
  return impl_->view->identity().manifest;
}

bool Hypercore::writable() const {
  const std::optional<StoredKeyPair>& pair = impl_->view->header().key_pair;
  return pair && pair->secret_key;
}

Result<KeyPair> Hypercore::CloneKeyPair() const {
  if (!writable()) {
    return impl_->OutOfOrder("its secret key is not here");
  }
  const StoredKeyPair& pair = *impl_->view->header().key_pair;
  return KeyPair::FromStored(pair.public_key.view(), pair.secret_key->view());
}

const std::vector<UserDataItem>& Hypercore::user_data() const {
  return impl_->view->header().user_data;
}

const OpenReport& Hypercore::open_report() const {
  return impl_->report;
}

std::string Hypercore::name() const {
  return impl_->storage->Name();
}

const CoreHead& Hypercore::head() const {
  return impl_->view->head();
}

Result<bool> Hypercore::Has(BlockIndex block) {
  return impl_->view->Has(block);
}

Result<Bytes> Hypercore::Get(BlockIndex block) {
  return impl_->view->Get(block);
}

Result<void> Hypercore::ReadBytes(ByteOffset at, std::span<std::byte> out) {
  return impl_->view->ReadBytes(at, out);
}

Result<ByteRange> Hypercore::Locate(BlockIndex block) {
  return impl_->view->Locate(block);
}

Result<std::optional<Hash>> Hypercore::TreeHashAt(std::uint64_t length) {
  if (length > head().length) {
    return Error{ErrorCode::kOutOfRange, "core " + name() + " at length " + std::to_string(length) +
                                             ": it has " + std::to_string(head().length)};
  }
  HNX_ASSIGN_OR_RETURN(const std::optional<MerkleTree> tree,
                       impl_->view->nodes().TryTreeOf(length));
  return tree ? std::optional(tree->hash()) : std::nullopt;
}

Result<Proof> Hypercore::Prove(const ProofRequest& request, BlockBytes block_bytes) {
  return BuildProof(*impl_->view, request, block_bytes);
}

Result<void> Hypercore::SetUserData(std::string_view key, ByteView value) {
  HNX_TRY(impl_->Usable());
  OplogEntry entry;
  entry.user_data = UserDataItem{std::string(key), ToBytes(value)};
  HNX_TRY(impl_->Record({&entry, 1}, impl_->view->tree()));
  impl_->FlushIfDue();
  return {};
}

Result<void> Hypercore::Flush() {
  return impl_->Flush();
}

Result<AuditReport> Hypercore::Audit() {
  HNX_TRY(impl_->Flush());
  return AuditCore(*impl_->storage);
}

}  // namespace hnx::hyper
