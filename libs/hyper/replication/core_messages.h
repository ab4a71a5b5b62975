// The messages of one core on one stream (protocol `hypercore/alpha`, docs/formats/
// hypercore-wire.md): plain values, their decoders and their encoders. No I/O, no state.
//
// Decoders read foreign bytes: every number is checked against a named limit before it is used,
// nothing is allocated beyond the size of the input, and views point into the input, which must
// outlive them. Errors are kInvalidArgument and name the field. Bytes behind a message are ignored,
// as JavaScript does: that is how the protocol grows (want, noData and sync got fields that way).
//
// Encoders fill a span of exactly EncodedSize bytes, so that a message can be written straight into
// the frame that is sent. A block's bytes can be left out and read from disk into their place.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/codec/index_types.h"
#include "hyper/core/crypto.h"
#include "hyper/core/proof.h"

namespace hnx::hyper {

inline constexpr std::string_view kCoreProtocol = "hypercore/alpha";

// JavaScript's own limit for a block; with its proof it must fit into one 16 MiB frame.
inline constexpr std::size_t kWireBlockBytesMax = std::size_t{15} << 20;
// JavaScript wants bits in batches of so many, and no bitfield message is longer.
inline constexpr std::uint64_t kWireWantBitsMax = std::uint64_t{1} << 21;
inline constexpr std::size_t kWireBitfieldWordsMax = kWireWantBitsMax / 32;
inline constexpr std::size_t kWireExtensionNameBytesMax = 256;

// The index of a message in the channel.
enum class CoreMessageType : std::uint8_t {
  kSync = 0,
  kRequest = 1,
  kCancel = 2,
  kData = 3,
  kNoData = 4,
  kWant = 5,
  kUnwant = 6,
  kBitfield = 7,
  kRange = 8,
  kExtension = 9,
};

// What each side says first, in its open.
struct CoreHandshake {
  bool seeks = true;  // answers requests for seeks
  Hash capability;    // proof that the sender knows the core key; see CapabilityOf

  friend bool operator==(const CoreHandshake&, const CoreHandshake&) = default;
};

// Hash(namespace of the sender's role || core key; key = handshake hash of the stream).
Hash CapabilityOf(const CoreKey& core_key, bool sender_is_initiator, ByteView handshake_hash);

struct SyncMessage {
  bool can_upgrade = false;  // the sender can prove its length from the other side's length
  bool uploading = false;
  bool downloading = false;
  bool has_manifest = false;
  bool allow_push = false;
  std::uint64_t fork = 0;
  std::uint64_t length = 0;
  std::uint64_t remote_length = 0;  // the other side's length as last heard: an acknowledgement

  friend bool operator==(const SyncMessage&, const SyncMessage&) = default;
};

struct RequestMessage {
  std::uint64_t id = 0;  // chosen by the requester; 0 asks for a proof of a conflict
  std::uint64_t priority = 0;
  ProofRequest proof;

  friend bool operator==(const RequestMessage&, const RequestMessage&) = default;
};

struct CancelMessage {
  std::uint64_t request = 0;
  friend bool operator==(const CancelMessage&, const CancelMessage&) = default;
};

struct DataMessage {
  std::uint64_t request = 0;
  Proof proof;  // decoded: the block's value is borrowed from the input
};

enum class NoDataReason : std::uint8_t {
  kNone = 0,
  kNotAvailable = 1,
  kInvalidRequest = 2,
};

struct NoDataMessage {
  std::uint64_t request = 0;
  NoDataReason reason = NoDataReason::kNone;  // a reason that we do not know reads as kNone
  friend bool operator==(const NoDataMessage&, const NoDataMessage&) = default;
};

// want and unwant.
struct WantMessage {
  std::uint64_t start = 0;
  std::uint64_t length = 0;  // may exceed kWireWantBitsMax: then it is to be ignored
  bool any = false;          // one block of the range is enough
  friend bool operator==(const WantMessage&, const WantMessage&) = default;
};

struct BitfieldMessage {
  std::uint64_t start = 0;  // a multiple of 32
  std::vector<std::uint32_t> words;
  friend bool operator==(const BitfieldMessage&, const BitfieldMessage&) = default;
};

struct RangeMessage {
  bool drop = false;  // the blocks are no longer there
  std::uint64_t start = 0;
  std::uint64_t length = 0;
  friend bool operator==(const RangeMessage&, const RangeMessage&) = default;
};

struct ExtensionMessage {
  std::string name;  // empty: that of the last one
  ByteView payload;
};

Result<CoreHandshake> DecodeCoreHandshake(ByteView input);
Result<SyncMessage> DecodeSync(ByteView input);
Result<RequestMessage> DecodeRequest(ByteView input);
Result<CancelMessage> DecodeCancel(ByteView input);
Result<DataMessage> DecodeData(ByteView input);
Result<NoDataMessage> DecodeNoData(ByteView input);
Result<WantMessage> DecodeWant(ByteView input);
Result<BitfieldMessage> DecodeBitfield(ByteView input);
Result<RangeMessage> DecodeRange(ByteView input);
Result<ExtensionMessage> DecodeExtension(ByteView input);

// Exactly what the encoder below fills.
std::size_t EncodedSize(const CoreHandshake& message);
std::size_t EncodedSize(const SyncMessage& message);
std::size_t EncodedSize(const RequestMessage& message);
std::size_t EncodedSize(const CancelMessage& message);
std::size_t EncodedSize(const DataMessage& message);
std::size_t EncodedSize(const NoDataMessage& message);
std::size_t EncodedSize(const WantMessage& message);
std::size_t EncodedSize(const BitfieldMessage& message);
std::size_t EncodedSize(const RangeMessage& message);

void EncodeTo(const CoreHandshake& message, std::span<std::byte> out);
void EncodeTo(const SyncMessage& message, std::span<std::byte> out);
void EncodeTo(const RequestMessage& message, std::span<std::byte> out);
void EncodeTo(const CancelMessage& message, std::span<std::byte> out);
void EncodeTo(const DataMessage& message, std::span<std::byte> out);
void EncodeTo(const NoDataMessage& message, std::span<std::byte> out);
void EncodeTo(const WantMessage& message, std::span<std::byte> out);
void EncodeTo(const BitfieldMessage& message, std::span<std::byte> out);
void EncodeTo(const RangeMessage& message, std::span<std::byte> out);

template <class Message>
Bytes Encoded(const Message& message) {
  Bytes bytes(EncodedSize(message));
  EncodeTo(message, bytes);
  return bytes;
}

// A data message whose block is not in memory: the value is left out, its `value_bytes` bytes lie
// elsewhere. EncodeAround writes all but the value and gives the place where it belongs.
std::size_t EncodedSizeAround(const DataMessage& message, std::size_t value_bytes);
std::span<std::byte> EncodeAround(const DataMessage& message, std::size_t value_bytes,
                                  std::span<std::byte> out);

}  // namespace hnx::hyper
