#include "nix/compression.h"

#include <array>
#include <utility>

#include "nix/reject_reason.h"

namespace hnx::nix {
namespace {

constexpr std::array kAll{Compression::kNone, Compression::kXz, Compression::kZstd,
                          Compression::kBzip2};

using Magic = std::pair<std::string_view, std::string_view>;
using namespace std::string_view_literals;
constexpr std::array kMagics{
    Magic{"\xfd\x37\x7a\x58\x5a\x00"sv, "xz"},
    Magic{"\x28\xb5\x2f\xfd"sv, "zstd"},
    Magic{"BZh"sv, "bzip2"},
    Magic{"\x1f\x8b"sv, "gzip"},
    Magic{"\x5d\x00\x00"sv, "lzma"},
    Magic{"\x0d\0\0\0\0\0\0\0"sv, "none"},
    Magic{"<!"sv, "html"},
    Magic{"<html"sv, "html"},
    Magic{"<HTML"sv, "html"},
};

}  // namespace

std::string_view CompressionName(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return "none";
    case Compression::kXz:
      return "xz";
    case Compression::kZstd:
      return "zstd";
    case Compression::kBzip2:
      return "bzip2";
  }
  return "unknown";
}

Result<Compression> ParseCompression(std::string_view name) {
  for (const Compression compression : kAll) {
    if (CompressionName(compression) == name) {
      return compression;
    }
  }
  return Reject(ErrorCode::kInvalidArgument, RejectReason::kCompressionUnknown,
                "parse Compression: only none, xz, zstd and bzip2 (lower case) are supported");
}

std::string_view CompressionSuffix(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return "";
    case Compression::kXz:
      return ".xz";
    case Compression::kZstd:
      return ".zst";
    case Compression::kBzip2:
      return ".bz2";
  }
  return "";
}

std::string_view SniffFormat(ByteView first_bytes) {
  const std::string_view text = AsText(first_bytes);
  for (const auto& [magic, name] : kMagics) {
    if (text.starts_with(magic)) {
      return name;
    }
  }
  // Skippable zstd frames have sixteen magics.
  if (text.size() >= 4 && (static_cast<unsigned char>(text[0]) & 0xf0U) == 0x50 &&
      text.substr(1, 3) == "\x2a\x4d\x18"sv) {
    return "zstd";
  }
  return "unknown";
}

}  // namespace hnx::nix
