#include "cli/option.h"

#include <algorithm>
#include <cctype>

#include "base/check.h"
#include "cli/units.h"

namespace hnx::cli {

std::string EnvironmentName(const std::string& flag) {
  std::string name = "HNX_" + flag.substr(flag.find_first_not_of('-'));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return c == '-' ? '_' : static_cast<char>(std::toupper(c));
  });
  return name;
}

namespace internal {

CLI::Option* Register(CLI::Option* option, const std::string& flag) {
  HNX_CHECK(flag.starts_with("--") && flag.size() > 2 && flag.find(',') == std::string::npos);
  return option->envname(EnvironmentName(flag));
}

}  // namespace internal

CLI::Option* AddFlag(CLI::App& app, const std::string& flag, bool& value, const std::string& help) {
  return internal::Register(app.add_flag(flag, value, help), flag);
}

CLI::Option* AddSize(CLI::App& app, const std::string& flag, std::uint64_t& bytes,
                     const std::string& help) {
  const auto parse = [&bytes](const std::string& text) {
    auto parsed = ParseByteSize(text);
    if (!parsed) {
      throw CLI::ValidationError(parsed.error().message);
    }
    bytes = *parsed;
  };
  return internal::Register(app.add_option_function<std::string>(flag, parse, help), flag)
      ->type_name("SIZE")
      ->default_str(FormatBytes(bytes));
}

CLI::Option* AddDuration(CLI::App& app, const std::string& flag, std::chrono::milliseconds& value,
                         const std::string& help) {
  const auto parse = [&value](const std::string& text) {
    auto parsed = ParseDuration(text);
    if (!parsed) {
      throw CLI::ValidationError(parsed.error().message);
    }
    value = *parsed;
  };
  return internal::Register(app.add_option_function<std::string>(flag, parse, help), flag)
      ->type_name("DURATION")
      ->default_str(FormatDuration(value));
}

}  // namespace hnx::cli
