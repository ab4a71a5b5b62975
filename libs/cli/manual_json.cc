#include <utility>

#include <nlohmann/json.hpp>

#include "cli/exit_code.h"
#include "cli/manual.h"

namespace hnx::cli {
namespace {

using Json = nlohmann::ordered_json;

Json OptionsJson(const CommandInfo& command) {
  Json options = Json::array();
  for (const OptionInfo& option : command.options) {
    options.push_back({{"flag", option.flag},
                       {"value", option.value},
                       {"choices", option.choices},
                       {"help", option.help},
                       {"default", option.default_value},
                       {"environment", option.environment},
                       {"required", option.required},
                       {"repeated", option.repeated}});
  }
  return options;
}

Json CommandJson(const std::string& path, const CommandInfo& command) {
  Json arguments = Json::array();
  for (const PositionalInfo& positional : command.positionals) {
    arguments.push_back({{"name", positional.name},
                         {"help", positional.help},
                         {"required", positional.required},
                         {"repeated", positional.repeated}});
  }
  Json exit_codes = Json::array();
  for (const ExitCode code : command.exit_codes) {
    exit_codes.push_back(static_cast<int>(code));
  }
  return {
      {"command", path},
      {"description", command.description},
      {"arguments", std::move(arguments)},
      {"options", OptionsJson(command)},
      {"examples", command.examples},
      {"exit_codes", std::move(exit_codes)},
      {"schema", command.schema.empty() ? Json(nullptr) : Json(kSchemaFolder + command.schema)}};
}

}  // namespace

Json ManualJson(const CommandInfo& program, const std::string& version) {
  Json commands = Json::array();
  VisitCommands(program, [&](const std::string& path, const CommandInfo& command) {
    if (&command != &program) {
      commands.push_back(CommandJson(path, command));
    }
  });
  Json exit_codes = Json::array();
  for (const ExitCode code : kAllExits) {
    exit_codes.push_back({{"code", static_cast<int>(code)}, {"meaning", MeaningOf(code)}});
  }
  return {{"program", program.name},
          {"version", version},
          {"description", program.description},
          {"options", OptionsJson(program)},
          {"exit_codes", std::move(exit_codes)},
          {"commands", std::move(commands)}};
}

}  // namespace hnx::cli
