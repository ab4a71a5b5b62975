// hyp seed
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "hyp/address.h"
#include "hyp/commands.h"
#include "hyp/drive_holder.h"
#include "hyp/folder_lock.h"
#include "hyp/link_resolver.h"
#include "hyp/peer_access.h"
#include "hyp/peer_options.h"
#include "hyp/stop_watch.h"

namespace hnx::hyp {

namespace {

namespace fs = std::filesystem;

// How often progress and the list of shards are looked at.
constexpr std::chrono::milliseconds kHoldingsInterval{500};

struct SeedOptions {
  PeerOptions peers;
  std::vector<std::string> addresses;
  std::vector<std::string> listen;
  std::uint64_t rate_max_bytes = 0;
  std::uint64_t rate_max_per_peer_bytes = 0;
  std::size_t connections_max = 256;
  std::size_t connections_per_address_max = hyper::TransportOptions{}.connections_per_address_max;
  bool sparse = false;
  bool json = false;
};

class Seeding {
 public:
  explicit Seeding(const SeedOptions& options)
      : options_(options),
        progress_(cli::ChooseProgressMode(options.json, STDERR_FILENO), std::cerr,
                  [] { return cli::TerminalWidth(STDERR_FILENO); }) {}

  Result<cli::ExitCode> Run(const std::vector<Address>& addresses);

 private:
  Result<void> Prepare(const std::vector<Address>& addresses);
  void TellAddresses();
  Result<void> Look();
  void Tell(const HeldDrive& drive, const char* what);

  const SeedOptions& options_;
  cli::ProgressDisplay progress_;
  StopWatch stop_;
  std::optional<FolderLock> lock_;
  std::unique_ptr<PeerAccess> access_;
  std::unique_ptr<DriveHolder> holder_;
  std::set<std::string> troubles_;  // told once each
  // The version at which a drive was told to be whole, or seen.
  std::map<hyper::DriveKey, std::uint64_t> told_;
};

Result<void> Seeding::Prepare(const std::vector<Address>& addresses) {
  HNX_ASSIGN_OR_RETURN(const fs::path data, options_.peers.DataFolder());
  std::error_code error;
  fs::create_directories(data, error);
  if (error) {
    return Internal(fmt::format("create folder {}: {}", data.string(), error.message()));
  }
  HNX_ASSIGN_OR_RETURN(
      lock_, FolderLock::Take(data, "drives",
                              "another hyp uses the folder; give this one its own with --data"));
  PeerAccessOptions more;
  more.listen = options_.listen;
  more.transport.connections_max = options_.connections_max;
  more.transport.connections_per_address_max =
      std::min(options_.connections_per_address_max, options_.connections_max);
  more.transport.send_bytes_per_second = options_.rate_max_bytes;
  more.transport.peer.send_bytes_per_second = options_.rate_max_per_peer_bytes;
  HNX_ASSIGN_OR_RETURN(access_, PeerAccess::Start(options_.peers, std::move(more)));
  holder_ = std::make_unique<DriveHolder>(access_->node(), lock_->folder(), !options_.sparse,
                                          options_.peers.wants_swarm());
  for (const Address& address : addresses) {
    HNX_TRY(holder_->Add(address.key));
  }
  return {};
}

void Seeding::TellAddresses() {
  if (options_.json) {
    std::cout << cli::JsonLine({{"listening", access_->node().addresses()}}) << '\n' << std::flush;
    return;
  }
  for (const std::string& address : access_->node().addresses()) {
    std::cout << "listening on " << address << '\n' << std::flush;
  }
}

void Seeding::Tell(const HeldDrive& drive, const char* what) {
  if (options_.json) {
    std::cout << cli::JsonLine({{"drive", drive.key.hex()},
                                {"id", drive.key.id()},
                                {"state", what},
                                {"shard", drive.is_shard},
                                {"version", drive.version},
                                {"blocks", drive.blocks_held},
                                {"bytes", drive.bytes_held},
                                {"peers", drive.peers}})
              << '\n'
              << std::flush;
    return;
  }
  progress_.Finish();
  std::cout << fmt::format("{} {} {} version {}, {}", drive.is_shard ? "shard" : "drive",
                           drive.key.id(), what, drive.version, cli::FormatBytes(drive.bytes_held))
            << '\n'
            << std::flush;
}

Result<void> Seeding::Look() {
  hyper::ReadLimits limits = hyper::ReadLimits::Within(options_.peers.timeout);
  limits.cancellation = stop_.cancellation();
  for (const std::string& trouble : holder_->LookForShards(limits)) {
    if (!stop_.cancellation()->cancelled() && troubles_.insert(trouble).second) {
      progress_.Message(cli::Printable(trouble));
    }
  }
  HNX_ASSIGN_OR_RETURN(const auto drives, holder_->Status());
  std::vector<cli::ProgressBar> bars;
  bool all_whole = true;
  for (const HeldDrive& drive : drives) {
    all_whole = all_whole && drive.whole();
    bars.push_back({drive.key.id().substr(0, 8), drive.blocks_held, drive.blocks_total,
                    cli::ProgressUnit::kCount,
                    fmt::format("{} peers{}", drive.peers, drive.frozen ? ", FROZEN" : "")});
    const auto [told, first] = told_.try_emplace(drive.key, 0);
    if (drive.frozen && told->second != UINT64_MAX) {
      told->second = UINT64_MAX;
      Tell(drive, "frozen: its owner signed two different histories;");
    } else if (drive.whole() && drive.version > told->second) {
      told->second = drive.version;
      Tell(drive, "whole");
    }
  }
  progress_.Update(std::move(bars));
  return {};
}

Result<cli::ExitCode> Seeding::Run(const std::vector<Address>& addresses) {
  HNX_TRY(Prepare(addresses));
  TellAddresses();
  do {
    HNX_TRY(Look());
  } while (!stop_.WaitFor(kHoldingsInterval));
  progress_.Finish();
  return cli::ExitCode::kOk;
}

Result<cli::ExitCode> Seed(const SeedOptions& options) {
  std::vector<Address> addresses;
  for (const std::string& text : options.addresses) {
    HNX_ASSIGN_OR_RETURN(Address address, Address::Parse(text));
    if (!address.path.empty()) {
      return InvalidArgument("hyp seed takes whole drives, hyper://KEY");
    }
    addresses.push_back(std::move(address));
  }
  if (options.peers.wants_nobody() && options.listen.empty()) {
    return InvalidArgument(
        "nobody could come: --swarm is off, and neither --listen HOST:PORT nor --peer is given");
  }
  return Seeding(options).Run(addresses);
}

}  // namespace

void AddSeedCommand(cli::Program& program) {
  auto options = std::make_shared<SeedOptions>();
  CLI::App& command = program.AddCommand(
      "seed",
      "Hold drives whole and serve them to everyone who knows their key, until a signal comes. Of "
      "a\n"
      "mirror, all its shards are held, those that come later too. What is here in part is served\n"
      "too. Blocks are verified before they are kept; nobody but the owner can change a drive.",
      [options] {
        const auto done = Seed(*options);
        return done ? *done : Fail(done.error());
      },
      "hyp seed hyper://KEY\n"
      "hyp seed hyper://KEY --data /srv/seed --listen 0.0.0.0:4711 --rate-max 10MB",
      cli::kLocalExits);
  command.add_option("address", options->addresses, "hyper://KEY, one or more")->required();
  options->peers.AddTo(command);
  cli::AddOption(command, "--listen", options->listen,
                 "HOST:PORT for peers that come by TCP; port 0: a free one; may be given several "
                 "times");
  cli::AddSize(command, "--rate-max", options->rate_max_bytes,
               "Bytes a second that are sent to all peers together; 0: no limit");
  cli::AddSize(command, "--rate-max-per-peer", options->rate_max_per_peer_bytes,
               "Bytes a second that are sent to one peer; 0: no limit");
  cli::AddOption(command, "--connections-max", options->connections_max, "Peers at once");
  cli::AddOption(command, "--connections-per-address-max", options->connections_per_address_max,
                 "TCP peers at once from one address; more when many share one (NAT, a proxy)");
  cli::AddFlag(command, "--sparse", options->sparse,
               "Fetch nothing; serve what the data folder holds already");
  cli::AddFlag(command, "--json", options->json, "Print one JSON object a line");
}

}  // namespace hnx::hyp
