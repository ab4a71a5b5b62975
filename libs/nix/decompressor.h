// Decompressor: a push decoder for one compressed stream (docs/formats/compressed-nar.md). Input of
// any size goes in, pieces of at most `output_buffer_size` come out at the sink, from one buffer
// that is used again and again; nothing else is buffered beyond the format's own dictionary. It
// stops where the sink says so. One thread at a time, any thread.
//
// Errors, all with a RejectReason: kUnavailable for a stream that ends too early (the download was
// cut), kInvalidArgument for everything that is wrong in it, and what the sink returned.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "nix/compression.h"
#include "nix/sink.h"

namespace hnx::nix {

struct DecompressorLimits {
  // Dictionary and tables of an xz stream; more is refused before it is allocated.
  std::uint64_t xz_memory_max = std::uint64_t{256} << 20;
  // zstd frames with a window above 2^27 = 128 MiB are refused.
  int zstd_window_log_max = 27;
  // Concatenated streams in one file. Parallel bzip2 makes one for every 900 kB.
  std::uint32_t xz_streams_max = 10'000;
  std::uint32_t zstd_frames_max = 100'000;
  std::uint32_t bzip2_streams_max = 100'000;
  std::size_t output_buffer_size = std::size_t{128} << 10;
};

class Decompressor {
 public:
  // kResourceExhausted when the decoder's first memory cannot be had.
  static Result<std::unique_ptr<Decompressor>> Create(Compression compression,
                                                      const DecompressorLimits& limits = {});

  virtual ~Decompressor() = default;
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  Decompressor(Decompressor&&) = delete;
  Decompressor& operator=(Decompressor&&) = delete;

  virtual Result<void> Feed(ByteView input, const Sink& sink) = 0;
  // The input must have ended where a stream ends.
  virtual Result<void> Finish(const Sink& sink) = 0;

 protected:
  Decompressor() = default;
};

}  // namespace hnx::nix
