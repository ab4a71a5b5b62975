// The configuration file: lines "key = value", where key is an option's long name without dashes.
//
//   # comment
//   data = /var/lib/hypercore-nixos
//   upstream = https://cache.nixos.org     # the value ends before " #"
//   match = "-hello-[0-9]"                 # quotes keep blanks and '#'; no escapes
//   match = "-bash-[0-9]"                  # again for a list's next value
//   [worker]                               # what follows is for the program `worker` only
//
// A key before the first [section] or in the program's own section must be an option of the program
// or of one of its commands; those of commands that are not being run are passed over.
#pragma once

#include <istream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"

namespace hnx::cli {

struct ConfigEntry {
  std::string section;  // empty before the first one
  std::string key;
  std::string value;
  int line = 0;
};

inline constexpr std::size_t kConfigLinesMax = 10'000;

Result<std::vector<ConfigEntry>> ParseConfig(std::istream& input);

// Makes CLI11 read that format for `app` and for its commands. `program` names the section.
void UseConfigFile(CLI::App& app, const std::string& program);

}  // namespace hnx::cli
