#include <algorithm>
#include <limits>

#include <bzlib.h>
#include <fmt/format.h>

#include "nix/sniffing_decompressor.h"

namespace hnx::nix {
namespace {

class Bzip2Decompressor final : public SniffingDecompressor {
 public:
  explicit Bzip2Decompressor(const DecompressorLimits& limits)
      : SniffingDecompressor(Compression::kBzip2, limits), limits_(limits) {}
  ~Bzip2Decompressor() override { EndStream(); }
  Bzip2Decompressor(const Bzip2Decompressor&) = delete;
  Bzip2Decompressor& operator=(const Bzip2Decompressor&) = delete;
  Bzip2Decompressor(Bzip2Decompressor&&) = delete;
  Bzip2Decompressor& operator=(Bzip2Decompressor&&) = delete;

 protected:
  Result<void> Decode(ByteView input, const Sink& sink) override {
    while (!input.empty()) {
      if (!inside_) {
        HNX_TRY(BeginStream());
      }
      HNX_TRY(DecodeStream(input, sink));
    }
    return {};
  }

  Result<void> End() override { return inside_ ? Result<void>(Truncated()) : Result<void>{}; }

 private:
  Result<void> BeginStream() {
    if (streams_ == limits_.bzip2_streams_max) {
      return OverLimit(fmt::format("more than {} streams", limits_.bzip2_streams_max));
    }
    stream_ = {};
    if (BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) {
      return OutOfMemory();
    }
    ++streams_;
    inside_ = true;
    return {};
  }

  void EndStream() {
    if (inside_) {
      (void)BZ2_bzDecompressEnd(&stream_);
      inside_ = false;
    }
  }

  // Decodes until the input or the stream is used up.
  Result<void> DecodeStream(ByteView& input, const Sink& sink) {
    constexpr std::size_t kPieceMax = std::numeric_limits<int>::max();  // bzlib counts in unsigned
    for (;;) {
      const std::size_t piece = std::min(input.size(), kPieceMax);
      // bzlib reads next_in only; its declaration has no const.
      stream_.next_in = const_cast<char*>(reinterpret_cast<const char*>(input.data()));
      stream_.avail_in = static_cast<unsigned>(piece);
      stream_.next_out = reinterpret_cast<char*>(output().data());
      stream_.avail_out = static_cast<unsigned>(output().size());
      const int result = BZ2_bzDecompress(&stream_);
      const std::size_t consumed = piece - stream_.avail_in;
      input = input.subspan(consumed);
      const std::size_t produced = output().size() - stream_.avail_out;
      if (produced > 0) {
        HNX_TRY(sink(output().first(produced)));
      }
      if (result == BZ_STREAM_END) {
        EndStream();
        return {};
      }
      if (result != BZ_OK) {
        return Explain(result);
      }
      if (input.empty() && produced < output().size()) {
        return {};
      }
      if (consumed == 0 && produced == 0) {
        return Corrupt("the decoder makes no progress");
      }
    }
  }

  Error Explain(int result) const {
    switch (result) {
      case BZ_MEM_ERROR:
        return OutOfMemory();
      case BZ_DATA_ERROR_MAGIC:
        return streams_ > 1 ? Trailing() : Corrupt("no bzip2 header");
      default:
        return Corrupt("the data is damaged");
    }
  }

  const DecompressorLimits limits_;
  bz_stream stream_{};
  bool inside_ = false;
  std::uint32_t streams_ = 0;
};

}  // namespace

Result<std::unique_ptr<Decompressor>> MakeBzip2Decompressor(const DecompressorLimits& limits) {
  return std::unique_ptr<Decompressor>(std::make_unique<Bzip2Decompressor>(limits));
}

}  // namespace hnx::nix
