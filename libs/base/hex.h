// Lower-case hexadecimal, as keys are printed.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx {

std::string EncodeHex(ByteView bytes);
// Takes either case; any other character or an odd length is kInvalidArgument.
Result<Bytes> DecodeHex(std::string_view text);

}  // namespace hnx
