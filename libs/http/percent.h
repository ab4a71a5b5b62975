// PercentDecode: %41 -> A, as URLs spell what they may not hold. '+' stays what it is.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hnx::http {

// kInvalidArgument: a '%' without two hexadecimal digits after it, or too long a text.
Result<std::string> PercentDecode(std::string_view text);

}  // namespace hnx::http
