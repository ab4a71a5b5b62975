#include <iostream>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/table.h"
#include "cli/units.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

struct ShardsOptions {
  ClientOptions client;
  std::string worker;
  std::string state;
  std::uint32_t limit = 0;
};

nlohmann::ordered_json DriveJson(const pb::Drive& drive) {
  return {{"id_z32", drive.id_z32()},
          {"key", drive.key_hex()},
          {"role", drive.role()},
          {"worker_id", drive.worker_id()},
          {"worker", drive.worker_name()},
          {"state", drive.state()},
          {"reason", drive.reason()},
          {"length", drive.length()},
          {"bytes", drive.bytes()},
          {"nars", drive.nars()},
          {"copies", drive.copies()},
          {"copies_whole", drive.copies_whole()},
          {"created_at_ms", drive.created_at_ms()},
          {"published_at_ms", drive.published_at_ms()}};
}

std::string CopiesText(const pb::Drive& drive) {
  return drive.copies() == 0 ? "" : fmt::format("{} of {}", drive.copies_whole(), drive.copies());
}

std::string TimeText(std::int64_t unix_ms) {
  return unix_ms == 0 ? "" : FormatTime(unix_ms);
}

void AddRow(const pb::Drive& drive, bool short_id, cli::Table& table) {
  std::vector<std::string> remarks;
  if (drive.state() == "lost") {
    remarks.emplace_back("its writer does not hold what was recorded");
  } else if (!drive.reason().empty()) {
    remarks.push_back(drive.reason());
  }
  table.Add(
      {short_id ? drive.id_z32().substr(0, 8) : drive.id_z32(), drive.role(), drive.worker_name(),
       drive.state(), std::to_string(drive.length()), cli::FormatBytes(drive.bytes()),
       std::to_string(drive.nars()), CopiesText(drive), TimeText(drive.published_at_ms())},
      std::move(remarks));
}

Result<cli::ExitCode> ListShards(const ShardsOptions& options) {
  using cli::Align;
  pb::ListDrivesRequest request;
  request.set_worker(options.worker);
  request.set_state(options.state);
  request.set_limit(options.limit);
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  cli::Table table({{"DRIVE"},
                    {"ROLE"},
                    {"WRITER"},
                    {"STATE"},
                    {"LENGTH", Align::kRight},
                    {"BYTES", Align::kRight},
                    {"NARS", Align::kRight},
                    {"COPIES", Align::kRight},
                    {"PUBLISHED"}});
  const bool short_id = cli::OutputWidth().has_value();
  HNX_TRY(client.ListDrives(request, [&](const pb::Drive& drive) -> Result<void> {
    if (options.client.json) {
      std::cout << cli::JsonLine(DriveJson(drive)) << '\n';
    } else {
      AddRow(drive, short_id, table);
    }
    return {};
  }));
  if (!options.client.json) {
    table.Finish(std::cout, "No drive yet; see `worker run --role index`.");
  }
  return cli::ExitCode::kOk;
}

}  // namespace

void AddShardsCommand(cli::Program& program) {
  auto options = std::make_shared<ShardsOptions>();
  CLI::App& command = program.AddCommand(
      "shards",
      "List the drives, the index first: writer, length, bytes, copies, state, the last "
      "publication",
      [options] {
        const auto code = ListShards(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator shards\ncoordinator shards --worker rack2 --state lost\n"
      "coordinator shards --json | jq -r 'select(.copies_whole < 1).id_z32'",
      cli::kAskingExits);
  cli::AddOption(command, "--worker", options->worker,
                 "Only those that this worker writes or is to hold, by its name or id");
  cli::AddOption(command, "--state", options->state, "Only those that are open, sealed or lost")
      ->check(CLI::IsMember({"open", "sealed", "lost"}));
  cli::AddOption(command, "--limit", options->limit, "At most so many; 0: all");
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
