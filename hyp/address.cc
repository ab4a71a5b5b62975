#include "hyp/address.h"

#include <algorithm>

#include <fmt/core.h>

#include "hyper/drive/drive_path.h"

namespace hnx::hyp {

namespace {

constexpr std::string_view kScheme = "hyper://";

}  // namespace

Result<Address> Address::Parse(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with(kScheme)) {
    rest.remove_prefix(kScheme.size());
  }
  const std::size_t end = std::min(rest.find('/'), rest.size());
  const auto key = hyper::DriveKey::Parse(rest.substr(0, end));
  if (!key) {
    return key.error().Annotate(fmt::format("\"{}\" is no address like hyper://KEY/path", text));
  }
  auto path = hyper::NormalizeDriveFolder(rest.substr(end));
  if (!path) {
    return path.error().Annotate(fmt::format("address {}", text));
  }
  return Address{*key, *std::move(path)};
}

std::string Address::root() const {
  return fmt::format("{}{}", kScheme, key.hex());
}

}  // namespace hnx::hyp
