// The C++ peers of bench/replicate/run. A drive is copied with the classes that worker, gateway and
// hyp are made of.
//
//   replicate_bench make FOLDER FILES BYTES       makes a drive of noise; prints its key
//   replicate_bench serve KEY FOLDER...           serves drives as a worker does, until stdin ends
//   replicate_bench fetch KEY FOLDER HOST:PORT    copies it whole
//   replicate_bench fetch KEY FOLDER unix:PATH    the same; peers come from the bridge on that
//                                                 socket
//   replicate_bench load KEY FOLDER HOST:PORT PEERS FILES   see peer_load.h
//
// Prints one JSON object, for `fetch`: seconds until the head was known ("found") and until all was
// here and durable, CPU seconds, bytes and blocks of the content, peak memory. Exit status: 0 done,
// 1 failed, 2 wrong usage.
#include <chrono>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "bench/replicate/bench_drive.h"
#include "bench/replicate/peer_load.h"
#include "hyper/drive/drive_reader.h"
#include "hyper/node/peer_node.h"

namespace hnx::bench {
namespace {

using Words = std::vector<std::string>;

constexpr std::chrono::minutes kPatience{10};
constexpr std::string_view kBridgePrefix = "unix:";

double SecondsSince(Clock::SteadyTime begin) {
  return std::chrono::duration<double>(Clock::Real().Steady() - begin).count();
}

rusage Usage() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage;
}

double CpuSeconds() {
  const rusage usage = Usage();
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void Say(nlohmann::json message) {
  message["peak_kib"] = Usage().ru_maxrss;
  std::cout << message.dump() << '\n' << std::flush;
}

Result<void> Make(const Words& words) {
  HNX_ASSIGN_OR_RETURN(
      const hyper::DriveKey key,
      MakeBenchDrive(words.at(1), std::stoul(words.at(2)), std::stoul(words.at(3))));
  Say({{"key", key.hex()}, {"id", key.id()}});
  return {};
}

Result<void> Serve(const Words& words) {
  hyper::PeerNodeOptions options;
  options.listen = {"127.0.0.1:0"};
  options.transport.connections_per_address_max = options.transport.connections_max;
  HNX_ASSIGN_OR_RETURN(const auto node, hyper::PeerNode::Start(std::move(options)));
  for (std::size_t at = 1; at + 1 < words.size(); at += 2) {
    HNX_ASSIGN_OR_RETURN(const hyper::DriveKey key, hyper::DriveKey::Parse(words[at]));
    hyper::DriveReaderOptions reading;
    reading.folder = words[at + 1];
    reading.key = key;
    HNX_ASSIGN_OR_RETURN(const auto reader, hyper::DriveReader::Open(reading));
    const hyper::ServedDrive served{
        .key = key, .content_key = reader->content_key(), .folder = reading.folder};
    HNX_TRY(node->AddServedDrive(served));
  }
  Say({{"listening", node->addresses()}});
  for (std::string line; std::getline(std::cin, line);) {
  }
  return {};
}

Result<void> Fetch(const Words& words) {
  HNX_ASSIGN_OR_RETURN(const hyper::DriveKey key, hyper::DriveKey::Parse(words.at(1)));
  hyper::PeerNodeOptions options;
  const std::string& from = words.at(3);
  if (from.starts_with(kBridgePrefix)) {
    options.swarm_socket = from.substr(kBridgePrefix.size());
  } else {
    options.peers = {from};
  }
  const double cpu_before = CpuSeconds();
  const Clock::SteadyTime begin = Clock::Real().Steady();
  HNX_ASSIGN_OR_RETURN(const auto node, hyper::PeerNode::Start(std::move(options)));
  hyper::RemoteDriveOptions drive_options;
  drive_options.folder = words.at(2);
  drive_options.announce = false;
  HNX_ASSIGN_OR_RETURN(const auto drive, node->OpenRemote(key, std::move(drive_options)));
  const hyper::ReadLimits limits = hyper::ReadLimits::Within(kPatience);
  drive->SetKeep(hyper::RemoteDrive::Keep::kWhole);
  HNX_TRY(drive->WaitForHead(limits));
  const double found = SecondsSince(begin);
  HNX_TRY(drive->WaitUntilHeld(hyper::RemoteDrive::Keep::kWhole, limits));
  const double seconds = SecondsSince(begin);
  const double cpu = CpuSeconds() - cpu_before;
  HNX_ASSIGN_OR_RETURN(const hyper::RemoteDriveStatus status, drive->Status());
  if (!status.content) {
    return NotFound("the drive has no content core");
  }
  Say({{"found", found},
       {"seconds", seconds},
       {"cpu", cpu},
       {"bytes", status.content->head.byte_length},
       {"blocks", status.content->contiguous_length}});
  return {};
}

Result<void> Load(const Words& words) {
  HNX_ASSIGN_OR_RETURN(const hyper::DriveKey key, hyper::DriveKey::Parse(words.at(1)));
  const std::size_t peers = std::stoul(words.at(4));
  HNX_ASSIGN_OR_RETURN(const PeerLoadResult result,
                       RunPeerLoad(key, words.at(2), words.at(3), peers, std::stoul(words.at(5))));
  Say({{"seconds", result.seconds}, {"bytes", result.bytes}, {"peers", peers}});
  return {};
}

struct Command {
  std::string_view name;
  std::size_t words;  // at least
  Result<void> (*run)(const Words&);
};
constexpr Command kCommands[] = {
    {"make", 4, Make}, {"serve", 3, Serve}, {"fetch", 4, Fetch}, {"load", 6, Load}};

int Main(const Words& words) {
  SetUpLogging("warning", LogFormat::kText);
  for (const Command& command : kCommands) {
    if (!words.empty() && words[0] == command.name && words.size() >= command.words) {
      const Result<void> done = command.run(words);
      if (!done) {
        std::cerr << words[0] << ": " << done.error().ToString() << '\n';
      }
      return done ? 0 : 1;
    }
  }
  std::cerr << "usage: replicate_bench make|serve|fetch|load ...; see its source\n";
  return 2;
}

}  // namespace
}  // namespace hnx::bench

int main(int argc, char** argv) {
  return hnx::bench::Main({argv + 1, argv + argc});
}
