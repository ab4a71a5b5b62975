// CommandTree: what a program's command line is made of, as plain values: the one source of its
// manual page (manual.h) and of its shell completion (completion.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

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
  std::vector<CommandInfo> commands;
};

// `examples_of`: the examples of a command, one a line.
using ExamplesOf = std::function<std::string(const CLI::App&)>;
CommandInfo Describe(const CLI::App& app, const ExamplesOf& examples_of);

// Calls `visit` with every command, the program first, and its path: "hyp create drive".
void VisitCommands(const CommandInfo& program,
                   const std::function<void(const std::string& path, const CommandInfo&)>& visit);

}  // namespace hnx::cli
