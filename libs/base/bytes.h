// Bytes: the owning and the borrowed byte sequence of the whole project. Text that came as bytes is
// viewed with AsText; text that goes out as bytes with AsBytes. Neither copies.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hnx {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

inline ByteView AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
inline std::string_view AsText(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::string ToString(ByteView bytes) {
  return std::string(AsText(bytes));
}
inline Bytes ToBytes(ByteView bytes) {
  return {bytes.begin(), bytes.end()};
}
inline Bytes ToBytes(std::string_view text) {
  return ToBytes(AsBytes(text));
}
// For the C libraries that take unsigned char.
inline const unsigned char* UChars(ByteView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
inline unsigned char* UChars(std::span<std::byte> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

inline void AppendTo(Bytes& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// Little-endian fixed-width integers, as NAR, oplog and tree use them. The view must be long
// enough.
std::uint32_t LoadLe32(ByteView bytes);
std::uint64_t LoadLe64(ByteView bytes);
void StoreLe32(std::uint32_t value, std::span<std::byte, 4> out);
void StoreLe64(std::uint64_t value, std::span<std::byte, 8> out);

}  // namespace hnx
