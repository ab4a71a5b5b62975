// What a caller may be, and who it is. A certificate says it in URIs of its subject alternative
// name, "hypercore-nixos:ROLE:NAME", a tokens file in its lines. Values.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hnx::access {

enum class Role : std::uint8_t {
  kWorker,    // a worker with the role mirror
  kIndex,     // a worker with the role index: what it appends is what the mirror says
  kGateway,   // tells what is asked for
  kOperator,  // decides
  kViewer,    // looks
};
inline constexpr std::initializer_list<Role> kAllRoles{Role::kWorker, Role::kIndex, Role::kGateway,
                                                       Role::kOperator, Role::kViewer};

class Roles {
 public:
  constexpr Roles() = default;
  constexpr Roles(std::initializer_list<Role> roles) {
    for (const Role role : roles) {
      Add(role);
    }
  }
  constexpr void Add(Role role) { bits_ |= 1U << static_cast<unsigned>(role); }
  constexpr bool Has(Role role) const { return (bits_ & (1U << static_cast<unsigned>(role))) != 0; }
  constexpr bool Meet(Roles other) const { return (bits_ & other.bits_) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  friend constexpr bool operator==(Roles, Roles) = default;

 private:
  unsigned bits_ = 0;
};

std::string_view RoleName(Role role);                  // "worker"
std::optional<Role> ParseRole(std::string_view text);  // of "worker"
std::string RolesText(Roles roles);                    // "worker or index"; "none"

inline constexpr std::size_t kNameMax = 128;
// 1 to kNameMax of A-Z a-z 0-9 . _ - @
bool IsName(std::string_view text);

struct Identity {
  std::string name;
  Roles roles;
};

inline constexpr std::string_view kIdentityScheme = "hypercore-nixos:";
// Roles add up; the name is the first one's. URIs of other schemes are passed over; without any of
// ours there is no role and no name. kUnauthenticated: one of ours is none.
Result<Identity> IdentityOfUris(const std::vector<std::string>& uris);

}  // namespace hnx::access
