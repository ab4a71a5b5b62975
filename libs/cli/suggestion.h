// What was probably meant by a command line that does not parse.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command_tree.h"

namespace hnx::cli {

// The nearest word, if it is near enough to be a slip of the fingers.
std::optional<std::string> Nearest(const std::string& word, const std::vector<std::string>& known);

// The first word that is neither a command nor an option where it stands, in a sentence with what
// was probably meant; nothing: all are known, and something else is wrong. `words`: without the
// program's name.
std::optional<std::string> ExplainUnknownWord(const CommandInfo& program,
                                              const std::vector<std::string>& words);

}  // namespace hnx::cli
