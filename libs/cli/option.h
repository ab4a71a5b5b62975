// Options: every knob is a flag, an environment variable and a key of the configuration file with
// one name. AddOption(app, "--gateway-listen", value, help) makes
//
//   --gateway-listen VALUE, HNX_GATEWAY_LISTEN=VALUE, and "gateway-listen = VALUE" in --config FILE
//
// in this order of precedence, before the value that the variable had (shown as the default).
// A vector takes the flag several times, the key several times, or one environment variable with
// one value a line. The variable must outlive the parsing.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <CLI/CLI.hpp>

namespace hnx::cli {

// "--gateway-listen" -> "HNX_GATEWAY_LISTEN"
std::string EnvironmentName(const std::string& flag);

namespace internal {
// Gives the option its environment variable; CHECKs that `flag` is one long name.
CLI::Option* Register(CLI::Option* option, const std::string& flag);
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
}  // namespace internal

// T: std::string, an integer, double, bool (as VALUE), or a vector of these.
template <class T>
CLI::Option* AddOption(CLI::App& app, const std::string& flag, T& value, const std::string& help) {
  CLI::Option* option = internal::Register(app.add_option(flag, value, help), flag);
  if constexpr (internal::IsVector<T>::value) {
    option->delimiter('\n')->allow_extra_args(false);
  } else {
    option->capture_default_str();
  }
  return option;
}

// A switch without a value; true, 1, yes or on in the environment and in the file.
CLI::Option* AddFlag(CLI::App& app, const std::string& flag, bool& value, const std::string& help);
// "64MiB"
CLI::Option* AddSize(CLI::App& app, const std::string& flag, std::uint64_t& bytes,
                     const std::string& help);
// "30s"
CLI::Option* AddDuration(CLI::App& app, const std::string& flag, std::chrono::milliseconds& value,
                         const std::string& help);

}  // namespace hnx::cli
