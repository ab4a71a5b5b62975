// What the decoders share: the first bytes are looked at before anything is decoded, so that a body
// of another format is named instead of failing somewhere inside. Private to decompressor*.cc.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string_view>

#include "nix/decompressor.h"

namespace hnx::nix {

class SniffingDecompressor : public Decompressor {
 public:
  Result<void> Feed(ByteView input, const Sink& sink) final;
  Result<void> Finish(const Sink& sink) final;

 protected:
  SniffingDecompressor(Compression compression, const DecompressorLimits& limits);

  // Takes all of `input`.
  virtual Result<void> Decode(ByteView input, const Sink& sink) = 0;
  // Whether the input may end here.
  virtual Result<void> End() = 0;

  std::span<std::byte> output() { return {output_.get(), output_size_}; }
  Error Corrupt(std::string_view why) const;
  Error Truncated() const;
  Error Trailing() const;
  Error OverLimit(std::string_view what) const;
  Error OutOfMemory() const;

 private:
  Result<void> CheckHead() const;

  const Compression compression_;
  const std::size_t output_size_;
  // NOLINTNEXTLINE(modernize-avoid-c-arrays): left uninitialised, which no container can
  std::unique_ptr<std::byte[]> output_;
  std::array<std::byte, kSniffLength> head_{};
  std::size_t head_size_ = 0;
  bool head_passed_ = false;
};

Result<std::unique_ptr<Decompressor>> MakeXzDecompressor(const DecompressorLimits& limits);
Result<std::unique_ptr<Decompressor>> MakeZstdDecompressor(const DecompressorLimits& limits);
Result<std::unique_ptr<Decompressor>> MakeBzip2Decompressor(const DecompressorLimits& limits);

}  // namespace hnx::nix
