#include "cli/command_tree.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace hnx::cli {
namespace {

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) {
      parts.emplace_back(text.substr(0, end));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

bool IsWord(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::islower(c) != 0 || c == '-'; });
}

// CLI11 says what a value may be in the name of its type: "TEXT:{on,off}", "on|off|PATH".
std::vector<std::string> ChoicesIn(const std::string& type) {
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}');
  if (open != std::string::npos && close != std::string::npos && open < close) {
    return Split(std::string_view(type).substr(open + 1, close - open - 1), ',');
  }
  if (type.find('|') == std::string::npos) {
    return {};
  }
  std::vector<std::string> words = Split(std::string_view(type).substr(type.find(':') + 1), '|');
  words.erase(
      std::remove_if(words.begin(), words.end(), [](const auto& word) { return !IsWord(word); }),
      words.end());
  return words;
}

OptionInfo DescribeOption(const CLI::Option& option) {
  OptionInfo info;
  info.flag = option.get_lnames().empty() ? "" : "--" + option.get_lnames().front();
  info.short_flag = option.get_snames().empty() ? "" : "-" + option.get_snames().front();
  if (option.get_items_expected_max() > 0) {
    const std::string type = option.get_type_name();
    info.value = type.substr(0, type.find(':'));
    info.choices = ChoicesIn(type);
    info.repeated = option.get_items_expected_max() > 1;
  }
  info.help = option.get_description();
  info.default_value = option.get_default_str();
  info.environment = option.get_envname();
  info.required = option.get_required();
  return info;
}

CommandInfo DescribeBelow(const CLI::App& app, const std::string& above, const FactsOf& facts_of) {
  const CommandFacts facts = facts_of(app);
  const std::string path = (above.empty() ? "" : above + " ") + app.get_name();
  CommandInfo info;
  info.name = app.get_name();
  info.description = app.get_description();
  for (const CLI::Option* option : app.get_options({})) {
    if (option->nonpositional()) {
      info.options.push_back(DescribeOption(*option));
    } else {
      info.positionals.push_back({.name = option->get_name(true),
                                  .help = option->get_description(),
                                  .required = option->get_required(),
                                  .repeated = option->get_items_expected_max() > 1});
    }
  }
  info.examples = Split(facts.examples, '\n');
  info.exit_codes = facts.exit_codes;
  if (app.get_option_no_throw("--json") != nullptr) {
    info.schema = facts.schema.empty() ? SchemaOf(path) : facts.schema;
  }
  for (const CLI::App* command : app.get_subcommands({})) {
    info.commands.push_back(DescribeBelow(*command, path, facts_of));
  }
  return info;
}

}  // namespace

CommandInfo Describe(const CLI::App& app, const FactsOf& facts_of) {
  return DescribeBelow(app, "", facts_of);
}

std::string SchemaOf(const std::string& path) {
  std::string file = path;
  std::replace(file.begin(), file.end(), ' ', '-');
  return file + ".schema.json";
}

void VisitCommands(const CommandInfo& program,
                   const std::function<void(const std::string&, const CommandInfo&)>& visit) {
  const std::function<void(const std::string&, const CommandInfo&)> walk =
      [&](const std::string& path, const CommandInfo& command) {
        visit(path, command);
        for (const CommandInfo& inner : command.commands) {
          walk(path + " " + inner.name, inner);
        }
      };
  walk(program.name, program);
}

}  // namespace hnx::cli
