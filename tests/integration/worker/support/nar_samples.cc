#include "nar_samples.h"

#include <array>
#include <random>
#include <stdexcept>

#include <lzma.h>
#include <zstd.h>

#include "nix/hash.h"
#include "nix/nar_writer.h"

namespace hnx::test {
namespace {

std::string Noise(std::uint64_t seed, std::size_t size) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(random());
  }
  return bytes;
}

}  // namespace

std::string Compress(const std::string& bytes, nix::Compression compression) {
  if (compression == nix::Compression::kZstd) {
    std::string out(ZSTD_compressBound(bytes.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
    return out;
  }
  if (compression == nix::Compression::kXz) {
    std::string out(lzma_stream_buffer_bound(bytes.size()), '\0');
    std::size_t size = 0;
    if (lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr, UChars(AsBytes(bytes)), bytes.size(),
                                reinterpret_cast<unsigned char*>(out.data()), &size,
                                out.size()) != LZMA_OK) {
      throw std::runtime_error("lzma_easy_buffer_encode");
    }
    out.resize(size);
    return out;
  }
  return bytes;
}

SampleNar MakeNar(std::uint64_t seed, std::size_t size, nix::Compression compression) {
  SampleNar sample;
  sample.compression = compression;
  nix::NarWriter writer([&](ByteView bytes) -> Result<void> {
    sample.nar += AsText(bytes);
    return {};
  });
  const std::string noise = Noise(seed, size);
  if (!writer.BeginDirectory() || !writer.Entry("data") || !writer.Regular(false, AsBytes(noise)) ||
      !writer.EndDirectory() || !writer.Finish()) {
    throw std::runtime_error("NarWriter");
  }
  sample.file = Compress(sample.nar, compression);
  const auto hash = nix::Hash::FromSha256(nix::Sha256::Of(AsBytes(sample.nar)));
  sample.name = hash.ToNix32Digits() + ".nar" + std::string(nix::CompressionSuffix(compression));
  return sample;
}

hypercore_nixos::v1::NarUnit SampleNar::Unit(std::uint64_t id, const std::string& url) const {
  hypercore_nixos::v1::NarUnit unit;
  unit.set_nar_id(id);
  unit.set_url(url);
  unit.set_file(name);
  unit.set_compression(std::string(nix::CompressionName(compression)));
  unit.set_nar_hash(ToString(nix::Sha256::Of(AsBytes(nar))));
  unit.set_nar_size(nar.size());
  unit.set_file_hash(ToString(nix::Sha256::Of(AsBytes(file))));
  unit.set_file_size(file.size());
  unit.set_store_path("/nix/store/00000000000000000000000000000000-sample");
  return unit;
}

}  // namespace hnx::test
