// What every source makes of a file in a drive.
#pragma once

#include <string>

#include "base/result.h"
#include "http/http_server.h"
#include "mirror/mirror_view.h"

namespace hnx::gateway {

// A drive only ever appends, so the place of a blob names its bytes for good.
std::string ETagOf(const mirror::MirrorFile& file);
// kNotFound: its blocks are not (all) on this machine.
Result<http::FileRegion> OpenRegion(const mirror::MirrorFile& file);

}  // namespace hnx::gateway
