// The oplog of a core that somebody else wrote. Whatever the bytes: no crash, no memory beyond
// their own size, and what was read once is read again after it was written.
//
// The first byte says how the rest is taken: 0 = a whole file; 1 = the payload of a header; 2 = the
// payload of an entry; 3 = the payloads of a header and an entry (u16le length of the first), put
// into frames with right checksums, so that the fuzzer gets behind them.
#include <cstdint>
#include <memory>

#include "base/check.h"
#include "hyper/core/audit.h"
#include "hyper/core/core_reader.h"
#include "hyper/core/hypercore.h"
#include "hyper/core/oplog.h"
#include "hyper/storage/memory_core_storage.h"

namespace hnx::hyper {
namespace {

void OpenEverything(const Bytes& oplog) {
  const auto files = std::make_shared<MemoryCoreFiles>();
  files->of(CoreFile::kOplog) = oplog;
  (void)CoreReader::Open(std::make_unique<MemoryCoreStorage>(files));
  MemoryCoreStorage storage(files);
  (void)AuditCore(storage);
  Result<std::unique_ptr<Hypercore>> core =
      Hypercore::Open(std::make_unique<MemoryCoreStorage>(files));
  if (!core) {
    return;
  }
  const CoreHead head = (*core)->head();
  (void)(*core)->Flush();
  core->reset();
  core = Hypercore::Open(std::make_unique<MemoryCoreStorage>(files));
  HNX_CHECK(core.has_value() && (*core)->head() == head);
}

void ReadHeader(ByteView payload) {
  const Result<OplogHeader> header = OplogHeader::Decode(payload);
  if (header && !header->external) {
    const Bytes encoded = header->Encode();
    const Result<OplogHeader> again = OplogHeader::Decode(encoded);
    HNX_CHECK(again.has_value() && again->Encode() == encoded);
  }
}

void ReadEntry(ByteView payload) {
  const Result<OplogEntry> entry = OplogEntry::Decode(payload);
  if (entry) {
    const Bytes encoded = entry->Encode();
    const Result<OplogEntry> again = OplogEntry::Decode(encoded);
    HNX_CHECK(again.has_value() && again->Encode() == encoded);
  }
}

void OpenFramed(ByteView bytes) {
  if (bytes.size() < 2) {
    return;
  }
  const std::size_t wanted =
      std::to_integer<std::size_t>(bytes[0]) | std::to_integer<std::size_t>(bytes[1]) << 8;
  bytes = bytes.subspan(2);
  const std::size_t header_size = std::min({wanted, bytes.size(), std::size_t{4088}});
  Bytes oplog = EncodeFrame(bytes.first(header_size), false);
  oplog.resize(kOplogEntriesOffset);
  AppendTo(oplog, EncodeFrame(bytes.subspan(header_size), false));
  OpenEverything(oplog);
}

}  // namespace
}  // namespace hnx::hyper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const hnx::ByteView input = std::as_bytes(std::span(data, size)).subspan(1);
  switch (data[0]) {
    case 0:
      hnx::hyper::OpenEverything(hnx::ToBytes(input));
      break;
    case 1:
      hnx::hyper::ReadHeader(input);
      break;
    case 2:
      hnx::hyper::ReadEntry(input);
      break;
    default:
      hnx::hyper::OpenFramed(input);
      break;
  }
  return 0;
}
