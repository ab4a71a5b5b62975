// The little of the protobuf wire format that Hyperbee blocks use: varints, and fields that are
// length-delimited bytes. Sans I/O.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx::hyper {

void AppendVarint(Bytes& out, std::uint64_t value);
std::size_t VarintBytes(std::uint64_t value);
// Field header with wire type 2, length, bytes.
void AppendBytesField(Bytes& out, std::uint32_t field, ByteView bytes);

// Reads a message front to back. Views it hands out are parts of the message.
class ProtobufReader {
 public:
  explicit ProtobufReader(ByteView message) : rest_(message) {}

  struct Field {
    std::uint64_t number = 0;
    ByteView bytes;  // of a length-delimited field; empty for another wire type, which is skipped
    bool length_delimited = false;
  };

  bool AtEnd() const { return rest_.empty(); }
  Result<std::uint64_t> ReadVarint();
  Result<Field> ReadField();

 private:
  Result<ByteView> Take(std::uint64_t size);
  ByteView rest_;
};

}  // namespace hnx::hyper
