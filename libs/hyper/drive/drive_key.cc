#include "hyper/drive/drive_key.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/hex.h"
#include "hyper/codec/z_base_32.h"

namespace hnx::hyper {

Result<DriveKey> DriveKey::FromBytes(ByteView bytes) {
  if (bytes.size() != kBytes) {
    return InvalidArgument(fmt::format("a key of {} bytes instead of {}", bytes.size(), kBytes));
  }
  std::array<std::byte, kBytes> key{};
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return DriveKey(key);
}

Result<DriveKey> DriveKey::Parse(std::string_view text) {
  if (text.size() == kHexChars) {
    HNX_ASSIGN_OR_RETURN(const Bytes bytes, DecodeHex(text));
    return FromBytes(bytes);
  }
  if (text.size() == kIdChars) {
    HNX_ASSIGN_OR_RETURN(const Bytes bytes, DecodeZBase32(text));
    return FromBytes(bytes);
  }
  return InvalidArgument(fmt::format(
      "a drive key is {} hex digits or {} characters of z-base-32, this has {} characters",
      kHexChars, kIdChars, text.size()));
}

std::string DriveKey::hex() const {
  return EncodeHex(bytes_);
}

std::string DriveKey::id() const {
  return EncodeZBase32(bytes_);
}

}  // namespace hnx::hyper
