#include "cli/config_file.h"

#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace hnx::cli {
namespace {

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

Result<std::string> ParseValue(std::string_view text, int line) {
  if (!text.empty() && (text.front() == '"' || text.front() == '\'')) {
    const std::size_t end = text.find(text.front(), 1);
    const std::string_view rest = end == std::string_view::npos ? "x" : Trim(text.substr(end + 1));
    if (!rest.empty() && rest.front() != '#') {
      return InvalidArgument(fmt::format("line {}: the quoted value does not end properly", line));
    }
    return std::string(text.substr(1, end - 1));
  }
  if (text.starts_with('#')) {
    return std::string();
  }
  return std::string(Trim(text.substr(0, text.find(" #"))));
}

Result<void> ParseLine(std::string_view text, int line, std::string& section,
                       std::vector<ConfigEntry>& entries) {
  text = Trim(text);
  if (text.empty() || text.front() == '#') {
    return {};
  }
  if (text.front() == '[') {
    if (text.back() != ']' || text.size() < 3) {
      return InvalidArgument(fmt::format("line {}: write a section as [name]", line));
    }
    section = Trim(text.substr(1, text.size() - 2));
    return {};
  }
  const std::size_t equals = text.find('=');
  const std::string_view key = Trim(text.substr(0, equals));
  if (equals == std::string_view::npos || key.empty()) {
    return InvalidArgument(fmt::format("line {}: write key = value", line));
  }
  HNX_ASSIGN_OR_RETURN(std::string value, ParseValue(Trim(text.substr(equals + 1)), line));
  entries.push_back({section, std::string(key), std::move(value), line});
  return {};
}

bool IsInEnvironment(const CLI::Option& option) {
  const std::string name = option.get_envname();
  const char* value = name.empty() ? nullptr : std::getenv(name.c_str());
  return value != nullptr && *value != '\0';
}

// Turns flat keys into CLI11's items, each under the running command that knows the key.
class FlatConfig final : public CLI::Config {
 public:
  FlatConfig(CLI::App& app, std::string program) : app_(app), program_(std::move(program)) {}

  std::string to_config(const CLI::App* /*app*/, bool /*defaults*/, bool /*descriptions*/,
                        std::string /*prefix*/) const override {
    return {};
  }

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    auto entries = ParseConfig(input);
    if (!entries) {
      throw CLI::ConfigError("configuration file: " + entries.error().message,
                             CLI::ExitCodes::ConfigError);
    }
    std::vector<CLI::ConfigItem> placed;
    for (const ConfigEntry& entry : *entries) {
      if (!entry.section.empty() && entry.section != program_) {
        continue;
      }
      if (!Place(app_, {}, entry, placed)) {
        throw CLI::ConfigError(
            fmt::format("configuration file: line {}: {} has no option --{}; see --help",
                        entry.line, program_, entry.key),
            CLI::ExitCodes::ConfigError);
      }
    }
    return placed;
  }

 private:
  // False: neither `app` nor a command below it knows the key.
  static bool Place(CLI::App& app, const std::vector<std::string>& parents,
                    const ConfigEntry& entry, std::vector<CLI::ConfigItem>& placed) {
    bool known = false;
    if (const CLI::Option* option = app.get_option_no_throw("--" + entry.key);
        option != nullptr && option->get_configurable()) {
      known = true;
      const bool running = parents.empty() || app.parsed();
      if (running && !IsInEnvironment(*option)) {
        Add(parents, entry, placed);
      }
    }
    for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
      std::vector<std::string> path = parents;
      path.push_back(command->get_name());
      known = Place(*command, path, entry, placed) || known;
    }
    return known;
  }

  // One item with all values: CLI11 takes a second item of the same name for already set.
  static void Add(const std::vector<std::string>& parents, const ConfigEntry& entry,
                  std::vector<CLI::ConfigItem>& placed) {
    for (CLI::ConfigItem& item : placed) {
      if (item.parents == parents && item.name == entry.key) {
        item.inputs.push_back(entry.value);
        return;
      }
    }
    CLI::ConfigItem item;
    item.parents = parents;
    item.name = entry.key;
    item.inputs = {entry.value};
    placed.push_back(std::move(item));
  }

  CLI::App& app_;
  const std::string program_;
};

}  // namespace

Result<std::vector<ConfigEntry>> ParseConfig(std::istream& input) {
  std::vector<ConfigEntry> entries;
  std::string section;
  int number = 0;
  for (std::string line; std::getline(input, line);) {
    ++number;
    if (static_cast<std::size_t>(number) > kConfigLinesMax) {
      return ResourceExhausted(fmt::format("more than {} lines", kConfigLinesMax));
    }
    HNX_TRY(ParseLine(line, number, section, entries));
  }
  return entries;
}

void UseConfigFile(CLI::App& app, const std::string& program) {
  app.set_config("--config", "", "Read options from this file, one \"name = value\" a line")
      ->type_name("FILE")
      ->envname("HNX_CONFIG");
  app.config_formatter(std::make_shared<FlatConfig>(app, program));
}

}  // namespace hnx::cli
