// StorePathsList: streaming parser of a channel's store-paths list, one full path a line
// (docs/formats/store-paths.md). Any bad line refuses the whole list; paths already delivered must
// then be forgotten by the caller (a transaction). Not thread-safe.
//
// Errors are kInvalidArgument with a RejectReason and the line's number.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/bytes.h"
#include "base/result.h"
#include "nix/store_path.h"

namespace hnx::nix {

struct StorePathsLimits {
  std::uint64_t lines_max = 10'000'000;
  // So many first lines are remembered (about 64 bytes each) to find one hash under two names in a
  // list that is not sorted; in a sorted list they are neighbours, whatever its length.
  std::size_t remembered_lines_max = std::size_t{1} << 17;
};

// What a good list was.
struct StorePathsSummary {
  std::uint64_t paths = 0;  // lines, without neighbouring repetitions
  std::uint64_t duplicates = 0;
  bool sorted = true;
  bool final_newline = true;
  // False: unsorted and longer than what is remembered, so the caller must itself refuse one hash
  // with two names (a unique key in its table).
  bool hashes_checked = true;
};

class StorePathsList {
 public:
  using OnPath = std::function<Result<void>(const StorePath&)>;

  // Called for each path but neighbouring repetitions.
  explicit StorePathsList(OnPath on_path, const StorePathsLimits& limits = {});

  Result<void> Feed(ByteView bytes);
  // An empty list is refused: it would mean that nothing is wanted any more.
  Result<StorePathsSummary> Finish();

 private:
  Result<void> TakeLine(std::string_view line);
  Result<void> Remember(const StorePath& path);
  Error BadLine(std::string_view why) const;

  OnPath on_path_;
  StorePathsLimits limits_;
  StorePathsSummary summary_;
  std::uint64_t line_number_ = 0;
  std::string partial_;  // at most one line
  std::optional<StorePath> previous_;
  using HashPart = std::array<char, kStorePathHashLength>;
  struct HashPartHasher {
    std::size_t operator()(const HashPart& part) const {
      return std::hash<std::string_view>{}({part.data(), part.size()});
    }
  };
  // Hash part -> digest of the name.
  std::unordered_map<HashPart, std::size_t, HashPartHasher> remembered_;
};

}  // namespace hnx::nix
