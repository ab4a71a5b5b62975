// The file `oplog`: two header slots and the entries that came after the newer header
// (docs/formats/hypercore-oplog.md).
//
//   frame  = u32le crc32(rest of frame) || u32le (payload length << 2 | partial << 1 | header bit)
//            || payload
//   file   = header slot at 0, header slot at 4096, entries from 8192
//
// The newer header is the one in slot (bit of slot 0 xor bit of slot 1); entries count as long as
// their header bit equals that number.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/core/core_storage.h"
#include "hyper/core/crypto.h"
#include "hyper/core/hypercore.h"
#include "hyper/core/manifest.h"
#include "hyper/core/merkle_tree.h"

namespace hnx::hyper {

inline constexpr std::uint64_t kOplogSlotBytes = 4096;
inline constexpr std::uint64_t kOplogEntriesOffset = 2 * kOplogSlotBytes;
inline constexpr std::size_t kOplogFrameBytes = 8;
inline constexpr std::uint64_t kOplogPayloadBytesMax = (std::uint64_t{1} << 30) - 1;
// An oplog beyond this is not read: no writer leaves one.
inline constexpr std::uint64_t kOplogBytesMax = std::uint64_t{512} << 20;
inline constexpr std::uint64_t kExternalHeaderBytesMax = std::uint64_t{16} << 20;

struct StoredKeyPair {
  PublicKey public_key;
  std::optional<SecretKey> secret_key;
};

struct ReorgHint {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::uint64_t ancestors = 0;
};

// Where a header too big for its slot lies in the file `header`.
struct ExternalHeader {
  std::uint64_t start = 0;
  std::uint64_t length = 0;
};

struct OplogHeader {
  std::optional<ExternalHeader> external;  // where it was read from
  CoreKey key;
  std::optional<Manifest> manifest;
  std::optional<StoredKeyPair> key_pair;
  std::vector<UserDataItem> user_data;
  std::uint64_t fork = 0;
  std::uint64_t length = 0;
  Bytes tree_hash;  // empty when length is 0
  Bytes signature;
  std::vector<ReorgHint> reorgs;
  std::uint64_t contiguous_length = 0;  // a hint: every block below is there

  // The payload of a frame, without regard to `external`.
  Bytes Encode() const;
  // An external header decodes to nothing but `external`.
  static Result<OplogHeader> Decode(ByteView payload);
};

struct TreeUpgrade {
  std::uint64_t fork = 0;
  std::uint64_t ancestors = 0;  // the length that is kept of the tree before
  std::uint64_t length = 0;
  Bytes signature;
};

struct BitfieldUpdate {
  bool drop = false;
  BlockRange blocks;
};

struct OplogEntry {
  std::optional<UserDataItem> user_data;  // an empty value removes the key
  std::vector<TreeNode> nodes;
  std::optional<TreeUpgrade> upgrade;
  std::optional<BitfieldUpdate> bitfield;

  Bytes Encode() const;
  static Result<OplogEntry> Decode(ByteView payload);
};

// `partial`: others of its group follow, and it counts only with all of them.
Bytes EncodeFrame(ByteView payload, bool header_bit, bool partial = false);

// What stands in a header slot.
enum class SlotState { kEmpty, kValid, kDamaged };

// What tells one state of the file from another without reading all of it.
struct OplogMark {
  std::array<std::uint64_t, 2> slots{};  // the frame heads of both slots
  std::uint64_t last_entry_offset = 0;
  std::uint64_t last_entry = 0;  // its frame head
  std::uint64_t end = kOplogEntriesOffset;
  std::uint64_t beyond = 0;  // the frame head behind the last entry
  std::uint64_t size = 0;

  friend bool operator==(const OplogMark&, const OplogMark&) = default;
};

// The whole file, read.
struct OplogContent {
  OplogHeader header;
  int current_slot = 0;
  std::array<bool, 2> bits{};
  std::array<SlotState, 2> slots{};
  std::vector<OplogEntry> entries;
  std::uint64_t end = kOplogEntriesOffset;  // behind the last entry that counts
  bool stale_entries = false;               // behind `end` stands an entry of the older header
  OplogMark mark;

  // Bytes behind the end: a torn entry, or stale ones.
  std::uint64_t bytes_behind() const { return mark.size > end ? mark.size - end : 0; }
};

// Reads the file as it is. A torn last entry is left out. kNotFound: there is no header, nor ever
// was one. kDataLoss: a header or an entry that had been complete is damaged (`damaged_at`, if
// given, becomes its first byte). kUnavailable: a writer went on while it was read; again.
Result<OplogContent> ReadOplog(CoreStorage& storage, std::uint64_t* damaged_at = nullptr);

// The mark of the file now, against which an earlier one is compared; costs a few small reads.
Result<OplogMark> ReadOplogMark(CoreStorage& storage, const OplogMark& earlier);

// Appends entries and replaces headers, for the one writer. A copy may go on in its place.
class OplogWriter {
 public:
  // For a new core: no header yet.
  explicit OplogWriter(CoreStorage& storage) : storage_(&storage) {}
  // After what was read (and cut to content.end).
  OplogWriter(CoreStorage& storage, const OplogContent& content);

  // Writes entries behind the last, unsynced, in one write. After an error the file is as before,
  // or broken() tells that it could not be brought back.
  Result<void> Append(std::span<const OplogEntry> entries);
  Result<void> Append(const OplogEntry& entry) { return Append({&entry, 1}); }
  std::uint64_t entries_bytes() const { return end_ - kOplogEntriesOffset; }

  // Writes the header into the older slot and syncs it: from here on no entry counts.
  Result<void> WriteHeader(OplogHeader& header);
  // Cuts the entries off, after WriteHeader.
  Result<void> DropEntries();

  bool broken() const { return broken_; }

 private:
  CoreStorage* storage_;
  std::array<bool, 2> bits_ = {true, false};
  std::uint64_t end_ = kOplogEntriesOffset;
  bool broken_ = false;
};

}  // namespace hnx::hyper
