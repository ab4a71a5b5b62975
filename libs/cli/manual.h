// The manual page of a program, in the man macros of roff (man(7)): `PROGRAM manual | man -l -`.
#pragma once

#include <string>

#include "cli/command_tree.h"

namespace hnx::cli {

std::string ManualPage(const CommandInfo& program, const std::string& version);

}  // namespace hnx::cli
