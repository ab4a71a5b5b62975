#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "nix/sniffing_decompressor.h"

namespace hnx::nix {
namespace {

struct ContextDeleter {
  void operator()(ZSTD_DCtx* context) const { (void)ZSTD_freeDCtx(context); }
};
using Context = std::unique_ptr<ZSTD_DCtx, ContextDeleter>;

class ZstdDecompressor final : public SniffingDecompressor {
 public:
  ZstdDecompressor(Context context, const DecompressorLimits& limits)
      : SniffingDecompressor(Compression::kZstd, limits),
        limits_(limits),
        context_(std::move(context)) {}

 protected:
  Result<void> Decode(ByteView bytes, const Sink& sink) override {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    for (;;) {
      const std::size_t position_before = in.pos;
      ZSTD_outBuffer out{output().data(), output().size(), 0};
      const std::size_t left = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(left) != 0) {
        return Explain(ZSTD_getErrorCode(left));
      }
      if (out.pos > 0) {
        HNX_TRY(sink(output().first(out.pos)));
      }
      NoteFrame(bytes.subspan(position_before, in.pos - position_before), out.pos);
      inside_ = left != 0;
      if (!inside_) {
        HNX_TRY(EndFrame());
      }
      // Used up, and nothing of the output had to wait for room.
      if (in.pos == in.size && (out.pos < out.size || !inside_)) {
        return {};
      }
      if (in.pos == position_before && out.pos == 0) {
        return Corrupt("the decoder makes no progress");
      }
    }
  }

  Result<void> End() override { return inside_ ? Result<void>(Truncated()) : Result<void>{}; }

 private:
  // The longest frame header of the format.
  static constexpr std::size_t kFrameHeaderMax = 18;

  // Remembers the first bytes of the frame and counts what comes out of it: libzstd compares the
  // size that a frame announces only on some of its ways through it.
  void NoteFrame(ByteView consumed, std::size_t produced) {
    const std::size_t taken = std::min(consumed.size(), frame_header_.size() - frame_header_size_);
    std::copy_n(consumed.begin(), taken,
                frame_header_.begin() + static_cast<std::ptrdiff_t>(frame_header_size_));
    frame_header_size_ += taken;
    frame_produced_ += produced;
  }

  Result<void> EndFrame() {
    if (++frames_ > limits_.zstd_frames_max) {
      return OverLimit(fmt::format("more than {} frames", limits_.zstd_frames_max));
    }
    const unsigned long long announced =
        ZSTD_getFrameContentSize(frame_header_.data(), frame_header_size_);
    if (announced != ZSTD_CONTENTSIZE_UNKNOWN && announced != frame_produced_) {
      return Corrupt("a frame holds another number of bytes than it announces");
    }
    frame_header_size_ = 0;
    frame_produced_ = 0;
    return {};
  }

  Error Explain(ZSTD_ErrorCode code) const {
    switch (code) {
      case ZSTD_error_memory_allocation:
        return OutOfMemory();
      case ZSTD_error_frameParameter_windowTooLarge:
        return OverLimit(fmt::format("its window is over 2^{} bytes", limits_.zstd_window_log_max));
      case ZSTD_error_prefix_unknown:
        return frames_ > 0 ? Trailing() : Corrupt("no zstd frame");
      case ZSTD_error_dictionary_wrong:
        return Corrupt("it needs a dictionary that nobody has");
      default:
        return Corrupt(ZSTD_getErrorString(code));
    }
  }

  const DecompressorLimits limits_;
  Context context_;
  bool inside_ = true;  // until the first frame is complete
  std::uint32_t frames_ = 0;
  std::array<std::byte, kFrameHeaderMax> frame_header_{};
  std::size_t frame_header_size_ = 0;
  std::uint64_t frame_produced_ = 0;
};

}  // namespace

Result<std::unique_ptr<Decompressor>> MakeZstdDecompressor(const DecompressorLimits& limits) {
  Context context(ZSTD_createDCtx());
  if (context == nullptr) {
    return ResourceExhausted("decompress zstd: out of memory");
  }
  const std::size_t set =
      ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, limits.zstd_window_log_max);
  if (ZSTD_isError(set) != 0) {
    return InvalidArgument(
        fmt::format("decompress zstd: no decoder has a window limit of 2^{} bytes",
                    limits.zstd_window_log_max));
  }
  return std::unique_ptr<Decompressor>(
      std::make_unique<ZstdDecompressor>(std::move(context), limits));
}

}  // namespace hnx::nix
