#include "cli/checkup.h"

#include <algorithm>
#include <ostream>
#include <utility>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "cli/terminal.h"

namespace hnx::cli {
namespace {

const char* LevelWord(CheckLevel level) {
  switch (level) {
    case CheckLevel::kOk:
      return "ok";
    case CheckLevel::kWarning:
      return "warning";
    case CheckLevel::kFault:
      return "fault";
  }
  return "";
}

}  // namespace

void Checkup::Ok(std::string check, std::string what) {
  findings_.push_back(
      {.check = std::move(check), .level = CheckLevel::kOk, .what = std::move(what)});
}

void Checkup::Warn(std::string check, std::string what, std::string remedy) {
  findings_.push_back({.check = std::move(check),
                       .level = CheckLevel::kWarning,
                       .what = std::move(what),
                       .remedy = std::move(remedy)});
}

void Checkup::Fault(std::string check, std::string what, std::string remedy) {
  findings_.push_back({.check = std::move(check),
                       .level = CheckLevel::kFault,
                       .what = std::move(what),
                       .remedy = std::move(remedy)});
}

std::size_t Checkup::Count(CheckLevel level) const {
  return static_cast<std::size_t>(
      std::count_if(findings_.begin(), findings_.end(),
                    [level](const Finding& finding) { return finding.level == level; }));
}

ExitCode Checkup::Exit() const {
  if (Count(CheckLevel::kFault) > 0) {
    return ExitCode::kFailure;
  }
  return Count(CheckLevel::kWarning) > 0 ? ExitCode::kPartial : ExitCode::kOk;
}

void Checkup::Print(std::ostream& out) const {
  for (const Finding& finding : findings_) {
    out << fmt::format("{:<8} {:<16} {}\n", LevelWord(finding.level), finding.check,
                       Printable(finding.what));
    if (!finding.remedy.empty()) {
      out << fmt::format("{:<8} {:<16} -> {}\n", "", "", Printable(finding.remedy));
    }
  }
  out << fmt::format("{} things were looked at: {} faults, {} warnings\n", findings_.size(),
                     Count(CheckLevel::kFault), Count(CheckLevel::kWarning));
}

ExitCode Checkup::Tell(std::ostream& out, bool json) const {
  if (json) {
    out << JsonLine(ToJson()) << '\n';
  } else {
    Print(out);
  }
  return Exit();
}

nlohmann::ordered_json Checkup::ToJson() const {
  auto findings = nlohmann::ordered_json::array();
  for (const Finding& finding : findings_) {
    findings.push_back({{"check", finding.check},
                        {"level", LevelWord(finding.level)},
                        {"what", finding.what},
                        {"remedy", finding.remedy}});
  }
  return {{"schema", 1},
          {"faults", Count(CheckLevel::kFault)},
          {"warnings", Count(CheckLevel::kWarning)},
          {"findings", std::move(findings)}};
}

}  // namespace hnx::cli
