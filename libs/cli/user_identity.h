// Who runs this program, as far as the system says: for the audit of a coordinator.
#pragma once

#include <string>

namespace hnx::cli {

// "user@host", of printable ASCII; the user's number when it has no name.
std::string UserAtHost();

}  // namespace hnx::cli
