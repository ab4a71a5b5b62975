// The policy: which roles may make which call. What is not here may be made by nobody.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "access/role.h"

namespace hnx::coordinator {

using MethodRoleTable = std::map<std::string, access::Roles, std::less<>>;

// By "/hypercore_nixos.v1.Coordinator/Submit". docs/TLS.md tells the same table; a test compares
// all three: this, the document, and the services of the protocol.
const MethodRoleTable& AllMethodRoles();

// For rpc::Door. nullptr: there is no such method.
const access::Roles* RolesOfMethod(std::string_view method);

}  // namespace hnx::coordinator
