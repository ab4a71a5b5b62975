// How people name a store path in a call.
#pragma once

#include <string>

#include "base/result.h"

namespace hnx::coordinator {

// The hash part of a full path, a base name or a hash part. kInvalidArgument names the text.
Result<std::string> HashPartOf(const std::string& text);

}  // namespace hnx::coordinator
