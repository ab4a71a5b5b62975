#include <algorithm>

#include <fmt/format.h>
#include <lzma.h>

#include "nix/sniffing_decompressor.h"

namespace hnx::nix {
namespace {

// Streams are begun one by one rather than with LZMA_CONCATENATED: liblzma would take any number of
// empty ones.
class XzDecompressor final : public SniffingDecompressor {
 public:
  explicit XzDecompressor(const DecompressorLimits& limits)
      : SniffingDecompressor(Compression::kXz, limits), limits_(limits) {}
  ~XzDecompressor() override { lzma_end(&stream_); }
  XzDecompressor(const XzDecompressor&) = delete;
  XzDecompressor& operator=(const XzDecompressor&) = delete;
  XzDecompressor(XzDecompressor&&) = delete;
  XzDecompressor& operator=(XzDecompressor&&) = delete;

 protected:
  Result<void> Decode(ByteView input, const Sink& sink) override {
    while (!input.empty()) {
      if (!inside_) {
        input = SkipPadding(input);
        if (input.empty()) {
          return {};
        }
        // liblzma would wait for 12 bytes before it says so.
        if (streams_ > 0 && input.front() != kMagicByte) {
          return Trailing();
        }
        HNX_TRY(BeginStream());
      }
      HNX_TRY(DecodeStream(input, sink));
    }
    return {};
  }

  Result<void> End() override {
    if (inside_) {
      return Truncated();
    }
    return padding_ % kPaddingUnit == 0 ? Result<void>{} : Trailing();
  }

 private:
  static constexpr std::uint64_t kPaddingUnit = 4;
  static constexpr std::byte kMagicByte{0xfd};

  // Zeros between streams and behind the last.
  ByteView SkipPadding(ByteView input) {
    if (streams_ == 0) {
      return input;
    }
    const auto end =
        std::find_if(input.begin(), input.end(), [](std::byte b) { return b != std::byte{0}; });
    const auto count = static_cast<std::size_t>(end - input.begin());
    padding_ += count;
    return input.subspan(count);
  }

  Result<void> BeginStream() {
    if (padding_ % kPaddingUnit != 0) {
      return Trailing();
    }
    if (streams_ == limits_.xz_streams_max) {
      return OverLimit(fmt::format("more than {} streams", limits_.xz_streams_max));
    }
    if (lzma_stream_decoder(&stream_, limits_.xz_memory_max, LZMA_TELL_UNSUPPORTED_CHECK) !=
        LZMA_OK) {
      return OutOfMemory();
    }
    ++streams_;
    padding_ = 0;
    inside_ = true;
    return {};
  }

  // Decodes until the input or the stream is used up.
  Result<void> DecodeStream(ByteView& input, const Sink& sink) {
    for (;;) {
      stream_.next_in = reinterpret_cast<const std::uint8_t*>(input.data());
      stream_.avail_in = input.size();
      stream_.next_out = UChars(output());
      stream_.avail_out = output().size();
      const lzma_ret result = lzma_code(&stream_, LZMA_RUN);
      input = input.last(stream_.avail_in);
      const std::size_t produced = output().size() - stream_.avail_out;
      if (produced > 0) {
        HNX_TRY(sink(output().first(produced)));
      }
      if (result == LZMA_STREAM_END) {
        inside_ = false;
        return {};
      }
      // LZMA_BUF_ERROR: no progress was possible, which is an error only with input left.
      if (result != LZMA_OK && !(result == LZMA_BUF_ERROR && input.empty())) {
        return Explain(result);
      }
      if (input.empty() && stream_.avail_out > 0) {
        return {};
      }
    }
  }

  Error Explain(lzma_ret result) const {
    switch (result) {
      case LZMA_MEM_ERROR:
        return OutOfMemory();
      case LZMA_MEMLIMIT_ERROR:
        return OverLimit(fmt::format("it needs {} bytes of memory, over {}",
                                     lzma_memusage(&stream_), limits_.xz_memory_max));
      case LZMA_FORMAT_ERROR:
        return streams_ > 1 ? Trailing() : Corrupt("no xz header");
      case LZMA_UNSUPPORTED_CHECK:
        return Corrupt("its integrity check is of an unknown kind");
      case LZMA_OPTIONS_ERROR:
        return Corrupt("a header asks for options that do not exist");
      case LZMA_BUF_ERROR:
        return Corrupt("the decoder makes no progress");
      default:
        return Corrupt("the data is damaged");
    }
  }

  const DecompressorLimits limits_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool inside_ = false;
  std::uint32_t streams_ = 0;
  std::uint64_t padding_ = 0;
};

}  // namespace

Result<std::unique_ptr<Decompressor>> MakeXzDecompressor(const DecompressorLimits& limits) {
  return std::unique_ptr<Decompressor>(std::make_unique<XzDecompressor>(limits));
}

}  // namespace hnx::nix
