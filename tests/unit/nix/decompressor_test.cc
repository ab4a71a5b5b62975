// The decoders: the stream part of the catalogue of bad inputs (X1 to X14).
#include "nix/decompressor.h"

#include <gtest/gtest.h>
#include <lzma.h>

#include "inputs.h"

namespace hnx::nix {
namespace {

using testing::Bzip2;
using testing::Describe;
using testing::File;
using testing::NarOf;
using testing::ReasonWord;
using testing::Str;
using testing::Xz;
using testing::Zstd;

Result<std::string> Decode(Compression compression, std::string_view body, std::size_t chunk = 0,
                           const DecompressorLimits& limits = {}) {
  HNX_ASSIGN_OR_RETURN(const auto decompressor, Decompressor::Create(compression, limits));
  std::string out;
  const Sink sink = [&](ByteView bytes) {
    EXPECT_FALSE(bytes.empty());
    out.append(AsText(bytes));
    return Result<void>{};
  };
  for (std::size_t at = 0; at < body.size();) {
    const std::string_view piece = body.substr(at, chunk == 0 ? body.size() : chunk);
    HNX_TRY(decompressor->Feed(AsBytes(piece), sink));
    at += piece.size();
  }
  HNX_TRY(decompressor->Finish(sink));
  return out;
}

class DecompressorTest : public ::testing::Test {
 protected:
  // Refused for `reason` whole and byte by byte.
  static void ExpectRefused(Compression compression, const std::string& body,
                            std::string_view reason, std::string_view what = "") {
    for (const std::size_t chunk : {std::size_t{0}, std::size_t{1}}) {
      const auto result = Decode(compression, body, chunk);
      EXPECT_EQ(ReasonWord(result), reason)
          << what << ", chunk " << chunk << ": " << Describe(result);
    }
  }
  static void ExpectDecodes(Compression compression, const std::string& body,
                            const std::string& data) {
    for (const std::size_t chunk : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
      const auto result = Decode(compression, body, chunk);
      ASSERT_TRUE(result.has_value()) << "chunk " << chunk << ": " << Describe(result);
      EXPECT_EQ(*result, data);
    }
  }

  const std::string nar_ = NarOf(File(std::string(3000, 'a') + "the end"));
  const std::string half_ = nar_.substr(0, nar_.size() / 2);
  const std::string other_half_ = nar_.substr(nar_.size() / 2);
};

TEST_F(DecompressorTest, DecodesEachFormatInAnyChunks) {
  ExpectDecodes(Compression::kNone, nar_, nar_);
  ExpectDecodes(Compression::kNone, "x", "x");
  ExpectDecodes(Compression::kXz, Xz(nar_), nar_);
  ExpectDecodes(Compression::kZstd, Zstd(nar_), nar_);
  ExpectDecodes(Compression::kBzip2, Bzip2(nar_), nar_);
}

TEST_F(DecompressorTest, DecodesMoreThanItsBufferHolds) {
  std::string data;
  for (int i = 0; i < 200'000; ++i) {
    data.append(std::to_string(i * 7919));
  }
  DecompressorLimits limits;
  for (const std::size_t size : {std::size_t{1}, std::size_t{1000}, std::size_t{65536}}) {
    limits.output_buffer_size = size;
    const std::string piece = size == 1 ? data.substr(0, 20'000) : data;
    EXPECT_EQ(Decode(Compression::kXz, Xz(piece), 0, limits).value(), piece);
    EXPECT_EQ(Decode(Compression::kZstd, Zstd(piece), 0, limits).value(), piece);
    EXPECT_EQ(Decode(Compression::kBzip2, Bzip2(piece), 0, limits).value(), piece);
  }
}

TEST_F(DecompressorTest, StopsWhereTheSinkSaysSo) {
  for (const auto& [compression, body] :
       {std::pair{Compression::kXz, Xz(nar_)}, std::pair{Compression::kZstd, Zstd(nar_)},
        std::pair{Compression::kBzip2, Bzip2(nar_)}, std::pair{Compression::kNone, nar_}}) {
    const auto decompressor = Decompressor::Create(compression).value();
    const auto result = decompressor->Feed(
        AsBytes(body), [](ByteView) -> Result<void> { return Aborted("enough"); });
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, ErrorCode::kAborted);
  }
}

TEST_F(DecompressorTest, BadInputX01_TruncatedAnywhereIsTransient) {
  for (const auto& [compression, body] :
       {std::pair{Compression::kXz, Xz(nar_)}, std::pair{Compression::kZstd, Zstd(nar_)},
        std::pair{Compression::kBzip2, Bzip2(nar_)}}) {
    for (std::size_t size = 0; size < body.size(); ++size) {
      const auto result = Decode(compression, body.substr(0, size));
      EXPECT_EQ(ReasonWord(result), "stream-truncated")
          << CompressionName(compression) << " " << size << ": " << Describe(result);
      EXPECT_EQ(result.error().code, ErrorCode::kUnavailable);
    }
  }
}

TEST_F(DecompressorTest, BadInputX02_EveryFlippedBitIsFound) {
  for (const auto& [compression, body] :
       {std::pair{Compression::kXz, Xz(nar_)}, std::pair{Compression::kZstd, Zstd(nar_)},
        std::pair{Compression::kBzip2, Bzip2(nar_)}}) {
    for (std::size_t i = 0; i < body.size() * 8; ++i) {
      std::string flipped = body;
      flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
      const auto result = Decode(compression, flipped);
      // A few bits mean nothing (bzip2's block size digit, zstd's window): then the data is right.
      if (result.has_value()) {
        EXPECT_EQ(*result, nar_) << CompressionName(compression) << " bit " << i;
      }
    }
  }
  std::string bad_magic = Xz(nar_);
  bad_magic[1] = 'X';
  ExpectRefused(Compression::kXz, bad_magic, "stream-corrupt");
}

TEST_F(DecompressorTest, BadInputX03_SomethingBehindTheStream) {
  const std::string xz = Xz(nar_);
  ExpectRefused(Compression::kXz, xz + "garbage!", "stream-trailing");
  ExpectRefused(Compression::kXz, xz + "\n", "stream-trailing");
  ExpectRefused(Compression::kXz, xz + std::string(3, '\0'), "stream-trailing");
  ExpectRefused(Compression::kXz, xz + std::string(3, '\0') + xz, "stream-trailing");
  ExpectRefused(Compression::kXz, std::string(4, '\0') + xz, "stream-corrupt");
  ExpectRefused(Compression::kZstd, Zstd(nar_) + "garbage!", "stream-trailing");
  ExpectRefused(Compression::kZstd, Zstd(nar_) + std::string(8, '\0'), "stream-trailing");
  ExpectRefused(Compression::kBzip2, Bzip2(nar_) + "garbage!", "stream-trailing");
  ExpectRefused(Compression::kBzip2, Bzip2(nar_) + "\n", "stream-trailing");
}

TEST_F(DecompressorTest, BadInputX04_SeveralStreams) {
  ExpectDecodes(Compression::kXz, Xz(half_) + Xz(other_half_), nar_);
  ExpectDecodes(Compression::kXz,
                Xz(half_) + std::string(8, '\0') + Xz(other_half_) + std::string(4, '\0'), nar_);
  ExpectDecodes(Compression::kXz, Xz("") + Xz(nar_), nar_);
  ExpectDecodes(Compression::kBzip2, Bzip2(half_) + Bzip2("") + Bzip2(other_half_), nar_);
  std::string many;
  for (int i = 0; i < 2000; ++i) {
    many.append(Xz(""));
  }
  EXPECT_EQ(Decode(Compression::kXz, many + Xz(nar_)).value(), nar_);
}

TEST_F(DecompressorTest, BadInputX04_TheNumberOfStreamsIsCapped) {
  DecompressorLimits limits;
  limits.xz_streams_max = 3;
  limits.zstd_frames_max = 3;
  limits.bzip2_streams_max = 3;
  for (const auto& [compression, one] :
       {std::pair{Compression::kXz, Xz("")}, std::pair{Compression::kZstd, Zstd("")},
        std::pair{Compression::kBzip2, Bzip2("")}}) {
    EXPECT_TRUE(Decode(compression, one + one + one, 0, limits).has_value());
    EXPECT_EQ(ReasonWord(Decode(compression, one + one + one + one, 0, limits)), "stream-limit")
        << CompressionName(compression);
  }
  std::string flood;
  const std::string one = Xz("");
  for (int i = 0; i < 10'001; ++i) {
    flood.append(one);
  }
  EXPECT_EQ(ReasonWord(Decode(Compression::kXz, flood)), "stream-limit");
}

TEST_F(DecompressorTest, BadInputX05_SecondStreamTruncated) {
  const std::string second = Xz(other_half_);
  ExpectRefused(Compression::kXz, Xz(half_) + second.substr(0, second.size() - 12),
                "stream-truncated");
}

TEST_F(DecompressorTest, BadInputX06_IntegrityChecks) {
  for (const lzma_check check :
       {LZMA_CHECK_NONE, LZMA_CHECK_CRC32, LZMA_CHECK_CRC64, LZMA_CHECK_SHA256}) {
    ExpectDecodes(Compression::kXz, Xz(nar_, check), nar_);
  }
  // Check id 2 is of no known kind; the header's CRC is made to fit.
  std::string unknown = Xz(nar_, LZMA_CHECK_CRC32);
  unknown[7] = '\x02';
  std::array<std::byte, 4> crc{};
  StoreLe32(lzma_crc32(reinterpret_cast<const std::uint8_t*>(unknown.data()) + 6, 2, 0), crc);
  unknown.replace(8, 4, AsText(crc));
  ExpectRefused(Compression::kXz, unknown, "stream-corrupt");
}

TEST_F(DecompressorTest, BadInputX07_DictionariesAreBoundedBeforeTheyAreAllocated) {
  const auto with = [&](std::uint8_t byte) { return testing::XzWithDictionaryByte(nar_, byte); };
  ExpectDecodes(Compression::kXz, with(30), nar_);              // 128 MiB
  ExpectRefused(Compression::kXz, with(37), "stream-limit");    // 1.5 GiB
  ExpectRefused(Compression::kXz, with(39), "stream-limit");    // 3 GiB
  ExpectRefused(Compression::kXz, with(40), "stream-limit");    // 4 GiB - 1
  ExpectRefused(Compression::kXz, with(41), "stream-corrupt");  // no size at all
}

TEST_F(DecompressorTest, BadInputX08_BombsStopWithTheSink) {
  constexpr std::size_t kRoom = 1'000'000;
  for (const auto& [compression, bomb] :
       {std::pair{Compression::kXz, testing::XzOfZeros(std::uint64_t{64} << 20U)},
        std::pair{Compression::kZstd, testing::ZstdOfZeros(std::uint64_t{1} << 30U)}}) {
    const auto decompressor = Decompressor::Create(compression).value();
    std::size_t taken = 0;
    const auto result = decompressor->Feed(AsBytes(bomb), [&taken](ByteView bytes) -> Result<void> {
      taken += bytes.size();
      return taken > kRoom ? Result<void>(Aborted("full")) : Result<void>{};
    });
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, ErrorCode::kAborted);
    EXPECT_LE(taken, kRoom + DecompressorLimits{}.output_buffer_size);
  }
}

TEST_F(DecompressorTest, BadInputX10_ZstdWindowsContentSizesAndDictionaries) {
  ExpectDecodes(Compression::kZstd, testing::ZstdWithWindow(nar_, 27), nar_);
  ExpectRefused(Compression::kZstd, testing::ZstdWithWindow(nar_, 31), "stream-limit");
  const std::string magic = "\x28\xb5\x2f\xfd";
  const std::string empty_last_block("\1\0\0", 3);
  const std::string last_block_of_5 = std::string("\x29\0\0", 3) + "hello";
  ExpectRefused(Compression::kZstd,
                magic + "\xc0\x58" + testing::Le64(std::uint64_t{1} << 62U) + last_block_of_5,
                "stream-corrupt", "content size 2^62");
  ExpectRefused(Compression::kZstd, magic + "\xc0\x58" + testing::Le64(100) + empty_last_block,
                "stream-corrupt", "content size 100 of nothing, whole or in pieces");
  ExpectRefused(Compression::kZstd, magic + "\x01\x58\x2a" + empty_last_block, "stream-corrupt",
                "dictionary id");
}

TEST_F(DecompressorTest, BadInputX11_ZstdFrames) {
  const std::string skippable = std::string("\x50\x2a\x4d\x18\x08\0\0\0", 8) + "skip me!";
  ExpectDecodes(Compression::kZstd, Zstd(half_) + Zstd(other_half_), nar_);
  ExpectDecodes(Compression::kZstd, skippable + Zstd(nar_), nar_);
  ExpectDecodes(Compression::kZstd, Zstd(nar_) + skippable, nar_);
  ExpectDecodes(Compression::kZstd, Zstd("") + Zstd(nar_), nar_);
  ExpectDecodes(Compression::kZstd, Zstd(nar_, false), nar_);
  EXPECT_EQ(Decode(Compression::kZstd, skippable).value(), "");
}

TEST_F(DecompressorTest, BadInputX12_ZstdDamage) {
  std::string bad_checksum = Zstd(nar_);
  bad_checksum.back() = static_cast<char>(bad_checksum.back() ^ 1);
  ExpectRefused(Compression::kZstd, bad_checksum, "stream-corrupt");
  ExpectRefused(Compression::kZstd, Zstd(nar_) + "ga", "stream-trailing");
}

TEST_F(DecompressorTest, BadInputX13_ABodyOfAnotherFormatIsNamed) {
  for (const std::string& body : {testing::LzmaAlone(nar_), testing::Gzip(nar_), Zstd(nar_), nar_,
                                  Bzip2(nar_), std::string("<html>404 not found</html>")}) {
    ExpectRefused(Compression::kXz, body, "compression-mismatch");
  }
  ExpectRefused(Compression::kZstd, Xz(nar_), "compression-mismatch");
  ExpectRefused(Compression::kBzip2, Xz(nar_), "compression-mismatch");
  for (const std::string& body : {Xz(nar_), Zstd(nar_), Bzip2(nar_), testing::Gzip(nar_)}) {
    ExpectRefused(Compression::kNone, body, "compression-mismatch");
  }
  const auto result = Decode(Compression::kXz, Zstd(nar_));
  EXPECT_NE(result.error().message.find("the body is zstd, not xz"), std::string::npos);
}

TEST_F(DecompressorTest, BadInputX14_NoProgressIsAnErrorNotALoop) {
  ExpectRefused(Compression::kXz, "", "stream-truncated");
  ExpectRefused(Compression::kZstd, "", "stream-truncated");
  ExpectRefused(Compression::kBzip2, "", "stream-truncated");
  const auto decompressor = Decompressor::Create(Compression::kXz).value();
  const Sink sink = [](ByteView) { return Result<void>{}; };
  const std::string head = Xz(nar_).substr(0, 40);
  ASSERT_TRUE(decompressor->Feed(AsBytes(head), sink).has_value());
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(decompressor->Feed({}, sink).has_value());
  }
  EXPECT_EQ(ReasonWord(decompressor->Finish(sink)), "stream-truncated");
}

}  // namespace
}  // namespace hnx::nix
