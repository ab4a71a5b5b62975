#include "corestore7/exported_core.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/check.h"
#include "hyper/core/crypto.h"
#include "hyper/core/keys.h"

namespace hnx::corestore7 {

namespace {

// What a record costs in memory besides its bytes.
constexpr std::size_t kRecordOverheadBytes = 64;
constexpr unsigned kBitsPerByte = 8;

bool BitAt(const std::array<std::byte, kPageBytes>& bits, std::uint64_t bit) {
  return (bits[bit / kBitsPerByte] & std::byte(1U << (bit % kBitsPerByte))) != std::byte{0};
}

}  // namespace

Result<ExportedCore> ExportedCore::Open(RocksStore& store, const hyper::DiscoveryKey& key) {
  ExportedCore core(store);
  core.key_ = key;
  HNX_ASSIGN_OR_RETURN(const auto record, store.Get(CoreRecordKey(key)));
  if (!record) {
    return core;
  }
  HNX_ASSIGN_OR_RETURN(core.record_, CoreRecord::Decode(*record));
  const std::uint64_t data = core.record_->data_pointer;
  HNX_ASSIGN_OR_RETURN(const auto head, store.Get(HeadKey(data)));
  if (head) {
    HNX_ASSIGN_OR_RETURN(core.head_, HeadRecord::Decode(*head));
  }
  HNX_ASSIGN_OR_RETURN(const auto hints, store.Get(HintsKey(data)));
  if (hints) {
    HNX_ASSIGN_OR_RETURN(const HintsRecord decoded, HintsRecord::Decode(*hints));
    core.contiguous_length_ = std::min(decoded.contiguous_length, core.head_.length);
  }
  return core;
}

Result<void> ExportedCore::LoadPage(std::uint64_t number, Page& page) {
  page.number.reset();
  page.dirty = false;
  page.bits.fill(std::byte{0});
  if (record_) {
    HNX_ASSIGN_OR_RETURN(const auto stored, store_->Get(PageKey(record_->data_pointer, number)));
    if (stored && stored->size() != kPageBytes) {
      return DataLoss("bitfield page " + std::to_string(number) + " of core " + key_.ToHex() +
                      " has " + std::to_string(stored->size()) + " bytes");
    }
    if (stored) {
      std::copy(stored->begin(), stored->end(), page.bits.begin());
    }
  }
  page.number = number;
  return {};
}

Result<const ExportedCore::PageBits*> ExportedCore::BitsOf(std::uint64_t number) {
  if (writing_.number == number) {
    return &std::as_const(writing_.bits);
  }
  if (reading_.number != number) {
    HNX_TRY(LoadPage(number, reading_));
  }
  return &std::as_const(reading_.bits);
}

Result<bool> ExportedCore::Has(hyper::BlockIndex block) {
  if (block.value() >= head_.length) {
    return false;
  }
  HNX_ASSIGN_OR_RETURN(const PageBits* const bits, BitsOf(block.value() / kPageBlocks));
  return BitAt(*bits, block.value() % kPageBlocks);
}

Result<hyper::BlockIndex> ExportedCore::FirstAbsent(hyper::BlockRange blocks) {
  std::uint64_t at = blocks.begin.value();
  const std::uint64_t end = std::min(blocks.end.value(), std::max(at, head_.length));
  while (at < end) {
    HNX_ASSIGN_OR_RETURN(const PageBits* const bits, BitsOf(at / kPageBlocks));
    const std::uint64_t page_end = std::min(end, (at / kPageBlocks + 1) * kPageBlocks);
    while (at < page_end) {
      const bool whole_byte = at % kBitsPerByte == 0 && page_end - at >= kBitsPerByte;
      if (whole_byte && (*bits)[at % kPageBlocks / kBitsPerByte] == std::byte{0xff}) {
        at += kBitsPerByte;
      } else if (BitAt(*bits, at % kPageBlocks)) {
        ++at;
      } else {
        return hyper::BlockIndex(at);
      }
    }
  }
  return hyper::BlockIndex(at);
}

void ExportedCore::Put(Bytes key, Bytes value) {
  batch_bytes_ += key.size() + value.size() + kRecordOverheadBytes;
  batch_.push_back({std::move(key), std::move(value)});
}

Result<void> ExportedCore::Allocate() {
  HNX_ASSIGN_OR_RETURN(const auto stored, store_->Get(StoreHeadKey()));
  StoreHead store_head;
  if (stored) {
    HNX_ASSIGN_OR_RETURN(store_head, StoreHead::Decode(*stored));
  } else {
    // For cores that somebody makes in this store one day. Not the seed of the drive's own store.
    store_head.seed.emplace();
    hyper::FillRandom(*store_head.seed);
    store_head.default_core = hyper::DiscoveryKeyOf(hyper::CoreKey{store_->owner().bytes()});
  }
  record_ = CoreRecord{store_head.cores++, store_head.datas++};
  Put(StoreHeadKey(), store_head.Encode());
  Put(CoreRecordKey(key_), record_->Encode());
  return {};
}

Result<void> ExportedCore::MoveTo(const AuthRecord& auth, const hyper::CoreHead& head,
                                  const std::vector<hyper::TreeNode>& roots) {
  HNX_CHECK(head.length >= head_.length && auth.discovery_key == key_);
  if (!record_) {
    HNX_TRY(Allocate());
  }
  Put(AuthKey(record_->core_pointer), auth.Encode());
  if (head.length > 0) {
    head_ = HeadRecord::Of(head);
    Put(HeadKey(record_->data_pointer), head_.Encode());
  }
  for (const hyper::TreeNode& root : roots) {
    PutNode(root);
  }
  return Commit();  // the next core takes its numbers from what is written
}

void ExportedCore::PutNode(const hyper::TreeNode& node) {
  HNX_CHECK(record_.has_value());
  Put(NodeKey(record_->data_pointer, node.index), EncodeNode(node));
}

Result<void> ExportedCore::PutBlock(hyper::BlockIndex block, Bytes bytes) {
  HNX_CHECK(record_ && block.value() < head_.length);
  const std::uint64_t page = block.value() / kPageBlocks;
  if (writing_.number != page) {
    HNX_TRY(Commit());
    HNX_TRY(LoadPage(page, writing_));
  }
  const std::uint64_t bit = block.value() % kPageBlocks;
  writing_.bits[bit / kBitsPerByte] |= std::byte(1U << (bit % kBitsPerByte));
  writing_.dirty = true;
  if (reading_.number == page) {
    reading_.number.reset();
  }
  Put(BlockKey(record_->data_pointer, block), std::move(bytes));
  if (batch_.size() >= kExportBatchRecordsMax || batch_bytes_ >= kExportBatchBytesMax) {
    return Commit();
  }
  return {};
}

Result<void> ExportedCore::Commit() {
  if (writing_.dirty) {
    const std::uint64_t data = record_->data_pointer;
    Put(PageKey(data, *writing_.number), Bytes(writing_.bits.begin(), writing_.bits.end()));
    HNX_ASSIGN_OR_RETURN(
        const hyper::BlockIndex gap,
        FirstAbsent({hyper::BlockIndex(contiguous_length_), hyper::BlockIndex(head_.length)}));
    contiguous_length_ = gap.value();
    Put(HintsKey(data), HintsRecord{contiguous_length_}.Encode());
    writing_.dirty = false;
  }
  if (!batch_.empty()) {
    HNX_TRY(store_->Write(batch_));
    batch_.clear();
    batch_bytes_ = 0;
  }
  return {};
}

}  // namespace hnx::corestore7
