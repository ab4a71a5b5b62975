// Which requests are refused before any handler sees them: other methods, bodies, and heads that
// two servers in a row may read differently (request smuggling). Internal to this folder.
#pragma once

#include <optional>
#include <string_view>

#include "http/http_server.h"

struct MHD_Connection;

namespace hnx::http {

// The refusal, after which the connection is closed; nothing: the request may go on.
std::optional<ServerResponse> RefuseRequest(MHD_Connection* connection, std::string_view method);

}  // namespace hnx::http
