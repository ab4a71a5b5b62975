#include "nix/nix_base32.h"

#include <array>
#include <cstdint>

#include <fmt/format.h>

namespace hnx::nix {
namespace {

constexpr std::uint8_t kNoDigit = 0xff;

constexpr std::array<std::uint8_t, 256> MakeDigits() {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  for (std::size_t i = 0; i < kNixBase32Alphabet.size(); ++i) {
    digits[static_cast<unsigned char>(kNixBase32Alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return digits;
}
constexpr std::array<std::uint8_t, 256> kDigits = MakeDigits();

}  // namespace

bool IsNixBase32(char c) {
  return kDigits[static_cast<unsigned char>(c)] != kNoDigit;
}

std::string EncodeNixBase32(ByteView bytes) {
  const std::size_t length = NixBase32Length(bytes.size());
  std::string text;
  text.reserve(length);
  for (std::size_t k = length; k-- > 0;) {
    const std::size_t index = k * 5 / 8;
    const unsigned shift = static_cast<unsigned>(k * 5 % 8);
    unsigned value = std::to_integer<unsigned>(bytes[index]) >> shift;
    if (index + 1 < bytes.size()) {
      value |= std::to_integer<unsigned>(bytes[index + 1]) << (8 - shift);
    }
    text.push_back(kNixBase32Alphabet[value & 31U]);
  }
  return text;
}

Result<Bytes> DecodeNixBase32(std::string_view text, std::size_t byte_count) {
  if (text.size() != NixBase32Length(byte_count)) {
    return InvalidArgument(fmt::format("decode nix32: {} characters where {} stand for {} bytes",
                                       text.size(), NixBase32Length(byte_count), byte_count));
  }
  Bytes bytes(byte_count);
  for (std::size_t k = 0; k < text.size(); ++k) {
    const char c = text[text.size() - 1 - k];
    const unsigned digit = kDigits[static_cast<unsigned char>(c)];
    if (digit == kNoDigit) {
      return InvalidArgument(fmt::format("decode nix32: byte 0x{:02x} is not in the alphabet",
                                         static_cast<unsigned char>(c)));
    }
    const std::size_t index = k * 5 / 8;
    const unsigned shift = static_cast<unsigned>(k * 5 % 8);
    bytes[index] |= static_cast<std::byte>((digit << shift) & 0xffU);
    const unsigned carry = digit >> (8 - shift);
    if (index + 1 < byte_count) {
      bytes[index + 1] |= static_cast<std::byte>(carry);
    } else if (carry != 0) {
      return InvalidArgument("decode nix32: the first character's spare bits are not zero");
    }
  }
  return bytes;
}

}  // namespace hnx::nix
