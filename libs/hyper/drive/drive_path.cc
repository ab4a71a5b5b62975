#include "hyper/drive/drive_path.h"

#include <algorithm>

#include <fmt/core.h>

namespace hnx::hyper {

namespace {

constexpr std::string_view kFilesPrefix("files\0", 6);

}  // namespace

Result<std::string> NormalizeDriveFolder(std::string_view folder) {
  if (folder.size() > kDrivePathBytesMax) {
    return InvalidArgument(fmt::format("a path of {} bytes, more than the limit of {}",
                                       folder.size(), kDrivePathBytesMax));
  }
  if (folder.find('\0') != std::string_view::npos) {
    return InvalidArgument("a path with a NUL byte");
  }
  std::string normal;
  while (!folder.empty()) {
    const std::size_t end = std::min(folder.find_first_of("/\\"), folder.size());
    const std::string_view part = folder.substr(0, end);
    folder.remove_prefix(std::min(end + 1, folder.size()));
    if (part.empty() || part == ".") {
      continue;
    }
    if (part == "..") {
      if (normal.empty()) {
        return InvalidArgument("a path that leads above the root by \"..\"");
      }
      normal.resize(normal.rfind('/'));
      continue;
    }
    normal += '/';
    normal += part;
  }
  return normal;
}

Result<std::string> NormalizeDrivePath(std::string_view path) {
  HNX_ASSIGN_OR_RETURN(std::string normal, NormalizeDriveFolder(path));
  if (normal.empty()) {
    return InvalidArgument(fmt::format("\"{}\" names the root of the drive, not a file", path));
  }
  return normal;
}

Bytes EncodeDriveBeeKey(std::string_view normal_path) {
  Bytes key;
  key.reserve(kFilesPrefix.size() + normal_path.size());
  AppendTo(key, AsBytes(kFilesPrefix));
  AppendTo(key, AsBytes(normal_path));
  return key;
}

Result<std::string> DecodeDriveBeeKey(ByteView key) {
  const std::string_view text = AsText(key);
  if (!text.starts_with(kFilesPrefix)) {
    return InvalidArgument("a Hyperbee key outside of the drive's files");
  }
  return std::string(text.substr(kFilesPrefix.size()));
}

}  // namespace hnx::hyper
