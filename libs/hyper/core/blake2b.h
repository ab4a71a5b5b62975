// BLAKE2b with 32 bytes of output and no key (RFC 7693), the hash of every Merkle leaf. Plain
// scalar code that the compiler turns into about 1.1 GB/s, where libsodium gives 0.6; crypto.cc
// keeps libsodium for everything else, and tests compare the two.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace hnx::hyper {

class Blake2b256 {
 public:
  Blake2b256();

  void Update(ByteView bytes);
  // Ends the hash; the object must not be used after.
  std::array<std::byte, 32> Finish();

 private:
  static constexpr std::size_t kBlockBytes = 128;

  void Compress(const std::byte* block, bool last);

  std::array<std::uint64_t, 8> state_;
  std::uint64_t hashed_bytes_ = 0;
  std::array<std::byte, kBlockBytes> buffer_;
  std::size_t buffered_ = 0;
};

}  // namespace hnx::hyper
