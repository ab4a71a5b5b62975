#include "inputs.h"

#include <array>

#include <bzlib.h>
#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include "base/check.h"
#include "nix/hash.h"
#include "nix/nar_reader.h"
#include "nix/nix_base32.h"

namespace hnx::nix::testing {
namespace {

constexpr std::size_t kXzBlockHeader = 12;  // where the first block header begins
constexpr std::size_t kXzDictionaryByte = kXzBlockHeader + 4;
constexpr std::size_t kXzBlockHeaderCrc = kXzBlockHeader + 8;
constexpr std::size_t kZstdWindowByte = 5;

const std::uint8_t* Octets(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

std::string RunLzma(lzma_stream& stream, std::string_view data) {
  std::string out;
  std::array<std::uint8_t, 65536> buffer{};
  stream.next_in = Octets(data);
  stream.avail_in = data.size();
  lzma_ret result = LZMA_OK;
  while (result == LZMA_OK) {
    stream.next_out = buffer.data();
    stream.avail_out = buffer.size();
    result = lzma_code(&stream, LZMA_FINISH);
    out.append(reinterpret_cast<const char*>(buffer.data()), buffer.size() - stream.avail_out);
  }
  HNX_CHECK(result == LZMA_STREAM_END);
  lzma_end(&stream);
  return out;
}

}  // namespace

SecretKey MakeKey(std::string_view name, std::uint8_t seed) {
  const Bytes bytes(32, std::byte{seed});
  auto key = SecretKey::FromSeed(name, bytes);
  HNX_CHECK(key.has_value());
  return *std::move(key);
}

TrustedKeys Trusting(const SecretKey& key) {
  const std::array keys{key.public_key().ToString()};
  auto trusted = TrustedKeys::Parse(keys);
  HNX_CHECK(trusted.has_value());
  return *std::move(trusted);
}

StorePath PathOf(char digit, std::string_view name) {
  auto path = StorePath::ParseBaseName(fmt::format("{}-{}", std::string(32, digit), name));
  HNX_CHECK(path.has_value());
  return *std::move(path);
}

NarInfoFields SampleFields() {
  const std::string nar = NarOf(File("hello"));
  const Hash nar_hash = Hash::FromSha256(Sha256::Of(AsBytes(nar)));
  NarInfoFields fields{.store_path = PathOf('1', "hello-1.0"),
                       .url = "",
                       .compression = Compression::kNone,
                       .file_hash = nar_hash,
                       .file_size = nar.size(),
                       .nar_hash = nar_hash,
                       .nar_size = nar.size(),
                       .references = {PathOf('3', "glibc-2.40"), PathOf('2', "bash-5.2")},
                       .deriver = PathOf('4', "hello-1.0.drv"),
                       .ca = std::nullopt};
  fields.url = fmt::format("nar/{}.nar", nar_hash.ToNix32Digits());
  return fields;
}

std::string SampleText() {
  const SecretKey key = MakeKey("test-1");
  return RenderNarInfo(SampleFields(), &key);
}

std::string WithLine(const std::string& text, std::string_view key, std::string_view line) {
  const std::string prefix = fmt::format("{}:", key);
  const std::size_t begin = text.starts_with(prefix) ? 0 : text.find("\n" + prefix) + 1;
  HNX_CHECK(begin == 0 || begin < text.size());
  const std::size_t end = text.find('\n', begin) + 1;
  std::string changed = text;
  return changed.replace(begin, end - begin, line.empty() ? "" : fmt::format("{}\n", line));
}

Result<NarInfo> ParseSample(const std::string& text, const NarInfoPolicy& policy) {
  return NarInfo::Parse(text, SampleFields().store_path.hash(), policy);
}

std::string Le64(std::uint64_t value) {
  std::array<std::byte, 8> bytes{};
  StoreLe64(value, bytes);
  return std::string(AsText(bytes));
}

std::string Str(std::string_view text) {
  std::string out = Le64(text.size());
  out.append(text);
  return out.append((8 - text.size() % 8) % 8, '\0');
}

std::string NarOf(std::string_view node) {
  return Str(kNarMagic).append(node);
}

std::string File(std::string_view contents, bool executable) {
  return Str("(") + Str("type") + Str("regular") +
         (executable ? Str("executable") + Str("") : std::string()) + Str("contents") +
         Str(contents) + Str(")");
}

std::string Symlink(std::string_view target) {
  return Str("(") + Str("type") + Str("symlink") + Str("target") + Str(target) + Str(")");
}

std::string Entry(std::string_view name, std::string_view node) {
  return (Str("entry") + Str("(") + Str("name") + Str(name) + Str("node")).append(node) + Str(")");
}

std::string Directory(const std::vector<std::string>& entries) {
  std::string out = Str("(") + Str("type") + Str("directory");
  for (const std::string& entry : entries) {
    out.append(entry);
  }
  return out + Str(")");
}

std::string NestedDirectories(std::size_t depth) {
  std::string node = File("x");
  for (std::size_t i = 0; i < depth; ++i) {
    node = Directory({Entry("a", node)});
  }
  return node;
}

std::string Xz(std::string_view data, lzma_check check) {
  lzma_stream stream = LZMA_STREAM_INIT;
  HNX_CHECK(lzma_easy_encoder(&stream, 1, check) == LZMA_OK);
  return RunLzma(stream, data);
}

std::string XzWithDictionaryByte(std::string_view data, std::uint8_t byte) {
  std::string out = Xz(data);
  out[kXzDictionaryByte] = static_cast<char>(byte);
  const std::uint32_t crc =
      lzma_crc32(Octets(out) + kXzBlockHeader, kXzBlockHeaderCrc - kXzBlockHeader, 0);
  std::array<std::byte, 4> crc_bytes{};
  StoreLe32(crc, crc_bytes);
  return out.replace(kXzBlockHeaderCrc, 4, AsText(crc_bytes));
}

std::string LzmaAlone(std::string_view data) {
  lzma_options_lzma options{};
  HNX_CHECK(!lzma_lzma_preset(&options, 1));
  lzma_stream stream = LZMA_STREAM_INIT;
  HNX_CHECK(lzma_alone_encoder(&stream, &options) == LZMA_OK);
  return RunLzma(stream, data);
}

std::string Gzip(std::string_view data) {
  constexpr int kGzipWindow = 15 + 16;
  z_stream stream{};
  HNX_CHECK(deflateInit2(&stream, 6, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, data.size()) + 32, '\0');
  stream.next_in = const_cast<Bytef*>(Octets(data));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  HNX_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  (void)deflateEnd(&stream);
  return out;
}

std::string Zstd(std::string_view data, bool checksum) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  (void)ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum ? 1 : 0);
  (void)ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  std::string out(ZSTD_compressBound(data.size()), '\0');
  const std::size_t size =
      ZSTD_compress2(context, out.data(), out.size(), data.data(), data.size());
  HNX_CHECK(ZSTD_isError(size) == 0);
  (void)ZSTD_freeCCtx(context);
  out.resize(size);
  return out;
}

std::string ZstdWithWindow(std::string_view data, unsigned window_log) {
  std::string out = Zstd(data);
  out[kZstdWindowByte] = static_cast<char>((window_log - 10) << 3U);
  return out;
}

std::string Bzip2(std::string_view data) {
  std::string out(data.size() + data.size() / 100 + 700, '\0');
  auto size = static_cast<unsigned>(out.size());
  HNX_CHECK(BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(data.data()),
                                     static_cast<unsigned>(data.size()), 1, 0, 0) == BZ_OK);
  out.resize(size);
  return out;
}

std::string XzOfZeros(std::uint64_t size) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  const std::string zeros(kPiece, '\0');
  std::string out;
  std::array<std::uint8_t, 65536> buffer{};
  lzma_stream stream = LZMA_STREAM_INIT;
  HNX_CHECK(lzma_easy_encoder(&stream, 0, LZMA_CHECK_CRC32) == LZMA_OK);
  lzma_ret result = LZMA_OK;
  while (result == LZMA_OK) {
    if (stream.avail_in == 0 && size > 0) {
      stream.next_in = Octets(zeros);
      stream.avail_in = static_cast<std::size_t>(std::min<std::uint64_t>(size, kPiece));
      size -= stream.avail_in;
    }
    stream.next_out = buffer.data();
    stream.avail_out = buffer.size();
    result = lzma_code(&stream, size > 0 ? LZMA_RUN : LZMA_FINISH);
    out.append(reinterpret_cast<const char*>(buffer.data()), buffer.size() - stream.avail_out);
  }
  HNX_CHECK(result == LZMA_STREAM_END);
  lzma_end(&stream);
  return out;
}

std::string ZstdOfZeros(std::uint64_t size) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  const std::string zeros(kPiece, '\0');
  std::string out;
  std::string buffer(ZSTD_CStreamOutSize(), '\0');
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  std::size_t left = 1;
  while (left != 0) {
    const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(size, kPiece));
    size -= piece;
    ZSTD_inBuffer in{zeros.data(), piece, 0};
    const ZSTD_EndDirective mode = size == 0 ? ZSTD_e_end : ZSTD_e_continue;
    do {
      ZSTD_outBuffer produced{buffer.data(), buffer.size(), 0};
      left = ZSTD_compressStream2(context, &produced, &in, mode);
      HNX_CHECK(ZSTD_isError(left) == 0);
      out.append(buffer, 0, produced.pos);
    } while (mode == ZSTD_e_end ? left != 0 : in.pos < in.size);
    left = mode == ZSTD_e_end ? 0 : 1;
  }
  (void)ZSTD_freeCCtx(context);
  return out;
}

}  // namespace hnx::nix::testing
