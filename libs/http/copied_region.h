// The body of an answer from a file that may be punched as soon as it is closed. Internal to this
// folder.
#pragma once

#include "http/http_server.h"

struct MHD_Response;

namespace hnx::http {

// Its bytes are copied to the socket piece by piece. The caller's to destroy; null: no memory.
MHD_Response* CopyRegion(FileRegion region);

}  // namespace hnx::http
