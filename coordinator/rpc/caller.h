// CallerOf: the one place where it is found out who makes a call. Today that is what the client
// says of itself, and the address that it calls from.
#pragma once

#include <grpcpp/server_context.h>

#include "coordinator/domain/audit_view.h"

namespace hnx::coordinator {

// Metadata of a call in which a client names its user: "user@host".
inline constexpr const char* kUserMetadata = "hnx-user";

Caller CallerOf(const grpc::CallbackServerContext& context);

}  // namespace hnx::coordinator
