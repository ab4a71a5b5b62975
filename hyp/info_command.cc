// hyp info
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
#include "hyp/drive_folders.h"

namespace hnx::hyp {

namespace {

using Json = nlohmann::ordered_json;

struct InfoOptions {
  DriveFolders folders;
  std::string address;
  bool json = false;
};

Result<Json> Describe(const Address& address, const DriveFolders& folders) {
  HNX_ASSIGN_OR_RETURN(const auto mirror, folders.Open(address.key));
  const auto drive = mirror->index();
  Json info;
  info["key"] = drive->key().hex();
  info["id"] = drive->key().id();
  info["contentKey"] = drive->content_key().hex();
  info["folder"] = drive->folder().string();
  info["version"] = drive->version();
  info["contentBlocks"] = drive->content_length();
  info["contentBytes"] = drive->content_byte_length();
  const auto description = mirror->mirror_json();
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
                              {"here", folders.Find(shard.key).has_value()}});
  }
  return info;
}

void PrintText(const Json& info) {
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
        const auto info = Describe(*address, options->folders);
        if (!info) {
          return Fail(info.error());
        }
        if (options->json) {
          std::cout << cli::JsonLine(*info) << '\n';
        } else {
          PrintText(*info);
        }
        return cli::ExitCode::kOk;
      },
      "hyp info hyper://KEY\nhyp info hyper://KEY --json");
  command.add_option("address", options->address, "hyper://KEY")->required();
  options->folders.AddTo(command);
  cli::AddFlag(command, "--json", options->json, "Print one JSON object");
}

}  // namespace hnx::hyp
