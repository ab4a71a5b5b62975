// hyp info
#include <chrono>
#include <iostream>
#include <memory>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "hyp/address.h"
#include "hyp/commands.h"
#include "hyp/drive_source.h"

namespace hnx::hyp {

namespace {

using Json = nlohmann::ordered_json;

struct InfoOptions {
  DriveSource source;
  std::string address;
  bool json = false;
};

Result<Json> Describe(const Address& address, const DriveSource& source) {
  HNX_ASSIGN_OR_RETURN(const auto mirror, source.Open(address.key));
  const auto view = mirror->view();
  const auto drive = view->index_view();
  HNX_ASSIGN_OR_RETURN(const DriveFacts facts, mirror->Facts());
  Json info;
  info["key"] = drive->key().hex();
  info["id"] = drive->key().id();
  info["contentKey"] = drive->content_key().hex();
  info["folder"] = facts.folder;
  info["version"] = drive->version();
  info["contentBlocks"] = facts.content_blocks;
  info["contentBytes"] = facts.content_bytes;
  if (facts.afar) {
    Json& afar = info["afar"];
    afar["bytesHeld"] = facts.afar->bytes_held;
    afar["peers"] = facts.afar->peers;
    afar["headAgeMs"] = facts.afar->head_age ? Json(facts.afar->head_age->count()) : Json(nullptr);
    afar["frozen"] = facts.afar->frozen;
  }
  const auto description = view->mirror_json();
  if (*description == mirror::MirrorJson{}) {
    return info;
  }
  Json& part = info["mirror"];
  part["upstream"] = description->upstream;
  part["publicKeys"] = description->public_keys;
  part["predecessor"] =
      description->predecessor ? Json(description->predecessor->hex()) : Json(nullptr);
  part["successor"] = description->successor ? Json(description->successor->hex()) : Json(nullptr);
  part["shards"] = Json::array();
  for (const mirror::MirrorShard& shard : description->shards) {
    part["shards"].push_back({{"id", shard.key.id()},
                              {"length", shard.length},
                              {"bytes", shard.bytes},
                              {"here", mirror->IsHere(shard.key)}});
  }
  return info;
}

void PrintInfo(const Json& info) {
  const auto line = [](const char* label, const std::string& value) {
    std::cout << fmt::format("{:<13}{}\n", label, cli::Printable(value));
  };
  line("key", info["key"]);
  line("id", info["id"]);
  line("content key", info["contentKey"]);
  line("folder", info["folder"]);
  line("version", fmt::format("{}", info["version"].get<std::uint64_t>()));
  line("content",
       fmt::format("{} in {} blocks", cli::FormatBytes(info["contentBytes"].get<std::uint64_t>()),
                   info["contentBlocks"].get<std::uint64_t>()));
  if (const auto afar = info.find("afar"); afar != info.end()) {
    line("held here", cli::FormatBytes((*afar)["bytesHeld"].get<std::uint64_t>()));
    for (const Json& peer : (*afar)["peers"]) {
      line("peer", peer);
    }
    line("newest", (*afar)["headAgeMs"].is_null()
                       ? "nobody confirmed it; there may be a newer version"
                       : "a peer said so " +
                             cli::FormatDuration(std::chrono::milliseconds(
                                 (*afar)["headAgeMs"].get<std::int64_t>())) +
                             " ago");
    if ((*afar)["frozen"].get<bool>()) {
      line("FROZEN", "its owner signed two different histories; nothing newer is taken");
    }
  }
  const auto mirror = info.find("mirror");
  if (mirror == info.end()) {
    return;
  }
  line("mirror of", (*mirror)["upstream"]);
  for (const Json& key : (*mirror)["publicKeys"]) {
    line("public key", key);
  }
  for (const char* neighbour : {"predecessor", "successor"}) {
    if (!(*mirror)[neighbour].is_null()) {
      line(neighbour, (*mirror)[neighbour]);
    }
  }
  for (const Json& shard : (*mirror)["shards"]) {
    line("shard", fmt::format("{}  {}{}", shard["id"].get<std::string>(),
                              cli::FormatBytes(shard["bytes"].get<std::uint64_t>()),
                              shard["here"].get<bool>() ? "" : "  (not here)"));
  }
}

}  // namespace

void AddInfoCommand(cli::Program& program) {
  auto options = std::make_shared<InfoOptions>();
  CLI::App& command = program.AddCommand(
      "info", "Tell what a drive is: keys, version, size, and for a mirror its shards.",
      [options] {
        const auto address = Address::Parse(options->address);
        if (!address) {
          return Fail(address.error());
        }
        const auto info = Describe(*address, options->source);
        if (!info) {
          return Fail(info.error());
        }
        if (options->json) {
          std::cout << cli::JsonLine(*info) << '\n';
        } else {
          PrintInfo(*info);
        }
        return cli::ExitCode::kOk;
      },
      "hyp info hyper://KEY\nhyp info hyper://KEY --json", cli::kAskingExits);
  command.add_option("address", options->address, "hyper://KEY")->required();
  options->source.AddTo(command);
  cli::AddFlag(command, "--json", options->json, "Print one JSON object");
}

}  // namespace hnx::hyp
