#include "mirror/drive_link.h"

#include <fmt/core.h>

#include "base/check.h"
#include "mirror/index_layout.h"

namespace hnx::mirror {

namespace {

constexpr std::string_view kUp = "../../";
constexpr std::string_view kNarPart = "/nar/";

}  // namespace

std::string DriveLink::Make(const hyper::DriveKey& shard, std::string_view file) {
  HNX_CHECK(IsSafeName(file));
  return fmt::format("{}{}{}{}", kUp, shard.id(), kNarPart, file);
}

Result<DriveLink> DriveLink::Parse(std::string_view link_path, std::string_view linkname) {
  constexpr std::size_t kFileAt = kUp.size() + hyper::DriveKey::kIdChars + kNarPart.size();
  if (!link_path.starts_with(kNarPart) || !IsSafeName(link_path.substr(kNarPart.size()))) {
    return InvalidArgument(fmt::format("link {}: it is not in {}", link_path, kNarFolder));
  }
  const std::string_view file = link_path.substr(kNarPart.size());
  if (linkname.size() != kFileAt + file.size() || !linkname.starts_with(kUp) ||
      linkname.substr(kFileAt - kNarPart.size(), kNarPart.size()) != kNarPart ||
      linkname.substr(kFileAt) != file) {
    return InvalidArgument(
        fmt::format("link {}: it does not have the form ../../<shard>/nar/{}", link_path, file));
  }
  auto shard = hyper::DriveKey::Parse(linkname.substr(kUp.size(), hyper::DriveKey::kIdChars));
  if (!shard) {
    return shard.error().Annotate(fmt::format("link {}", link_path));
  }
  return DriveLink{*shard, std::string(file)};
}

}  // namespace hnx::mirror
