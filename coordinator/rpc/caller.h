// ReadCaller: the one place where it is said who makes a call, for the audit.
#pragma once

#include <grpcpp/server_context.h>

#include "access/role.h"
#include "coordinator/domain/audit_view.h"

namespace hnx::coordinator {

// Metadata of a call in which a client names its user: "user@host". Not proven.
inline constexpr const char* kUserMetadata = "hnx-user";

// `identity`: what its certificate or token proves; without a name the door is open. Who it is
// becomes "NAME (user@host)", or "user@host" alone.
Caller ReadCaller(const grpc::CallbackServerContext& context, const access::Identity& identity);

}  // namespace hnx::coordinator
