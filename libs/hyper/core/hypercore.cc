#include "hyper/core/hypercore.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "hyper/core/hypercore_impl.h"

namespace hnx::hyper {
namespace {

// How many cleared blocks at its end may be missing from a file before it counts as too short
// without a look at each; a block that is missing in spite of it is found when it is read.
constexpr int kTailBlocksMax = 1 << 20;

}  // namespace

Error Hypercore::Impl::OutOfOrder(const std::string& what) const {
  return FailedPrecondition("core " + storage->Name() + ": " + what);
}

Result<void> Hypercore::Impl::Usable() const {
  if (broken || oplog.broken()) {
    return OutOfOrder("an earlier write failed half way; open the core again");
  }
  return {};
}

Result<void> Hypercore::Impl::WritableNow() const {
  HNX_TRY(Usable());
  const std::optional<StoredKeyPair>& pair = view->header().key_pair;
  if (!pair || !pair->secret_key) {
    return OutOfOrder("its secret key is not here");
  }
  return {};
}

Result<void> Hypercore::Impl::Record(const OplogEntry& entry, MerkleTree tree) {
  HNX_TRY(oplog.Append(entry));
  CrashPoint("hypercore.after_oplog_write");
  storage->Sync(CoreFile::kOplog);
  CrashPoint("hypercore.after_oplog_sync");
  Result<void> applied = view->Apply(entry, std::move(tree));
  // The entry is durable: a view without it would sign another tree at its length.
  broken = broken || !applied.has_value();
  return applied;
}

Result<Bytes> Hypercore::Impl::SignHead(const MerkleTree& tree, std::uint64_t fork) const {
  const StoredKeyPair& pair = *view->header().key_pair;
  const CoreHead head{tree.length(), fork, tree.byte_length(), tree.hash(), {}};
  return SignTree(view->identity(), pair.public_key, *pair.secret_key, head);
}

void Hypercore::Impl::FlushIfDue() {
  if (oplog.entries_bytes() < kOplogEntriesBytesMax) {
    return;
  }
  Result<void> flushed = Flush();
  if (!flushed) {
    Log("hypercore")
        ->warn("flush core {}: {}; its oplog keeps growing until a flush succeeds", storage->Name(),
               flushed.error().message);
  }
}

// Every step may be the last one before a crash: tree and bitfield are written while the entries
// still repeat them, the header is written when both are on disk, and only then do the entries go.
Result<void> Hypercore::Impl::Flush() {
  HNX_TRY(Usable());
  HNX_TRY(view->nodes().WritePending());
  CrashPoint("hypercore.during_flush");
  HNX_TRY(view->bits().WritePending());
  storage->Sync(CoreFile::kTree);
  storage->Sync(CoreFile::kBitfield);
  if (std::exchange(holes_unsynced, false)) {
    storage->Sync(CoreFile::kData);  // without its entry nobody would punch a lost hole again
  }
  HNX_TRY(oplog.WriteHeader(view->header()));
  CrashPoint("hypercore.after_header_sync");
  view->nodes().Flushed();
  view->bits().Flushed();
  return oplog.DropEntries();
}

Result<void> Hypercore::Impl::CheckDataLength() {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t data_bytes, storage->Size(CoreFile::kData));
  const CoreHead& head = view->head();
  if (data_bytes >= head.byte_length) {
    return {};
  }
  // A file that ends in cleared blocks may be shorter.
  BlockIndex last(head.length);
  for (int i = 0; i < kTailBlocksMax && last > BlockIndex(0); ++i) {
    const BlockIndex block = last - 1;
    HNX_ASSIGN_OR_RETURN(const ByteRange range, view->Locate(block));
    if (range.end.value() <= data_bytes) {
      return {};
    }
    HNX_ASSIGN_OR_RETURN(const bool here, view->Has(block));
    if (here && !range.empty()) {
      return DataLoss("core " + storage->Name() + ": data ends at byte " +
                      std::to_string(data_bytes) + ", block " + std::to_string(block.value()) +
                      " reaches to " + std::to_string(range.end.value()));
    }
    last = block;
  }
  return {};
}

Result<void> Hypercore::Impl::Repair() {
  HNX_TRY(CheckDataLength());
  // A process that was killed may have left an entry or a header that we can read and that no sync
  // has reached yet. Whoever asks for our head must find it after a power cut too, and nothing that
  // it makes superfluous may go before it is there to stay.
  for (const CoreFile file :
       {CoreFile::kData, CoreFile::kTree, CoreFile::kBitfield, CoreFile::kOplog}) {
    storage->Sync(file);
  }
  const OplogContent& loaded = view->loaded();
  report.oplog_bytes_cut = loaded.bytes_behind();
  report.header_slot_torn =
      loaded.slots[0] == SlotState::kDamaged || loaded.slots[1] == SlotState::kDamaged;
  if (report.oplog_bytes_cut > 0) {
    HNX_TRY(storage->Truncate(CoreFile::kOplog, loaded.end));
  }
  const std::uint64_t byte_length = view->head().byte_length;
  HNX_ASSIGN_OR_RETURN(const std::uint64_t data_bytes, storage->Size(CoreFile::kData));
  if (data_bytes > byte_length) {
    report.data_bytes_cut = data_bytes - byte_length;
    HNX_TRY(storage->Truncate(CoreFile::kData, byte_length));
  }
  // A crash may have come between the entry that drops blocks and the hole.
  for (const BlockRange& dropped : view->bits().Pending(false)) {
    const BlockIndex end = std::min(dropped.end, BlockIndex(view->head().length));
    if (dropped.begin < end) {
      HNX_TRY(Punch({dropped.begin, end}));
    }
  }
  if (report.header_slot_torn) {
    HNX_TRY(Flush());  // writes just that slot
  }
  return {};
}

Hypercore::Hypercore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Hypercore::~Hypercore() = default;

Result<std::unique_ptr<Hypercore>> Hypercore::Create(std::unique_ptr<CoreStorage> storage,
                                                     NewCore core) {
  CoreStorage& files = *storage;
  Result<OplogContent> existing = ReadOplog(files);
  if (existing) {
    return Error{ErrorCode::kAlreadyExists, "create core " + files.Name() + ": there is one"};
  }
  if (existing.error().code != ErrorCode::kNotFound) {
    return std::move(existing).error();
  }
  OplogHeader header;
  header.key = CoreKeyOf(core.manifest);
  header.manifest = std::move(core.manifest);
  header.user_data = std::move(core.user_data);
  // Fails here rather than at the first append.
  HNX_TRY(SignTree({header.key, header.manifest}, core.key_pair.public_key,
                   core.key_pair.secret_key, CoreHead{}));
  header.key_pair = StoredKeyPair{core.key_pair.public_key, std::move(core.key_pair.secret_key)};
  // What a creation that did not come to its end left behind.
  for (const CoreFile file :
       {CoreFile::kOplog, CoreFile::kTree, CoreFile::kBitfield, CoreFile::kData}) {
    HNX_TRY(files.Truncate(file, 0));
    files.Sync(file);
  }
  OplogWriter oplog(files);
  HNX_TRY(oplog.WriteHeader(header));
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

Result<void> Hypercore::SetUserData(std::string_view key, ByteView value) {
  HNX_TRY(impl_->Usable());
  OplogEntry entry;
  entry.user_data = UserDataItem{std::string(key), ToBytes(value)};
  HNX_TRY(impl_->Record(entry, impl_->view->tree()));
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
