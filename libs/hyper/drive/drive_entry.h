// DriveEntry: what a drive knows of one path. Stored as the JSON value of a Hyperbee entry
// (docs/formats/hyperdrive.md).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/blobs/blob_id.h"

namespace hnx::hyper {

// A larger value is refused: it is no entry of a drive that somebody means to be read.
inline constexpr std::size_t kDriveEntryJsonBytesMax = std::size_t{1} << 20;
inline constexpr int kDriveEntryJsonDepthMax = 32;

struct DriveEntry {
  std::string path;  // normal form, begins with '/'
  bool executable = false;
  std::optional<std::string> linkname;  // set: a symlink
  std::optional<BlobId> blob;           // set: a file
  std::string metadata_json = "null";   // compact JSON text of any value

  bool operator==(const DriveEntry&) const = default;
};

// The value exactly as JavaScript's hyperdrive writes it (field order too). `metadata_json` must be
// valid JSON: kInvalidArgument otherwise.
Result<std::string> EncodeDriveEntryJson(const DriveEntry& entry);

// Takes any field order and ignores unknown fields. kInvalidArgument: no JSON object, a field of
// another type, a number beyond JavaScript's safe integers, too large, too deep; or a blob of the
// kind `blockMap`, whose bytes do not lie in one piece and which we never write.
Result<DriveEntry> DecodeDriveEntryJson(std::string path, ByteView json);

}  // namespace hnx::hyper
