// Which user the private PostgreSQL runs as, and how initdb, which insists on a name for its uid,
// is satisfied for users that have none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/database/child_process.h"

namespace hnx::coordinator {

struct ServerUser {
  UserIds ids;
  // Set when we are root: the server refuses to run as root.
  bool change_user = false;
  bool has_name = true;  // in the user database
};

// `owner`: of the cluster directory, when there is one already; it must be able to go on with it.
Result<ServerUser> ChooseServerUser(const std::optional<UserIds>& owner);

// Tries to run `spec` for a user without a name: in a user namespace where it appears as one with a
// name; where that is not allowed, with libnss_wrapper and a passwd file written to
// `scratch_directory`.
Result<ChildResult> RunForNamelessUser(const ChildSpec& spec, const UserIds& ids,
                                       const std::string& scratch_directory);

}  // namespace hnx::coordinator
