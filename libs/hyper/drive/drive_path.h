// Paths in a drive. A path is absolute, its parts are separated by one '/', and it is what stands
// in the Hyperbee key after "files\0". Source: hyperdrive 11, unix-path-resolve.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx::hyper {

inline constexpr std::size_t kDrivePathBytesMax = 4096;

// The normal form, as JavaScript resolves a name against "/": split at '/' and '\', empty parts and
// "." dropped, ".." goes up. kInvalidArgument: going above the root, "/" itself, a NUL byte, longer
// than kDrivePathBytesMax.
Result<std::string> NormalizeDrivePath(std::string_view path);

// The same for a folder, where "/" is allowed; the result has no '/' at its end ("" for the root).
Result<std::string> NormalizeDriveFolder(std::string_view folder);

// "files\0" + path
Bytes EncodeDriveBeeKey(std::string_view normal_path);
// The path of a key; kInvalidArgument when it is not a key of the files sub-tree.
Result<std::string> DecodeDriveBeeKey(ByteView key);

}  // namespace hnx::hyper
