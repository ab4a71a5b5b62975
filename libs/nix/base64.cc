#include "nix/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>

namespace hnx::nix {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNoDigit = 0xff;

constexpr std::array<std::uint8_t, 256> MakeDigits() {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return digits;
}
constexpr std::array<std::uint8_t, 256> kDigits = MakeDigits();

std::size_t PaddingOf(std::string_view text) {
  if (text.ends_with("==")) {
    return 2;
  }
  return text.ends_with('=') ? 1 : 0;
}

}  // namespace

std::string EncodeBase64(ByteView bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    unsigned group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = (group << 8U) | (j < count ? std::to_integer<unsigned>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text.push_back(j <= count ? kAlphabet[(group >> (18 - 6 * j)) & 63U] : '=');
    }
  }
  return text;
}

Result<Bytes> DecodeBase64(std::string_view text) {
  if (text.size() % 4 != 0) {
    return InvalidArgument(
        fmt::format("decode base64: {} characters, not a multiple of 4 with padding", text.size()));
  }
  const std::size_t digits = text.size() - PaddingOf(text);
  Bytes bytes;
  bytes.reserve(text.size() / 4 * 3);
  unsigned bits = 0;
  unsigned bit_count = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const unsigned digit = kDigits[static_cast<unsigned char>(text[i])];
    if (digit == kNoDigit) {
      return InvalidArgument(fmt::format("decode base64: byte 0x{:02x} is not in the alphabet",
                                         static_cast<unsigned char>(text[i])));
    }
    bits = (bits << 6U) | digit;
    bit_count += 6;
    if (bit_count >= 8) {
      bit_count -= 8;
      bytes.push_back(static_cast<std::byte>((bits >> bit_count) & 0xffU));
      bits &= (1U << bit_count) - 1;
    }
  }
  if (bits != 0) {
    return InvalidArgument("decode base64: the last character's spare bits are not zero");
  }
  return bytes;
}

}  // namespace hnx::nix
