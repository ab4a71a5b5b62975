// ReadmeText: /README.txt of an index drive, for people who found it by its key.
#pragma once

#include <span>
#include <string>

#include "base/bytes.h"

namespace hnx::coordinator {

std::string ReadmeText(ByteView index_key, std::span<const std::string> upstreams);

}  // namespace hnx::coordinator
