#include "nix/decompressor.h"

#include <algorithm>

#include <fmt/format.h>

#include "nix/reject_reason.h"
#include "nix/sniffing_decompressor.h"

namespace hnx::nix {
namespace {

// The input itself goes to the sink.
class NoDecompressor final : public SniffingDecompressor {
 public:
  explicit NoDecompressor(const DecompressorLimits& limits)
      : SniffingDecompressor(Compression::kNone, limits) {}

 protected:
  Result<void> Decode(ByteView input, const Sink& sink) override { return sink(input); }
  Result<void> End() override { return {}; }
};

}  // namespace

Result<std::unique_ptr<Decompressor>> Decompressor::Create(Compression compression,
                                                           const DecompressorLimits& limits) {
  switch (compression) {
    case Compression::kNone:
      return std::unique_ptr<Decompressor>(std::make_unique<NoDecompressor>(limits));
    case Compression::kXz:
      return MakeXzDecompressor(limits);
    case Compression::kZstd:
      return MakeZstdDecompressor(limits);
    case Compression::kBzip2:
      return MakeBzip2Decompressor(limits);
  }
  return InvalidArgument("create decompressor: unknown compression");
}

SniffingDecompressor::SniffingDecompressor(Compression compression,
                                           const DecompressorLimits& limits)
    : compression_(compression),
      output_size_(compression == Compression::kNone ? 0 : limits.output_buffer_size),
      // NOLINTNEXTLINE(modernize-avoid-c-arrays): left uninitialised, which no container can
      output_(std::make_unique_for_overwrite<std::byte[]>(output_size_)) {}

Result<void> SniffingDecompressor::Feed(ByteView input, const Sink& sink) {
  if (!head_passed_) {
    const std::size_t taken = std::min(head_.size() - head_size_, input.size());
    std::copy_n(input.begin(), taken, head_.begin() + static_cast<std::ptrdiff_t>(head_size_));
    head_size_ += taken;
    if (head_size_ < head_.size()) {
      return {};
    }
    HNX_TRY(CheckHead());
    head_passed_ = true;
    if (taken < head_.size()) {  // part of it came earlier
      HNX_TRY(Decode(head_, sink));
      input = input.subspan(taken);
    }
  }
  return input.empty() ? Result<void>{} : Decode(input, sink);
}

Result<void> SniffingDecompressor::Finish(const Sink& sink) {
  if (!head_passed_) {
    if (compression_ != Compression::kNone) {
      HNX_TRY(CheckHead());
      return Truncated();  // no stream of any format is that short
    }
    if (head_size_ > 0) {
      HNX_TRY(Decode(ByteView(head_).first(head_size_), sink));
    }
  }
  return End();
}

Result<void> SniffingDecompressor::CheckHead() const {
  const std::string_view format = SniffFormat(ByteView(head_).first(head_size_));
  const std::string_view wanted = CompressionName(compression_);
  if (format == wanted) {
    return {};
  }
  if (format != "unknown") {
    return Reject(ErrorCode::kInvalidArgument, RejectReason::kCompressionMismatch,
                  fmt::format("decompress: the body is {}, not {}",
                              format == "none" ? "a bare NAR" : format, wanted));
  }
  // A short head may be cut; a bare body's magic is the NAR reader's to judge.
  if (head_size_ < head_.size() || compression_ == Compression::kNone) {
    return {};
  }
  return Corrupt("the first bytes are of no known format");
}

Error SniffingDecompressor::Corrupt(std::string_view why) const {
  return Reject(ErrorCode::kInvalidArgument, RejectReason::kStreamCorrupt,
                fmt::format("decompress {}: {}", CompressionName(compression_), why));
}

Error SniffingDecompressor::Truncated() const {
  return Reject(
      ErrorCode::kUnavailable, RejectReason::kStreamTruncated,
      fmt::format("decompress {}: the stream ends too early", CompressionName(compression_)));
}

Error SniffingDecompressor::Trailing() const {
  return Reject(ErrorCode::kInvalidArgument, RejectReason::kStreamTrailing,
                fmt::format("decompress {}: something else follows the stream",
                            CompressionName(compression_)));
}

Error SniffingDecompressor::OverLimit(std::string_view what) const {
  return Reject(ErrorCode::kInvalidArgument, RejectReason::kStreamLimit,
                fmt::format("decompress {}: {}", CompressionName(compression_), what));
}

Error SniffingDecompressor::OutOfMemory() const {
  return ResourceExhausted(
      fmt::format("decompress {}: out of memory", CompressionName(compression_)));
}

}  // namespace hnx::nix
