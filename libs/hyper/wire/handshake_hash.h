// HandshakeHash: what both ends of one secret stream know and nobody else does: the hash over the
// whole Noise handshake. Capabilities of channels are bound to it.
#pragma once

#include <array>
#include <compare>

#include "base/bytes.h"

namespace hnx::hyper {

struct HandshakeHash {
  static constexpr std::size_t kSize = 64;

  std::array<std::byte, kSize> bytes{};

  ByteView view() const { return bytes; }
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads a defaulted <=>
  friend auto operator<=>(const HandshakeHash&, const HandshakeHash&) = default;
};

}  // namespace hnx::hyper
