// What the Nix formats cost: narinfos a second, and NAR files a second against the least work that
// verification can be (the decoder's library and SHA-256, twice). The pairs PlainX and VerifyX do
// the same work on the same bytes; run them with
//   --benchmark_enable_random_interleaving=true --benchmark_repetitions=5
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <lzma.h>
#include <zstd.h>

#include "base/check.h"
#include "inputs.h"
#include "nix/decompressor.h"
#include "nix/fingerprint.h"
#include "nix/nar_file_verifier.h"
#include "nix/nar_info.h"
#include "nix/nar_reader.h"
#include "nix/trusted_keys.h"

namespace hnx::nix {
namespace {

constexpr std::size_t kNarSize = std::size_t{100} << 20U;
constexpr std::size_t kFileSize = std::size_t{1} << 20U;
constexpr std::size_t kChunk = std::size_t{64} << 10U;  // as a download hands them over

// Bytes that compress about as programs do: words of a small vocabulary among noise.
std::string Content(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::string> words(4096);
  for (std::string& word : words) {
    for (std::uint64_t length = 3 + random() % 9; length > 0; --length) {
      word.push_back(static_cast<char>(random() % 64 + 32));
    }
  }
  std::string content;
  content.reserve(size + 16);
  while (content.size() < size) {
    const std::uint64_t draw = random();
    content.append(words[(draw >> 8U) % ((draw & 3U) == 0 ? 4096 : 256)]);
    if (draw % 5 == 0) {
      content.push_back(static_cast<char>(draw >> 32U));
    }
  }
  content.resize(size);
  return content;
}

const std::string& LargeNar() {
  static const std::string kNar = [] {
    std::vector<std::string> entries;
    for (std::size_t i = 0; i < kNarSize / kFileSize; ++i) {
      entries.push_back(
          testing::Entry(fmt::format("{:05}", i), testing::File(Content(kFileSize, i))));
    }
    return testing::NarOf(testing::Directory(entries));
  }();
  return kNar;
}

const std::string& TinyFilesNar() {
  static const std::string kNar = [] {
    std::vector<std::string> entries;
    for (std::size_t i = 0; i < 100'000; ++i) {
      entries.push_back(testing::Entry(fmt::format("file-{:06}.txt", i), testing::File("short")));
    }
    return testing::NarOf(testing::Directory(entries));
  }();
  return kNar;
}

const std::string& Packed(Compression compression) {
  static const std::string kXz = testing::Xz(LargeNar());
  static const std::string kZstd = testing::Zstd(LargeNar());
  switch (compression) {
    case Compression::kXz:
      return kXz;
    case Compression::kZstd:
      return kZstd;
    default:
      return LargeNar();
  }
}

template <class Feed>
void InChunks(const std::string& file, const Feed& feed) {
  for (std::size_t at = 0; at < file.size(); at += kChunk) {
    feed(AsBytes(std::string_view(file).substr(at, kChunk)));
  }
}

void SetRates(benchmark::State& state, std::size_t nar_size) {
  state.SetBytesProcessed(static_cast<std::int64_t>(nar_size) * state.iterations());
}

// ---- narinfos

void BM_NarInfoParse(benchmark::State& state) {
  const std::string text = testing::SampleText();
  for (auto _ : state) {
    auto info = testing::ParseSample(text);
    HNX_CHECK(info.has_value());
    benchmark::DoNotOptimize(info);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_NarInfoParse);

void BM_NarInfoParseAndVerify(benchmark::State& state) {
  const std::string text = testing::SampleText();
  const TrustedKeys keys = testing::Trusting(testing::MakeKey("test-1"));
  for (auto _ : state) {
    auto info = testing::ParseSample(text);
    HNX_CHECK(VerifyNarInfo(info.value(), keys).has_value());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_NarInfoParseAndVerify);

// ---- NAR grammar

void ReadNar(benchmark::State& state, const std::string& nar) {
  for (auto _ : state) {
    NarReader reader;
    InChunks(nar, [&](ByteView bytes) { HNX_CHECK(reader.Feed(bytes).has_value()); });
    HNX_CHECK(reader.Finish().has_value());
  }
  SetRates(state, nar.size());
}
void BM_NarReaderLargeFiles(benchmark::State& state) {
  ReadNar(state, LargeNar());
}
BENCHMARK(BM_NarReaderLargeFiles);
void BM_NarReaderTinyFiles(benchmark::State& state) {
  ReadNar(state, TinyFilesNar());
}
BENCHMARK(BM_NarReaderTinyFiles);

void BM_Sha256(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(Sha256::Of(AsBytes(LargeNar())));
  }
  SetRates(state, LargeNar().size());
}
BENCHMARK(BM_Sha256)->Unit(benchmark::kMillisecond);

// ---- whole files, plain and verified

void BM_PlainXz(benchmark::State& state) {
  const std::string& file = Packed(Compression::kXz);
  std::vector<std::byte> out(DecompressorLimits{}.output_buffer_size);
  for (auto _ : state) {
    Sha256 file_hash;
    Sha256 nar_hash;
    lzma_stream stream = LZMA_STREAM_INIT;
    HNX_CHECK(lzma_stream_decoder(&stream, UINT64_MAX, 0) == LZMA_OK);
    InChunks(file, [&](ByteView bytes) {
      file_hash.Update(bytes);
      stream.next_in = UChars(bytes);
      stream.avail_in = bytes.size();
      do {
        stream.next_out = UChars(std::span<std::byte>(out));
        stream.avail_out = out.size();
        const lzma_ret result = lzma_code(&stream, LZMA_RUN);
        HNX_CHECK(result == LZMA_OK || result == LZMA_STREAM_END);
        nar_hash.Update(ByteView(out).first(out.size() - stream.avail_out));
      } while (stream.avail_in > 0 || stream.avail_out == 0);
    });
    lzma_end(&stream);
    benchmark::DoNotOptimize(file_hash.Finish());
    benchmark::DoNotOptimize(nar_hash.Finish());
  }
  SetRates(state, LargeNar().size());
}
BENCHMARK(BM_PlainXz)->Unit(benchmark::kMillisecond);

void BM_PlainZstd(benchmark::State& state) {
  const std::string& file = Packed(Compression::kZstd);
  std::vector<std::byte> buffer(DecompressorLimits{}.output_buffer_size);
  for (auto _ : state) {
    Sha256 file_hash;
    Sha256 nar_hash;
    ZSTD_DCtx* const context = ZSTD_createDCtx();
    InChunks(file, [&](ByteView bytes) {
      file_hash.Update(bytes);
      ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
      ZSTD_outBuffer out{};
      do {
        out = {buffer.data(), buffer.size(), 0};
        HNX_CHECK(ZSTD_isError(ZSTD_decompressStream(context, &out, &in)) == 0);
        nar_hash.Update(ByteView(buffer).first(out.pos));
      } while (in.pos < in.size || out.pos == out.size);
    });
    (void)ZSTD_freeDCtx(context);
    benchmark::DoNotOptimize(file_hash.Finish());
    benchmark::DoNotOptimize(nar_hash.Finish());
  }
  SetRates(state, LargeNar().size());
}
BENCHMARK(BM_PlainZstd)->Unit(benchmark::kMillisecond);

void Verify(benchmark::State& state, Compression compression, const std::string& nar,
            const std::string& file) {
  const NarExpectation expectation{.compression = compression,
                                   .nar_hash = Hash::FromSha256(Sha256::Of(AsBytes(nar))),
                                   .nar_size = nar.size(),
                                   .file_hash = std::nullopt,
                                   .file_size = std::nullopt,
                                   .content_address = std::nullopt,
                                   .self_reference = std::nullopt};
  for (auto _ : state) {
    const auto verifier = NarFileVerifier::Create(expectation).value();
    InChunks(file, [&](ByteView bytes) { HNX_CHECK(verifier->Feed(bytes).has_value()); });
    HNX_CHECK(verifier->Finish().has_value());
  }
  SetRates(state, nar.size());
}
void BM_VerifyXz(benchmark::State& state) {
  Verify(state, Compression::kXz, LargeNar(), Packed(Compression::kXz));
}
BENCHMARK(BM_VerifyXz)->Unit(benchmark::kMillisecond);
void BM_VerifyZstd(benchmark::State& state) {
  Verify(state, Compression::kZstd, LargeNar(), Packed(Compression::kZstd));
}
BENCHMARK(BM_VerifyZstd)->Unit(benchmark::kMillisecond);
void BM_VerifyNone(benchmark::State& state) {
  Verify(state, Compression::kNone, LargeNar(), LargeNar());
}
BENCHMARK(BM_VerifyNone)->Unit(benchmark::kMillisecond);

// Creating and finishing dominate for NARs of this size.
void BM_VerifySmallXz(benchmark::State& state) {
  const std::string nar = testing::NarOf(testing::File(Content(4096, 1)));
  Verify(state, Compression::kXz, nar, testing::Xz(nar));
}
BENCHMARK(BM_VerifySmallXz);

}  // namespace
}  // namespace hnx::nix

BENCHMARK_MAIN();
