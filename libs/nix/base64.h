// Base64 of RFC 4648 section 4, in its one canonical spelling: padded, no blanks, not url-safe,
// spare bits zero. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx::nix {

std::string EncodeBase64(ByteView bytes);
Result<Bytes> DecodeBase64(std::string_view text);

}  // namespace hnx::nix
