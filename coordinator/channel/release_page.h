// ReleasePage: the HTML page of a release directory, whose table gives name, size and SHA-256 of
// each of its files: all that is known about their integrity. Read tolerantly as HTML (attributes,
// blanks, entities, order of other elements), strictly as data. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "nix/hash.h"

namespace hnx::coordinator {

inline constexpr std::size_t kReleasePageBytesMax = std::size_t{4} << 20U;
inline constexpr std::size_t kReleaseFilesMax = 2000;

struct ListedFile {
  std::string name;
  std::uint64_t size_bytes = 0;
  nix::Sha256Digest sha256{};
};

struct ReleasePage {
  // In the page's order; empty when the page has no table of files.
  std::vector<ListedFile> files;
};

// kUnavailable for a page that is cut off; kInvalidArgument for a row that looks like a file's but
// is not readable, a name that is no plain file name, one name twice, too many files.
Result<ReleasePage> ParseReleasePage(std::string_view html);

}  // namespace hnx::coordinator
