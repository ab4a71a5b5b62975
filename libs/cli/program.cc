#include "cli/program.h"

#include <exception>
#include <iostream>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "cli/config_file.h"
#include "cli/option.h"

namespace hnx::cli {
namespace {

// The innermost command that was named.
const CLI::App& Innermost(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? app : Innermost(*commands.front());
}

std::string Footer(const std::string& examples) {
  std::string footer;
  if (!examples.empty()) {
    footer = "Examples:\n";
    std::size_t begin = 0;
    while (begin < examples.size()) {
      const std::size_t end = std::min(examples.find('\n', begin), examples.size());
      footer += "  " + examples.substr(begin, end - begin) + "\n";
      begin = end + 1;
    }
    footer += "\n";
  }
  return footer + kExitCodesHelp;
}

}  // namespace

Program::Program(const std::string& name, const std::string& description)
    : app_(description, name) {
  app_.set_version_flag("--version", name + " (hypercore-nixos) " + kVersion);
  app_.set_help_all_flag("--help-all", "Print the help of all commands");
  app_.require_subcommand(1);
  app_.footer(
      "Every option is also an environment variable (HNX_ and its name in capitals) and a key in\n"
      "--config FILE (its name without dashes); the command line wins over the environment, the\n"
      "environment over the file.\n\n" +
      std::string(kExitCodesHelp));
  UseConfigFile(app_, name);
  AddOption(app_, "--log-level", log_level_, "trace, debug, info, warning, error or off")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}));
  AddFlag(app_, "--log-json", log_json_, "Log one JSON object a line");
  app_.fallthrough();
}

CLI::App& Program::AddCommand(const std::string& name, const std::string& description, Run run,
                              const std::string& examples) {
  return AddCommand(app_, name, description, std::move(run), examples);
}

CLI::App& Program::AddCommand(CLI::App& parent, const std::string& name,
                              const std::string& description, Run run,
                              const std::string& examples) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->fallthrough();
  command->footer(Footer(examples));
  runs_.emplace(command, std::move(run));
  return *command;
}

CLI::App& Program::AddGroup(const std::string& name, const std::string& description) {
  CLI::App* group = app_.add_subcommand(name, description);
  group->fallthrough();
  group->require_subcommand(1);
  return *group;
}

int Program::Main(int argc, const char* const* argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app_.exit(success, std::cout, std::cerr);
  } catch (const CLI::ParseError& error) {
    std::cerr << app_.get_name() << ": " << error.what() << "\nSee " << app_.get_name()
              << " --help.\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  SetUpLogging(log_level_, log_json_ ? LogFormat::kJson : LogFormat::kText);
  const auto run = runs_.find(&Innermost(app_));
  if (run == runs_.end()) {
    std::cerr << app_.get_name() << ": no command given; see --help\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  return static_cast<int>(run->second());
}

}  // namespace hnx::cli
