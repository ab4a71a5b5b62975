// CommandTree: what a program's command line is made of, as plain values: the one source of its
// manual page (manual.h), its shell completion (completion.h) and of what was probably meant
// (suggestion.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/exit_code.h"

namespace hnx::cli {

struct OptionInfo {
  std::string flag;        // "--listen"
  std::string short_flag;  // "-h", or empty
  std::string value;       // "SIZE"; empty: a switch
  std::vector<std::string> choices;
  std::string help;
  std::string default_value;
  std::string environment;  // "HNX_LISTEN", or empty
  bool required = false;
  bool repeated = false;
};

struct PositionalInfo {
  std::string name;
  std::string help;
  bool required = false;
  bool repeated = false;
};

struct CommandInfo {
  std::string name;  // of the command alone
  std::string description;
  std::vector<OptionInfo> options;
  std::vector<PositionalInfo> positionals;
  std::vector<std::string> examples;  // whole command lines
  std::vector<ExitCode> exit_codes;   // that it ends with; empty: it only holds other commands
  std::string schema;  // docs/schemas/<this> tells what --json prints; empty: there is no --json
  std::vector<CommandInfo> commands;
};

// What CLI11 does not know of a command.
struct CommandFacts {
  std::string examples;  // one a line
  std::vector<ExitCode> exit_codes;
  std::string schema;  // empty: SchemaOf its path
};
using FactsOf = std::function<CommandFacts(const CLI::App&)>;
CommandInfo Describe(const CLI::App& app, const FactsOf& facts_of);

// "coordinator failures list" -> "coordinator-failures-list.schema.json"
std::string SchemaOf(const std::string& path);

// Calls `visit` with every command, the program first, and its path: "hyp create drive".
void VisitCommands(const CommandInfo& program,
                   const std::function<void(const std::string& path, const CommandInfo&)>& visit);

}  // namespace hnx::cli
