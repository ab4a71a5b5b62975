#include "access/role.h"

#include <algorithm>

#include <fmt/format.h>

namespace hnx::access {

std::string_view RoleName(Role role) {
  switch (role) {
    case Role::kWorker:
      return "worker";
    case Role::kIndex:
      return "index";
    case Role::kGateway:
      return "gateway";
    case Role::kOperator:
      return "operator";
    case Role::kViewer:
      return "viewer";
  }
  return "";
}

std::optional<Role> ParseRole(std::string_view text) {
  for (const Role role : kAllRoles) {
    if (RoleName(role) == text) {
      return role;
    }
  }
  return std::nullopt;
}

std::string RolesText(Roles roles) {
  std::string text;
  for (const Role role : kAllRoles) {
    if (roles.Has(role)) {
      text += text.empty() ? "" : " or ";
      text += RoleName(role);
    }
  }
  return text.empty() ? "none" : text;
}

bool IsName(std::string_view text) {
  constexpr std::string_view kOthers = "._-@";
  return !text.empty() && text.size() <= kNameMax && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

Result<Identity> IdentityOfUris(const std::vector<std::string>& uris) {
  Identity identity;
  for (const std::string& uri : uris) {
    if (!uri.starts_with(kIdentityScheme)) {
      continue;
    }
    const std::string_view rest = std::string_view(uri).substr(kIdentityScheme.size());
    const std::size_t colon = rest.find(':');
    const auto role = ParseRole(rest.substr(0, std::min(colon, rest.size())));
    const std::string_view name =
        colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
    if (!role || !IsName(name)) {
      return Unauthenticated(fmt::format(
          "the certificate's name \"{}\" is none: want hypercore-nixos:ROLE:NAME with the role "
          "worker, index, gateway, operator or viewer",
          uri.substr(0, 2 * kNameMax)));
    }
    identity.roles.Add(*role);
    if (identity.name.empty()) {
      identity.name = name;
    }
  }
  return identity;
}

}  // namespace hnx::access
