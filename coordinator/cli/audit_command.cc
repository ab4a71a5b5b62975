#include <chrono>
#include <iostream>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/terminal.h"
#include "coordinator/cli/client_call.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

struct AuditOptions {
  ClientOptions client;
  std::chrono::milliseconds since{0};
  std::uint32_t limit = 100;
};

void PrintEntry(const pb::AuditEntry& entry) {
  std::cout << fmt::format("{}  {:<20} {:<12} {}: {}\n", FormatTime(entry.at_ms()),
                           cli::Printable(entry.who().empty() ? entry.peer() : entry.who()),
                           cli::Printable(entry.operation()), cli::Printable(entry.object()),
                           cli::Printable(entry.decision()));
}

nlohmann::ordered_json EntryJson(const pb::AuditEntry& entry) {
  return {{"id", entry.id()},
          {"at_ms", entry.at_ms()},
          {"who", entry.who()},
          {"peer", entry.peer()},
          {"operation", entry.operation()},
          {"object", entry.object()},
          {"decision", entry.decision()}};
}

Result<cli::ExitCode> List(const AuditOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  pb::ListAuditRequest request;
  if (options.since.count() > 0) {
    const auto begin = Clock::Real().Wall() - options.since;
    request.set_since_ms(begin.time_since_epoch().count());
  }
  request.set_limit(options.limit);
  HNX_TRY(client.ListAudit(request, [&](const pb::AuditEntry& entry) -> Result<void> {
    if (options.client.json) {
      std::cout << cli::JsonLine(EntryJson(entry)) << '\n';
    } else {
      PrintEntry(entry);
    }
    return {};
  }));
  return cli::ExitCode::kOk;
}

}  // namespace

void AddAuditCommand(cli::Program& program) {
  auto options = std::make_shared<AuditOptions>();
  CLI::App& command = program.AddCommand(
      "audit", "Tell who decided what and when, the newest first",
      [options] {
        const auto code = List(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator audit\n"
      "coordinator audit --since 7d --limit 1000 --json",
      cli::kAskingExits);
  cli::AddDuration(command, "--since", options->since,
                   "Only the last so long; 0: all that is kept");
  cli::AddOption(command, "--limit", options->limit,
                 "At most so many; 0: as many as the coordinator gives");
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
