#include "hyper/core/oplog.h"

#include <algorithm>
#include <utility>

#include <zlib.h>

#include "base/check.h"
#include "hyper/codec/compact_encoding.h"

namespace hnx::hyper {
namespace {

constexpr std::uint32_t kHeaderBit = 1;
constexpr std::uint32_t kPartialBit = 2;
constexpr unsigned kLengthShift = 2;

std::uint32_t Crc32(ByteView bytes) {
  // zlib counts in unsigned int; a frame is below 1 GiB.
  return static_cast<std::uint32_t>(
      ::crc32(::crc32(0, nullptr, 0), UChars(bytes), static_cast<uInt>(bytes.size())));
}

struct Frame {
  bool header_bit = false;
  bool partial = false;
  ByteView payload;

  std::uint64_t size() const { return kOplogFrameBytes + payload.size(); }
};

// The frame at the front of `bytes`, if a whole and undamaged one is there.
std::optional<Frame> ParseFrame(ByteView bytes) {
  if (bytes.size() < kOplogFrameBytes) {
    return std::nullopt;
  }
  const std::uint32_t word = LoadLe32(bytes.subspan(4, 4));
  const std::size_t length = word >> kLengthShift;
  if (length > bytes.size() - kOplogFrameBytes) {
    return std::nullopt;
  }
  if (Crc32(bytes.subspan(4, 4 + length)) != LoadLe32(bytes.first(4))) {
    return std::nullopt;
  }
  return Frame{(word & kHeaderBit) != 0, (word & kPartialBit) != 0,
               bytes.subspan(kOplogFrameBytes, length)};
}

// The first eight bytes of a frame: as good as a name for it. Zero where the file ends before.
std::uint64_t FrameHead(ByteView bytes) {
  return bytes.size() < kOplogFrameBytes ? 0 : LoadLe64(bytes.first(kOplogFrameBytes));
}

ByteView From(ByteView bytes, std::uint64_t offset) {
  return offset >= bytes.size() ? ByteView() : bytes.subspan(static_cast<std::size_t>(offset));
}

ByteView Slot(ByteView file, int slot) {
  const ByteView rest = From(file, static_cast<std::uint64_t>(slot) * kOplogSlotBytes);
  return rest.first(std::min<std::size_t>(rest.size(), kOplogSlotBytes));
}

// A buffer that held a secret key.
class WipedBytes {
 public:
  explicit WipedBytes(std::size_t size) : bytes_(size) {}
  WipedBytes(const WipedBytes&) = delete;
  WipedBytes& operator=(const WipedBytes&) = delete;
  ~WipedBytes() { Wipe(bytes_); }
  Bytes& bytes() { return bytes_; }

 private:
  Bytes bytes_;
};

Result<std::uint64_t> ReadFrameHead(CoreStorage& storage, std::uint64_t offset) {
  std::array<std::byte, kOplogFrameBytes> head{};
  HNX_ASSIGN_OR_RETURN(const std::size_t count, storage.Read(CoreFile::kOplog, offset, head));
  return FrameHead(ByteView(head).first(count));
}

Result<std::array<std::uint64_t, 2>> ReadSlotHeads(CoreStorage& storage) {
  std::array<std::uint64_t, 2> heads{};
  HNX_ASSIGN_OR_RETURN(heads[0], ReadFrameHead(storage, 0));
  HNX_ASSIGN_OR_RETURN(heads[1], ReadFrameHead(storage, kOplogSlotBytes));
  return heads;
}

// Builds the errors of one reading, and remembers where the last one points to.
class DamageReport {
 public:
  explicit DamageReport(const CoreStorage& storage) : storage_(storage) {}

  Error At(std::uint64_t offset, const std::string& what) {
    offset_ = offset;
    return DataLoss("core " + storage_.Name() + ": oplog at byte " + std::to_string(offset) + ": " +
                    what);
  }
  std::uint64_t offset() const { return offset_; }

 private:
  const CoreStorage& storage_;
  std::uint64_t offset_ = 0;
};

// Decides which header counts. Returns its frame.
Result<Frame> ChooseHeader(ByteView file, OplogContent& content, DamageReport& damage) {
  std::array<std::optional<Frame>, 2> frames{};
  for (int slot = 0; slot < 2; ++slot) {
    const auto at = static_cast<std::size_t>(slot);
    const ByteView bytes = Slot(file, slot);
    frames[at] = ParseFrame(bytes);
    content.mark.slots[at] = FrameHead(bytes);
    const bool empty = std::all_of(bytes.begin(), bytes.end(),
                                   [](std::byte byte) { return byte == std::byte{0}; });
    content.slots[at] = frames[at] ? SlotState::kValid
                        : empty    ? SlotState::kEmpty
                                   : SlotState::kDamaged;
  }
  if (!frames[0] && !frames[1]) {
    if (file.size() < kOplogEntriesOffset) {
      return NotFound("oplog has no header");
    }
    return damage.At(0, "both header slots are damaged");
  }
  if (frames[0] && frames[1]) {
    content.bits = {frames[0]->header_bit, frames[1]->header_bit};
  } else if (frames[0]) {
    content.bits = {frames[0]->header_bit, frames[0]->header_bit};
  } else {
    content.bits = {!frames[1]->header_bit, frames[1]->header_bit};
  }
  content.current_slot = content.bits[0] != content.bits[1] ? 1 : 0;
  const auto current = static_cast<std::size_t>(content.current_slot);
  HNX_CHECK(frames[current].has_value());
  return *frames[current];
}

Result<OplogHeader> LoadHeader(CoreStorage& storage, ByteView payload) {
  HNX_ASSIGN_OR_RETURN(OplogHeader header, OplogHeader::Decode(payload));
  if (!header.external) {
    return header;
  }
  const ExternalHeader external = *header.external;
  WipedBytes buffer(static_cast<std::size_t>(external.length));
  HNX_TRY(ReadExactly(storage, CoreFile::kHeader, external.start, buffer.bytes()));
  HNX_ASSIGN_OR_RETURN(header, OplogHeader::Decode(buffer.bytes()));
  if (header.external) {
    return DataLoss("external header: refers to another one");
  }
  header.external = external;
  return header;
}

// Whether behind the broken frame at the front of `rest` stand entries that prove that it had been
// complete. A torn one is the last; of a group, which is written at once, any may be torn.
bool OthersFollow(ByteView rest, bool expected_bit) {
  if (rest.size() < kOplogFrameBytes) {
    return false;
  }
  const std::uint32_t word = LoadLe32(rest.subspan(4, 4));
  bool in_group = (word & kPartialBit) != 0;
  std::uint64_t at = kOplogFrameBytes + (word >> kLengthShift);
  std::optional<Frame> next = ParseFrame(From(rest, at));
  while (in_group && next) {
    in_group = next->partial;
    at += next->size();
    next = ParseFrame(From(rest, at));
  }
  return next && next->header_bit == expected_bit && !next->payload.empty();
}

// Reads entries until the first that does not count, and says why it does not.
Result<void> ReadEntries(ByteView file, OplogContent& content, DamageReport& damage) {
  const bool expected_bit = content.current_slot == 1;
  std::uint64_t offset = kOplogEntriesOffset;
  std::vector<std::uint64_t> offsets;
  std::vector<bool> partial;
  std::optional<Frame> frame = ParseFrame(From(file, offset));
  for (; frame && frame->header_bit == expected_bit; frame = ParseFrame(From(file, offset))) {
    Result<OplogEntry> entry = OplogEntry::Decode(frame->payload);
    if (!entry) {
      return damage.At(
          offset, "an entry has a right checksum and a wrong content: " + entry.error().message);
    }
    content.entries.push_back(*std::move(entry));
    offsets.push_back(offset);
    partial.push_back(frame->partial);
    offset += frame->size();
  }
  if (frame) {
    // Left by the older header, when the process ended before they were cut off. They can only
    // stand there when the newer header is whole.
    content.stale_entries = true;
    const int older_slot = 1 - content.current_slot;
    if (offset == kOplogEntriesOffset &&
        content.slots[static_cast<std::size_t>(older_slot)] == SlotState::kDamaged) {
      return damage.At(static_cast<std::uint64_t>(older_slot) * kOplogSlotBytes,
                       "header slot " + std::to_string(older_slot) +
                           " is damaged, and entries that came after it would be lost");
    }
  } else if (OthersFollow(From(file, offset), expected_bit)) {
    return damage.At(offset, "an entry is damaged, and others follow it");
  }
  // All entries of an atomic group but the last are marked partial: drop a group without its end.
  while (!partial.empty() && partial.back()) {
    offset = offsets.back();
    content.entries.pop_back();
    offsets.pop_back();
    partial.pop_back();
  }
  content.end = offset;
  if (!offsets.empty()) {
    content.mark.last_entry_offset = offsets.back();
    content.mark.last_entry = FrameHead(From(file, offsets.back()));
  }
  return {};
}

}  // namespace

Bytes EncodeFrame(ByteView payload, bool header_bit, bool partial) {
  HNX_CHECK(payload.size() <= kOplogPayloadBytesMax);
  Bytes frame(kOplogFrameBytes);
  const auto length = static_cast<std::uint32_t>(payload.size());
  StoreLe32(length << kLengthShift | (partial ? kPartialBit : 0) | (header_bit ? kHeaderBit : 0),
            std::span<std::byte, 4>(frame.data() + 4, 4));
  AppendTo(frame, payload);
  StoreLe32(Crc32(ByteView(frame).subspan(4)), std::span<std::byte, 4>(frame.data(), 4));
  return frame;
}

Result<OplogContent> ReadOplog(CoreStorage& storage, std::uint64_t* damaged_at) {
  OplogContent content;
  // The size comes first: what is written while we read makes the file longer than the mark says.
  HNX_ASSIGN_OR_RETURN(content.mark.size, storage.Size(CoreFile::kOplog));
  if (content.mark.size > kOplogBytesMax) {
    return ResourceExhausted("core " + storage.Name() + ": oplog of " +
                             std::to_string(content.mark.size) + " bytes exceeds the limit of " +
                             std::to_string(kOplogBytesMax));
  }
  WipedBytes buffer(static_cast<std::size_t>(content.mark.size));
  HNX_ASSIGN_OR_RETURN(const std::size_t count, storage.Read(CoreFile::kOplog, 0, buffer.bytes()));
  const ByteView file = ByteView(buffer.bytes()).first(count);

  DamageReport damage(storage);
  const auto parse = [&]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const Frame frame, ChooseHeader(file, content, damage));
    Result<OplogHeader> header = LoadHeader(storage, frame.payload);
    if (!header) {
      const auto slot = static_cast<std::uint64_t>(content.current_slot);
      return damage.At(slot * kOplogSlotBytes, header.error().message);
    }
    content.header = *std::move(header);
    return ReadEntries(file, content, damage);
  };
  const Result<void> parsed = parse();
  // Entries belong to the header that stood there before and after they were read.
  WipedBytes again(kOplogEntriesOffset);
  HNX_ASSIGN_OR_RETURN(const std::size_t count_again,
                       storage.Read(CoreFile::kOplog, 0, again.bytes()));
  const ByteView slots_before = file.first(std::min<std::size_t>(count, kOplogEntriesOffset));
  const ByteView slots_after = ByteView(again.bytes()).first(count_again);
  if (!std::equal(slots_before.begin(), slots_before.end(), slots_after.begin(),
                  slots_after.end())) {
    return Unavailable("core " + storage.Name() + ": oplog changed while it was read");
  }
  if (!parsed) {
    if (damaged_at != nullptr) {
      *damaged_at = damage.offset();
    }
    return parsed.error().code == ErrorCode::kNotFound
               ? parsed.error().Annotate("core " + storage.Name())
               : parsed.error();
  }
  content.mark.end = content.end;
  content.mark.beyond = FrameHead(From(file, content.end));
  return content;
}

Result<OplogMark> ReadOplogMark(CoreStorage& storage, const OplogMark& earlier) {
  OplogMark mark;
  HNX_ASSIGN_OR_RETURN(mark.size, storage.Size(CoreFile::kOplog));
  HNX_ASSIGN_OR_RETURN(mark.slots, ReadSlotHeads(storage));
  mark.last_entry_offset = earlier.last_entry_offset;
  if (earlier.last_entry_offset != 0) {
    HNX_ASSIGN_OR_RETURN(mark.last_entry, ReadFrameHead(storage, earlier.last_entry_offset));
  }
  mark.end = earlier.end;
  HNX_ASSIGN_OR_RETURN(mark.beyond, ReadFrameHead(storage, earlier.end));
  return mark;
}

OplogWriter::OplogWriter(CoreStorage& storage, const OplogContent& content)
    : storage_(&storage), bits_(content.bits), end_(content.end) {}

Result<void> OplogWriter::Append(std::span<const OplogEntry> entries) {
  Bytes frames;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Bytes payload = entries[i].Encode();
    if (payload.size() > kOplogPayloadBytesMax) {
      return ResourceExhausted("core " + storage_->Name() + ": an oplog entry of " +
                               std::to_string(payload.size()) +
                               " bytes exceeds the format's limit");
    }
    AppendTo(frames, EncodeFrame(payload, bits_[0] != bits_[1], i + 1 < entries.size()));
  }
  Result<void> written = storage_->Write(CoreFile::kOplog, end_, frames);
  if (!written) {
    broken_ = !storage_->Truncate(CoreFile::kOplog, end_).has_value();
    return written;
  }
  end_ += frames.size();
  return {};
}

Result<void> OplogWriter::WriteHeader(OplogHeader& header) {
  const std::size_t slot = bits_[0] == bits_[1] ? 1 : 0;
  const bool bit = !bits_[slot];
  WipedBytes payload(0);
  payload.bytes() = header.Encode();
  if (payload.bytes().size() > kOplogSlotBytes - kOplogFrameBytes) {
    // Beside the header that counts now, never over it.
    ExternalHeader place{0, payload.bytes().size()};
    if (header.external && place.length > header.external->start) {
      const std::uint64_t end = header.external->start + header.external->length;
      place.start = (end + kOplogSlotBytes - 1) / kOplogSlotBytes * kOplogSlotBytes;
    }
    HNX_TRY(storage_->Write(CoreFile::kHeader, place.start, payload.bytes()));
    storage_->Sync(CoreFile::kHeader);
    header.external = place;
    Encoder encoder;
    encoder.Uint(1);  // version
    encoder.Uint(1);  // external
    encoder.Uint(place.start);
    encoder.Uint(place.length);
    payload.bytes() = std::move(encoder).Take();
  } else {
    header.external.reset();
  }
  WipedBytes frame(0);
  frame.bytes() = EncodeFrame(payload.bytes(), bit);
  HNX_TRY(storage_->Write(CoreFile::kOplog, slot * kOplogSlotBytes, frame.bytes()));
  storage_->Sync(CoreFile::kOplog);
  bits_[slot] = bit;
  return {};
}

Result<void> OplogWriter::DropEntries() {
  Result<void> truncated = storage_->Truncate(CoreFile::kOplog, kOplogEntriesOffset);
  // Left there, they would be followed by entries that do count.
  broken_ = !truncated.has_value();
  end_ = kOplogEntriesOffset;
  return truncated;
}

}  // namespace hnx::hyper
