// Compression: how a NAR file is packed, by the names that narinfos use and the suffixes that URLs
// use; and what the first bytes of a body say it is.
#pragma once

#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx::nix {

enum class Compression { kNone, kXz, kZstd, kBzip2 };

// "none", "xz", "zstd", "bzip2"
std::string_view CompressionName(Compression compression);
// Exact, lower case. What Nix knows but this library does not decode (br, lz4, ...) is refused too.
Result<Compression> ParseCompression(std::string_view name);

// What stands after ".nar" in a URL: "", ".xz", ".zst", ".bz2".
std::string_view CompressionSuffix(Compression compression);

// At most so many first bytes are needed by SniffFormat.
constexpr std::size_t kSniffLength = 8;
// Names the format of a body by its first bytes: one of the names above ("none" for a NAR), "gzip",
// "lzma", "html", or "unknown". For messages and for refusing; nothing is decoded on its word.
std::string_view SniffFormat(ByteView first_bytes);

}  // namespace hnx::nix
