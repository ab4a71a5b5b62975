#include "hyper/codec/z_base_32.h"

#include <array>
#include <cstdint>

namespace hnx::hyper {
namespace {

constexpr std::string_view kAlphabet = "ybndrfg8ejkmcpqxot1uwisza345h769";
constexpr unsigned kBitsPerCharacter = 5;

}  // namespace

std::string EncodeZBase32(ByteView bytes) {
  std::string text;
  text.reserve((bytes.size() * 8 + kBitsPerCharacter - 1) / kBitsPerCharacter);
  std::uint32_t pending = 0;
  unsigned pending_bits = 0;
  for (const std::byte byte : bytes) {
    pending = (pending << 8) | std::to_integer<std::uint32_t>(byte);
    pending_bits += 8;
    while (pending_bits >= kBitsPerCharacter) {
      pending_bits -= kBitsPerCharacter;
      text += kAlphabet[(pending >> pending_bits) & 31];
    }
  }
  if (pending_bits > 0) {
    text += kAlphabet[(pending << (kBitsPerCharacter - pending_bits)) & 31];
  }
  return text;
}

Result<Bytes> DecodeZBase32(std::string_view text) {
  Bytes bytes;
  bytes.reserve(text.size() * kBitsPerCharacter / 8);
  std::uint32_t pending = 0;
  unsigned pending_bits = 0;
  for (const char character : text) {
    const std::size_t value = kAlphabet.find(character);
    if (value == std::string_view::npos) {
      return InvalidArgument("z-base-32: a character outside the alphabet in \"" +
                             std::string(text.substr(0, 80)) + "\"");
    }
    pending = (pending << kBitsPerCharacter) | static_cast<std::uint32_t>(value);
    pending_bits += kBitsPerCharacter;
    if (pending_bits >= 8) {
      pending_bits -= 8;
      bytes.push_back(static_cast<std::byte>(pending >> pending_bits));
    }
  }
  const std::uint32_t padding = pending & ((1U << pending_bits) - 1);
  if (pending_bits >= kBitsPerCharacter || padding != 0) {
    return InvalidArgument("z-base-32: not the spelling of whole bytes: \"" +
                           std::string(text.substr(0, 80)) + "\"");
  }
  return bytes;
}

}  // namespace hnx::hyper
