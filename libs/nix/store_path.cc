#include "nix/store_path.h"

#include <algorithm>

#include <fmt/format.h>

#include "nix/nix_base32.h"
#include "nix/reject_reason.h"

namespace hnx::nix {
namespace {

bool IsNameCharacter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '+' ||
         c == '.' || c == '_' || c == '?' || c == '=' || c == '-';
}

Error InvalidStorePath(std::string_view why) {
  return Reject(ErrorCode::kInvalidArgument, RejectReason::kStorePathInvalid,
                fmt::format("parse store path: {}", why));
}

Result<void> CheckHashPart(std::string_view text) {
  if (text.size() != kStorePathHashLength) {
    return InvalidStorePath(
        fmt::format("the hash part has {} characters instead of 32", text.size()));
  }
  if (!std::all_of(text.begin(), text.end(), IsNixBase32)) {
    return InvalidStorePath("the hash part has a character outside of the nix32 alphabet");
  }
  return {};
}

Result<void> CheckName(std::string_view name) {
  if (name.empty()) {
    return InvalidStorePath("the name is empty");
  }
  if (name.size() > kStorePathNameLengthMax) {
    return InvalidStorePath(
        fmt::format("the name has {} characters, over {}", name.size(), kStorePathNameLengthMax));
  }
  if (!std::all_of(name.begin(), name.end(), IsNameCharacter)) {
    return InvalidStorePath("the name has a character outside of [0-9A-Za-z+._?=-]");
  }
  const std::string_view first = name.substr(0, name.find('-'));
  if (first == "." || first == "..") {
    return InvalidStorePath("the name's first part is '.' or '..'");
  }
  return {};
}

}  // namespace

Result<StorePathHash> StorePathHash::Parse(std::string_view text) {
  HNX_TRY(CheckHashPart(text));
  return StorePathHash(text);
}

Result<StorePath> StorePath::Parse(std::string_view path) {
  if (!path.starts_with(kStoreDir) || path.size() <= kStoreDir.size() ||
      path[kStoreDir.size()] != '/') {
    return InvalidStorePath("it does not begin with /nix/store/");
  }
  return ParseBaseName(path.substr(kStoreDir.size() + 1));
}

Result<StorePath> StorePath::ParseBaseName(std::string_view base_name) {
  if (base_name.size() > kStorePathBaseNameLengthMax) {
    return InvalidStorePath(fmt::format("{} characters behind the store directory, over {}",
                                        base_name.size(), kStorePathBaseNameLengthMax));
  }
  HNX_TRY(CheckHashPart(base_name.substr(0, kStorePathHashLength)));
  if (base_name.size() == kStorePathHashLength || base_name[kStorePathHashLength] != '-') {
    return InvalidStorePath("no '-' behind the 32 characters of the hash part");
  }
  HNX_TRY(CheckName(base_name.substr(kStorePathHashLength + 1)));
  return StorePath(base_name);
}

std::string StorePath::ToString() const {
  std::string path;
  path.reserve(kStoreDir.size() + 1 + base_name_.size());
  path.append(kStoreDir).append("/").append(base_name_);
  return path;
}

}  // namespace hnx::nix
