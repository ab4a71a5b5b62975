// compact-encoding, the byte encoding of everything Hypercore writes except its tree and bitfield
// files (docs/formats/compact-encoding.md).
//
// Encoder appends to a growing buffer. Decoder reads foreign bytes: every read is checked against
// the end, every length and count against the bytes that are really there, so no input can make it
// allocate more than its own size; errors are kInvalidArgument and name the field.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx::hyper {

class Encoder {
 public:
  // 1, 3, 5 or 9 bytes.
  void Uint(std::uint64_t value);
  void Uint8(std::uint8_t value);
  void Uint32(std::uint32_t value);
  void Uint64(std::uint64_t value);
  // The bytes alone, no length.
  void Raw(ByteView bytes);
  // uint length, then the bytes. An absent buffer is written as an empty one.
  void Buffer(ByteView bytes);
  void String(std::string_view text);

  std::size_t size() const { return bytes_.size(); }
  const Bytes& bytes() const { return bytes_; }
  Bytes Take() && { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

// Views that it returns point into the input, which must outlive them.
class Decoder {
 public:
  explicit Decoder(ByteView input) : rest_(input) {}

  // `field` names what is read, for the error message.
  Result<std::uint64_t> Uint(std::string_view field);
  // A uint that must not exceed `limit`.
  Result<std::uint64_t> UintUpTo(std::uint64_t limit, std::string_view field);
  Result<std::uint8_t> Uint8(std::string_view field);
  Result<std::uint32_t> Uint32(std::string_view field);
  Result<std::uint64_t> Uint64(std::string_view field);
  Result<ByteView> Raw(std::size_t length, std::string_view field);
  Result<ByteView> Buffer(std::string_view field);
  Result<std::string> String(std::string_view field);
  // A count of items of which each takes at least `item_bytes_min` (>= 1) of the remaining input.
  Result<std::uint64_t> Count(std::size_t item_bytes_min, std::string_view field);

  bool done() const { return rest_.empty(); }
  std::size_t remaining() const { return rest_.size(); }
  ByteView rest() const { return rest_; }
  // kInvalidArgument when bytes are left.
  Result<void> ExpectEnd(std::string_view what) const;

 private:
  ByteView rest_;
};

}  // namespace hnx::hyper
