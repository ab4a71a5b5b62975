// Completion scripts for shells: commands, options, and the values of options that have few. They
// are made of the program's own command tree, so they are never behind it:
//
//   source <(coordinator completion bash)
#pragma once

#include <string>

#include "cli/command_tree.h"

namespace hnx::cli {

enum class Shell { kBash, kZsh, kFish };

std::string CompletionScript(const CommandInfo& program, Shell shell);

}  // namespace hnx::cli
