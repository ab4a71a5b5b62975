// The body of the decoders' fuzz targets: bounded output, a known word for every failure, and the
// same output however the input is cut.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "nix/decompressor.h"
#include "nix/reject_reason.h"

namespace hnx::nix {

constexpr std::size_t kFuzzOutputMax = std::size_t{1} << 20U;

struct FuzzDecoding {
  bool accepted = false;
  bool over_output = false;
  std::string output;
};

inline FuzzDecoding FuzzDecode(Compression compression, ByteView input, std::size_t chunk) {
  DecompressorLimits limits;
  limits.xz_memory_max = std::uint64_t{16} << 20U;
  limits.zstd_window_log_max = 23;
  limits.output_buffer_size = 4096;
  FuzzDecoding decoding;
  const auto decompressor = Decompressor::Create(compression, limits).value();
  const Sink sink = [&](ByteView bytes) -> Result<void> {
    HNX_CHECK(!bytes.empty());
    decoding.output.append(AsText(bytes));
    decoding.over_output = decoding.output.size() > kFuzzOutputMax;
    return decoding.over_output ? Result<void>(Aborted("enough")) : Result<void>{};
  };
  Result<void> result;
  while (!input.empty() && result.has_value()) {
    const std::size_t taken = std::min(chunk, input.size());
    result = decompressor->Feed(input.first(taken), sink);
    input = input.subspan(taken);
  }
  if (result.has_value()) {
    result = decompressor->Finish(sink);
  }
  decoding.accepted = result.has_value();
  HNX_CHECK(result.has_value() || decoding.over_output || ReasonOf(result.error()).has_value());
  return decoding;
}

inline int FuzzDecoder(Compression compression, const std::uint8_t* data, std::size_t size) {
  const ByteView input(reinterpret_cast<const std::byte*>(data), size);
  const FuzzDecoding whole = FuzzDecode(compression, input, std::max<std::size_t>(size, 1));
  const FuzzDecoding pieces = FuzzDecode(compression, input, 3);
  if (!whole.over_output && !pieces.over_output) {
    // libzstd takes an empty "compressed" block or not, depending on whether the frame came whole;
    // nothing comes out of it either way.
    HNX_CHECK(whole.accepted == pieces.accepted || compression == Compression::kZstd);
    HNX_CHECK(!whole.accepted || !pieces.accepted || whole.output == pieces.output);
  }
  return 0;
}

}  // namespace hnx::nix
