// ReadmeText: /README.txt of an index drive, for people who found it by its key.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace hnx::coordinator {

std::string ReadmeText(ByteView index_key, std::string_view upstream);

}  // namespace hnx::coordinator
