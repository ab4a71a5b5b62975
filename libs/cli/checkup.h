// Checkup: what a `doctor` command found, one line for each thing that was looked at: well, a
// warning, or a fault, with what to do about it. One thread.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/exit_code.h"

namespace hnx::cli {

enum class CheckLevel { kOk, kWarning, kFault };

struct Finding {
  std::string check;  // stable word of what was looked at: "database"
  CheckLevel level = CheckLevel::kOk;
  std::string what;
  std::string remedy{};  // empty for kOk only
};

class Checkup {
 public:
  void Ok(std::string check, std::string what);
  void Warn(std::string check, std::string what, std::string remedy);
  void Fault(std::string check, std::string what, std::string remedy);

  const std::vector<Finding>& findings() const { return findings_; }
  std::size_t Count(CheckLevel level) const;
  // kOk: all is well; kPartial: warnings; kFailure: a fault.
  ExitCode Exit() const;

  void Print(std::ostream& out) const;
  // Print, or ToJson in a line; and how the program is to end.
  ExitCode Tell(std::ostream& out, bool json) const;
  // docs/schemas/coordinator-doctor.schema.json
  nlohmann::ordered_json ToJson() const;

 private:
  std::vector<Finding> findings_;
};

}  // namespace hnx::cli
