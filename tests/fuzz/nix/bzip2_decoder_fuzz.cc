#include "decoder_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return hnx::nix::FuzzDecoder(hnx::nix::Compression::kBzip2, data, size);
}
