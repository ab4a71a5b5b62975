// Program: a command line with its commands, made the same way in every program.
//
//   cli::Program program("gateway", "Serves a mirror to Nix clients.");
//   CLI::App& serve = program.AddCommand("serve", "Run the gateway", [&] { return Serve(options);
//   },
//                                        "gateway serve --listen 127.0.0.1:8080 --mirror DIR");
//   cli::AddOption(serve, "--listen", options.listen, "Address to listen on");
//   return program.Main(argc, argv);
//
// --help, --version, --config, --log-level and --log-json are there by themselves, and so are the
// commands completion and manual; logging is set up before the command runs. Wrong use is told on
// stderr, with what was probably meant, and exits with kUsage. What a command prints with --json is
// told by docs/schemas/<its path, joined with "-">.schema.json.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/command_tree.h"
#include "cli/exit_code.h"

namespace hnx::cli {

inline constexpr const char* kVersion = "0.2.0";

class Program {
 public:
  using Run = std::function<ExitCode()>;

  Program(const std::string& name, const std::string& description);
  ~Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  Program(Program&&) = delete;
  Program& operator=(Program&&) = delete;

  // `examples`: whole command lines, one a line. `exits`: all codes that it may end with. The App
  // lives as long as the Program.
  CLI::App& AddCommand(const std::string& name, const std::string& description, Run run,
                       const std::string& examples = {},
                       std::span<const ExitCode> exits = kLocalExits);
  // A command with commands of its own (hyp create drive): add those to it.
  CLI::App& AddCommand(CLI::App& parent, const std::string& name, const std::string& description,
                       Run run, const std::string& examples = {},
                       std::span<const ExitCode> exits = kLocalExits);
  // Only holds other commands.
  CLI::App& AddGroup(const std::string& name, const std::string& description);

  CLI::App& app() { return app_; }

  // Parses, runs the command that was named, gives the process's exit status.
  int Main(int argc, const char* const* argv);

  CommandInfo Description() const;

 private:
  void AddOwnCommands();
  void PrintManual() const;
  int TellMistake(const std::string& error, int argc, const char* const* argv) const;
  // Below a command's options.
  std::string Footer(const CLI::App& command) const;

  CLI::App app_;
  std::string log_level_ = "info";
  bool log_json_ = false;
  std::string shell_;
  bool manual_json_ = false;
  std::map<const CLI::App*, Run> runs_;
  std::map<const CLI::App*, CommandFacts> facts_;
};

}  // namespace hnx::cli
