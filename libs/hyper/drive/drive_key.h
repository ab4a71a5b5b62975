// DriveKey: the 32-byte public key that names a drive (and any core), with its two spellings: 64
// hex digits, and 52 characters of z-base-32, the "id" that names a drive's folder in a mirror.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx::hyper {

class DriveKey {
 public:
  static constexpr std::size_t kBytes = 32;
  static constexpr std::size_t kHexChars = 64;
  static constexpr std::size_t kIdChars = 52;

  explicit DriveKey(const std::array<std::byte, kBytes>& bytes) : bytes_(bytes) {}

  // Either spelling, nothing around it. z-base-32 is taken in its canonical form only (lower case,
  // unused bits zero): a key has exactly one id, so that ids can be compared as text.
  static Result<DriveKey> Parse(std::string_view text);
  static Result<DriveKey> FromBytes(ByteView bytes);

  const std::array<std::byte, kBytes>& bytes() const { return bytes_; }
  std::string hex() const;
  std::string id() const;  // z-base-32

  auto operator<=>(const DriveKey&) const = default;

 private:
  std::array<std::byte, kBytes> bytes_{};
};

}  // namespace hnx::hyper
