// z-base-32, the spelling of keys that people meet: 32 bytes are 52 characters. Bits are taken most
// significant first; the last character is padded with zero bits, and only that padding decodes.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx::hyper {

std::string EncodeZBase32(ByteView bytes);
// Lower case only; any other character, an impossible length or non-zero padding is
// kInvalidArgument, so that a key has exactly one spelling.
Result<Bytes> DecodeZBase32(std::string_view text);

}  // namespace hnx::hyper
