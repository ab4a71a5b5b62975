#include "cli/program.h"

#include <algorithm>
#include <exception>
#include <iostream>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include "base/log.h"
#include "cli/completion.h"
#include "cli/config_file.h"
#include "cli/json_text.h"
#include "cli/manual.h"
#include "cli/option.h"
#include "cli/suggestion.h"
#include "cli/terminal.h"

namespace hnx::cli {
namespace {

// The innermost command that was named.
const CLI::App& Innermost(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? app : Innermost(*commands.front());
}

// "hyp create drive"
std::string PathOf(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name()
                                     : PathOf(*app.get_parent()) + " " + app.get_name();
}

// Services give programs few files by default, for the sake of old ones; as many as are allowed is
// theirs to take.
void RaiseOpenFiles() {
  constexpr rlim_t kOpenFilesMax = 65'536;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < kOpenFilesMax) {
    files.rlim_cur = std::min(files.rlim_max, kOpenFilesMax);
    (void)::setrlimit(RLIMIT_NOFILE, &files);  // with fewer it works too
  }
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
      ExitCodesHelp(kAllExits));
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
      fmt::format("source <({0} completion bash)\n{0} completion fish | source", name),
      kPrintingExits);
  completion.add_option("shell", shell_, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  CLI::App& manual = AddCommand(
      "manual", "Print the manual page",
      [this] {
        PrintManual();
        return ExitCode::kOk;
      },
      fmt::format("{0} manual | man -l -\n{0} manual --json | jq -r '.commands[].command'", name),
      kPrintingExits);
  AddFlag(manual, "--json", manual_json_,
          "Print the commands, their options and exit codes as one JSON object");
  facts_[&manual].schema = "manual.schema.json";  // of every program
}

void Program::PrintManual() const {
  if (manual_json_) {
    std::cout << JsonLine(ManualJson(Description(), kVersion)) << '\n';
  } else {
    std::cout << ManualPage(Description(), kVersion);
  }
}

CommandInfo Program::Description() const {
  return Describe(app_, [this](const CLI::App& app) {
    const auto found = facts_.find(&app);
    return found == facts_.end() ? CommandFacts() : found->second;
  });
}

std::string Program::Footer(const CLI::App& command) const {
  const CommandFacts& facts = facts_.at(&command);
  std::string footer;
  if (!facts.examples.empty()) {
    footer = "Examples:\n";
    std::istringstream examples(facts.examples);
    for (std::string line; std::getline(examples, line);) {
      footer += "  " + line + "\n";
    }
    footer += "\n";
  }
  VisitCommands(Description(), [&](const std::string& path, const CommandInfo& info) {
    if (path == PathOf(command) && !info.schema.empty()) {
      footer += fmt::format("--json is described by {}{}\n\n", kSchemaFolder, info.schema);
    }
  });
  return footer + ExitCodesHelp(facts.exit_codes);
}

CLI::App& Program::AddCommand(const std::string& name, const std::string& description, Run run,
                              const std::string& examples, std::span<const ExitCode> exits) {
  return AddCommand(app_, name, description, std::move(run), examples, exits);
}

CLI::App& Program::AddCommand(CLI::App& parent, const std::string& name,
                              const std::string& description, Run run, const std::string& examples,
                              std::span<const ExitCode> exits) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->fallthrough();
  // When it is asked for: the options come later. Instead of the program's, which it inherits.
  command->footer(std::string());
  command->footer([this, command] { return Footer(*command); });
  runs_.emplace(command, std::move(run));
  facts_[command] = {
      .examples = examples, .exit_codes = {exits.begin(), exits.end()}, .schema = {}};
  return *command;
}

CLI::App& Program::AddGroup(const std::string& name, const std::string& description) {
  CLI::App* group = app_.add_subcommand(name, description);
  group->fallthrough();
  group->require_subcommand(1);
  return *group;
}

int Program::TellMistake(const std::string& error, int argc, const char* const* argv) const {
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  const auto explained = ExplainUnknownWord(Description(), words);
  std::cerr << Printable(explained.value_or(app_.get_name() + ": " + error)) << "\nSee "
            << PathOf(Innermost(app_)) << " --help.\n";
  return static_cast<int>(ExitCode::kUsage);
}

int Program::Main(int argc, const char* const* argv) {
  AddOwnCommands();
  try {
    app_.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app_.exit(success, std::cout, std::cerr);
  } catch (const CLI::ParseError& error) {
    return TellMistake(error.what(), argc, argv);
  }
  SetUpLogging(log_level_, log_json_ ? LogFormat::kJson : LogFormat::kText);
  const auto run = runs_.find(&Innermost(app_));
  if (run == runs_.end()) {
    std::cerr << app_.get_name() << ": no command given; see --help\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  RaiseOpenFiles();
  return static_cast<int>(run->second());
}

}  // namespace hnx::cli
