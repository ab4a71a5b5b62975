#include "cli/program.h"

#include <exception>
#include <iostream>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "cli/completion.h"
#include "cli/config_file.h"
#include "cli/manual.h"
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

// Behind the program's own, so that those come first in its help.
void Program::AddOwnCommands() {
  const std::string& name = app_.get_name();
  const std::map<std::string, Shell> shells{
      {"bash", Shell::kBash}, {"zsh", Shell::kZsh}, {"fish", Shell::kFish}};
  CLI::App& completion = AddCommand(
      "completion", "Print the completion script of a shell",
      [this, shells] {
        std::cout << CompletionScript(Description(), shells.at(shell_));
        return ExitCode::kOk;
      },
      fmt::format("source <({0} completion bash)\n{0} completion fish | source", name));
  completion.add_option("shell", shell_, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  AddCommand(
      "manual", "Print the manual page",
      [this] {
        std::cout << ManualPage(Description(), kVersion);
        return ExitCode::kOk;
      },
      name + " manual | man -l -");
}

CommandInfo Program::Description() const {
  return Describe(app_, [this](const CLI::App& app) {
    const auto found = examples_.find(&app);
    return found == examples_.end() ? std::string() : found->second;
  });
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
  examples_.emplace(command, examples);
  return *command;
}

CLI::App& Program::AddGroup(const std::string& name, const std::string& description) {
  CLI::App* group = app_.add_subcommand(name, description);
  group->fallthrough();
  group->require_subcommand(1);
  return *group;
}

int Program::Main(int argc, const char* const* argv) {
  AddOwnCommands();
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
