// nix32: the base-32 in which Nix writes hashes and store path hash parts.
// Alphabet 0123456789abcdfghijklmnpqrsvwxyz; the last character holds the lowest bits, so it is not
// RFC 4648. docs/formats/nix-base32.md. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx::nix {

constexpr std::string_view kNixBase32Alphabet = "0123456789abcdfghijklmnpqrsvwxyz";

constexpr std::size_t NixBase32Length(std::size_t byte_count) {
  return (byte_count * 8 + 4) / 5;
}

bool IsNixBase32(char c);

std::string EncodeNixBase32(ByteView bytes);
// `text` must be the one spelling of `byte_count` bytes: right length, right alphabet, spare bits
// zero. Everything else is kInvalidArgument.
Result<Bytes> DecodeNixBase32(std::string_view text, std::size_t byte_count);

}  // namespace hnx::nix
