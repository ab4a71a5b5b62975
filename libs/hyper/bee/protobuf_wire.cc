#include "hyper/bee/protobuf_wire.h"

#include <fmt/core.h>

namespace hnx::hyper {

namespace {

enum WireType : std::uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

constexpr int kVarintBitsMax = 64;

}  // namespace

void AppendVarint(Bytes& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<std::byte>((value & 0x7f) | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<std::byte>(value));
}

std::size_t VarintBytes(std::uint64_t value) {
  std::size_t bytes = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++bytes;
  }
  return bytes;
}

void AppendBytesField(Bytes& out, std::uint32_t field, ByteView bytes) {
  AppendVarint(out, (std::uint64_t{field} << 3) | kBytes);
  AppendVarint(out, bytes.size());
  AppendTo(out, bytes);
}

Result<std::uint64_t> ProtobufReader::ReadVarint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < kVarintBitsMax; shift += 7) {
    if (rest_.empty()) {
      return InvalidArgument("a varint is cut off");
    }
    const auto byte = std::to_integer<std::uint64_t>(rest_.front());
    rest_ = rest_.subspan(1);
    if (shift == 63 && byte > 1) {
      return InvalidArgument("a varint is larger than 64 bits");
    }
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      return value;
    }
  }
  return InvalidArgument("a varint is longer than 10 bytes");
}

Result<ByteView> ProtobufReader::Take(std::uint64_t size) {
  if (size > rest_.size()) {
    return InvalidArgument(
        fmt::format("a field of {} bytes in a message that has {} left", size, rest_.size()));
  }
  const ByteView taken = rest_.first(size);
  rest_ = rest_.subspan(size);
  return taken;
}

Result<ProtobufReader::Field> ProtobufReader::ReadField() {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t tag, ReadVarint());
  Field field;
  field.number = tag >> 3;
  if (field.number == 0) {
    return InvalidArgument("field number 0");
  }
  switch (tag & 7) {
    case kVarint:
      HNX_TRY(ReadVarint());
      return field;
    case kFixed64:
      HNX_TRY(Take(8));
      return field;
    case kFixed32:
      HNX_TRY(Take(4));
      return field;
    case kBytes: {
      HNX_ASSIGN_OR_RETURN(const std::uint64_t size, ReadVarint());
      HNX_ASSIGN_OR_RETURN(field.bytes, Take(size));
      field.length_delimited = true;
      return field;
    }
    default:
      return InvalidArgument(fmt::format("wire type {} is unknown", tag & 7));
  }
}

}  // namespace hnx::hyper
