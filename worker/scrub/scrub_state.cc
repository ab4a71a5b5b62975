#include "worker/scrub/scrub_state.h"

#include <array>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/log.h"

namespace hnx::worker {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
// Some hundred bytes a drive, and a worker has some thousands at most.
constexpr std::uint64_t kFileBytesMax = std::uint64_t{16} << 20;
constexpr std::array<std::string_view, 3> kParts{"db", "content", "nars"};

Json RoundJson(const ScrubRound& round) {
  return {{"ask", round.ask},
          {"part", kParts.at(static_cast<std::size_t>(round.part))},
          {"block", round.block},
          {"file", round.file},
          {"blocks", round.counts.blocks},
          {"nars", round.counts.nars},
          {"bytes", round.counts.bytes},
          {"damaged", round.counts.damaged},
          {"repaired", round.counts.repaired},
          {"given_up", round.counts.given_up}};
}

ScrubRound ReadRound(const Json& json) {
  ScrubRound round;
  round.ask = json.at("ask").get<std::uint64_t>();
  const auto part = json.at("part").get<std::string>();
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    if (part == kParts.at(i)) {
      round.part = static_cast<ScrubRound::Part>(i);
    }
  }
  round.block = json.at("block").get<std::uint64_t>();
  round.file = json.at("file").get<std::string>();
  round.counts = {.blocks = json.at("blocks").get<std::uint64_t>(),
                  .nars = json.at("nars").get<std::uint64_t>(),
                  .bytes = json.at("bytes").get<std::uint64_t>(),
                  .damaged = json.at("damaged").get<std::uint64_t>(),
                  .repaired = json.at("repaired").get<std::uint64_t>(),
                  .given_up = json.at("given_up").get<std::uint64_t>()};
  return round;
}

std::map<std::string, DriveScrubState> ReadDrives(const std::string& text) {
  std::map<std::string, DriveScrubState> drives;
  const Json json = Json::parse(text);
  if (json.at("version").get<int>() != kVersion) {
    return drives;
  }
  for (const auto& [id, drive] : json.at("drives").items()) {
    DriveScrubState state;
    state.seen_ms = drive.at("seen_ms").get<std::int64_t>();
    state.whole_ms = drive.at("whole_ms").get<std::int64_t>();
    if (drive.contains("round")) {
      state.round = ReadRound(drive.at("round"));
    }
    drives.emplace(id, std::move(state));
  }
  return drives;
}

}  // namespace

void ScrubState::Load() {
  drives_.clear();
  const auto text = ReadWholeFile(file_, kFileBytesMax);
  if (!text.has_value()) {
    if (text.error().code != ErrorCode::kNotFound) {
      Log("scrub")->warn("{}; its rounds begin anew", text.error().message);
    }
    return;
  }
  try {
    drives_ = ReadDrives(*text);
  } catch (const Json::exception& error) {
    Log("scrub")->warn("read {}: {}; its rounds begin anew", file_.string(), error.what());
  }
}

Result<void> ScrubState::Save() const {
  Json drives = Json::object();
  for (const auto& [id, state] : drives_) {
    Json drive{{"seen_ms", state.seen_ms}, {"whole_ms", state.whole_ms}};
    if (state.round) {
      drive["round"] = RoundJson(*state.round);
    }
    drives[id] = std::move(drive);
  }
  const std::string text = Json{{"version", kVersion}, {"drives", std::move(drives)}}.dump() + "\n";
  return WriteFileDurably(file_, AsBytes(text));
}

}  // namespace hnx::worker
