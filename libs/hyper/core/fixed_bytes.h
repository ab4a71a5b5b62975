// 32-byte values that must not be taken for one another.
#pragma once

#include <array>
#include <compare>
#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/hex.h"
#include "base/result.h"

namespace hnx::hyper {

template <class Tag>
struct Fixed32 {
  static constexpr std::size_t kSize = 32;

  std::array<std::byte, kSize> bytes{};

  // kInvalidArgument unless there are exactly 32 bytes; `what` is for the message.
  static Result<Fixed32> FromBytes(ByteView view, std::string_view what) {
    if (view.size() != kSize) {
      return InvalidArgument(std::string(what) + ": expected 32 bytes, got " +
                             std::to_string(view.size()));
    }
    Fixed32 value;
    std::memcpy(value.bytes.data(), view.data(), kSize);
    return value;
  }
  static Result<Fixed32> FromHex(std::string_view text, std::string_view what) {
    HNX_ASSIGN_OR_RETURN(const Bytes raw, DecodeHex(text));
    return FromBytes(raw, what);
  }

  ByteView view() const { return bytes; }
  std::string ToHex() const { return EncodeHex(bytes); }
  friend auto operator<=>(const Fixed32&, const Fixed32&) = default;
};

using Hash = Fixed32<struct HashTag>;
using PublicKey = Fixed32<struct PublicKeyTag>;
// The name of a core: the hash of its manifest (or, for old cores, its public key).
using CoreKey = Fixed32<struct CoreKeyTag>;
// What peers look for: a hash of the core key from which the core key cannot be told.
using DiscoveryKey = Fixed32<struct DiscoveryKeyTag>;
using Namespace = Fixed32<struct NamespaceTag>;

using Signature = std::array<std::byte, 64>;

}  // namespace hnx::hyper
