// What a core is at one length: the thing that is compared, announced and recorded.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "hyper/core/crypto.h"

namespace hnx::hyper {

struct CoreHead {
  std::uint64_t length = 0;  // blocks
  std::uint64_t fork = 0;
  std::uint64_t byte_length = 0;
  Hash tree_hash;
  Bytes signature;  // as stored and as sent; empty when length is 0

  friend bool operator==(const CoreHead&, const CoreHead&) = default;
};

}  // namespace hnx::hyper
