// hyp shards
#include <iostream>
#include <memory>

#include <fmt/core.h>

#include "cli/option.h"
#include "hyp/address.h"
#include "hyp/commands.h"
#include "hyp/drive_source.h"

namespace hnx::hyp {

namespace {

struct ShardsOptions {
  DriveSource source;
  std::string address;
  bool hex = false;
};

Result<void> PrintShards(const ShardsOptions& options) {
  HNX_ASSIGN_OR_RETURN(const Address address, Address::Parse(options.address));
  HNX_ASSIGN_OR_RETURN(const auto mirror, options.source.Open(address.key));
  for (const mirror::MirrorShard& shard : mirror->view()->mirror_json()->shards) {
    std::cout << (options.hex ? shard.key.hex() : shard.key.id()) << '\n';
  }
  return {};
}

}  // namespace

void AddShardsCommand(cli::Program& program) {
  auto options = std::make_shared<ShardsOptions>();
  CLI::App& command = program.AddCommand(
      "shards",
      "Print the drives that hold the NARs of a mirror, one id (in z-base-32) a line, for "
      "programs\n"
      "that keep or announce drives. A drive that is no mirror has none.",
      [options] {
        const auto done = PrintShards(*options);
        return done ? cli::ExitCode::kOk : Fail(done.error());
      },
      "hyp shards hyper://KEY\nhyp shards hyper://KEY --hex", cli::kAskingExits);
  command.add_option("address", options->address, "hyper://KEY")->required();
  options->source.AddTo(command);
  cli::AddFlag(command, "--hex", options->hex, "Print keys as 64 hex digits");
}

}  // namespace hnx::hyp
