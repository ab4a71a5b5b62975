// The manual of a program, for people and for programs.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "cli/command_tree.h"

namespace hnx::cli {

// Where the schemas of what --json prints are, in the source tree.
inline constexpr const char* kSchemaFolder = "docs/schemas/";

// In the man macros of roff (man(7)): `PROGRAM manual | man -l -`.
std::string ManualPage(const CommandInfo& program, const std::string& version);
// The same: docs/schemas/manual.schema.json.
nlohmann::ordered_json ManualJson(const CommandInfo& program, const std::string& version);

}  // namespace hnx::cli
