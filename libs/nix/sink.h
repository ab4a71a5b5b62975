// Sink: takes a stream piece by piece. The view lives until the call returns; an error stops the
// producer, which returns it unchanged.
#pragma once

#include <functional>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx::nix {

using Sink = std::function<Result<void>(ByteView)>;

}  // namespace hnx::nix
