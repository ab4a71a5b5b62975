#include "base/bytes.h"

#include <algorithm>

#include "base/check.h"

namespace hnx {
namespace {

// Written as shifts, which every compiler turns into one load or store on a little-endian machine.
template <class T>
T LoadLe(ByteView bytes) {
  HNX_CHECK(bytes.size() >= sizeof(T));
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<T>(static_cast<T>(bytes[i]) << (8 * i));
  }
  return value;
}

template <class T>
void StoreLe(T value, std::span<std::byte> out) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out[i] = static_cast<std::byte>(value >> (8 * i));
  }
}

}  // namespace

std::uint32_t LoadLe32(ByteView bytes) {
  return LoadLe<std::uint32_t>(bytes);
}
std::uint64_t LoadLe64(ByteView bytes) {
  return LoadLe<std::uint64_t>(bytes);
}
void StoreLe32(std::uint32_t value, std::span<std::byte, 4> out) {
  StoreLe(value, out);
}
void StoreLe64(std::uint64_t value, std::span<std::byte, 8> out) {
  StoreLe(value, out);
}

}  // namespace hnx
