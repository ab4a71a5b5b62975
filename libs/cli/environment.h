// The few variables of the environment that are not options: PATH, XDG_RUNTIME_DIR, ...
#pragma once

#include <optional>
#include <string>

namespace hnx::cli {

// Nothing when it is unset or empty. Not to be called once threads change the environment; nothing
// here does.
std::optional<std::string> EnvironmentVariable(const std::string& name);

}  // namespace hnx::cli
