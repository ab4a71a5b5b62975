#include "mirror/format/release_proof.h"

#include <array>
#include <charconv>
#include <functional>
#include <stdexcept>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mirror/index_layout.h"

namespace hnx::mirror {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kManifestFormatVersion = 1;
constexpr std::size_t kStorePathHashLength = 32;

Error BadLine(std::string_view line) {
  constexpr std::size_t kShown = 120;
  return DataLoss(fmt::format("listing.zst: \"{}\" is not \"hash file size shard blob\"",
                              line.substr(0, kShown)));
}

// Takes what stands before `separator`, and the separator.
std::string_view Take(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return taken;
}

bool ReadNumber(std::string_view text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

UnpublishedPath ReadUnpublished(const Json& item) {
  return {.path = item.at("path").get<std::string>(),
          .state = item.at("state").get<std::string>(),
          .reason = item.value("reason", std::string()),
          .blocked_by = item.value("blockedBy", std::string()),
          .accepted = item.value("accepted", std::string())};
}

ReleaseManifest ReadFields(const Json& json) {
  if (json.at("formatVersion").get<std::uint64_t>() != kManifestFormatVersion) {
    throw std::invalid_argument("its format version is another one than 1; update this program");
  }
  ReleaseManifest manifest;
  manifest.channel = json.at("channel").get<std::string>();
  manifest.release = json.at("release").get<std::string>();
  manifest.revision = json.at("revision").get<std::string>();
  manifest.source_url = json.value("sourceUrl", std::string());
  manifest.upstream = json.value("upstream", std::string());
  manifest.submitted_at = json.value("submittedAt", std::string());
  manifest.settled_at = json.value("settledAt", std::string());
  manifest.match = json.value("match", std::vector<std::string>());
  manifest.exclude = json.value("exclude", std::vector<std::string>());
  manifest.manifest_revision = json.at("manifestRevision").get<std::uint64_t>();
  const Json& paths = json.at("paths");
  manifest.total = paths.at("total").get<std::uint64_t>();
  manifest.published = paths.at("published").get<std::uint64_t>();
  manifest.missing = paths.at("missing").get<std::uint64_t>();
  manifest.set_aside = paths.at("setAside").get<std::uint64_t>();
  manifest.blocked = paths.at("blocked").get<std::uint64_t>();
  manifest.left_out = paths.value("leftOut", std::uint64_t{0});
  if (json.contains("budget")) {
    manifest.budget_bytes = json.at("budget").at("bytes").get<std::uint64_t>();
  }
  manifest.nars = json.at("nars").at("published").get<std::uint64_t>();
  manifest.nar_bytes = json.at("nars").at("bytes").get<std::uint64_t>();
  for (const Json& file : json.at("releaseFiles")) {
    manifest.files.push_back({.name = file.at("name").get<std::string>(),
                              .size = file.at("size").get<std::uint64_t>(),
                              .sha256 = file.at("sha256").get<std::string>()});
  }
  return manifest;
}

}  // namespace

Result<ListedPath> ListedPath::Parse(std::string_view line) {
  const std::string_view whole = line;
  ListedPath path;
  path.hash = Take(line, ' ');
  path.file = Take(line, ' ');
  const std::string_view size = Take(line, ' ');
  path.shard = Take(line, ' ');
  const std::array<std::uint64_t*, 4> numbers{&path.byte_offset, &path.block_offset,
                                              &path.block_length, &path.byte_length};
  bool good = path.hash.size() == kStorePathHashLength && IsSafeName(path.hash) &&
              IsSafeName(path.file) && IsSafeName(path.shard) && ReadNumber(size, path.size);
  for (std::uint64_t* number : numbers) {
    good = ReadNumber(Take(line, ','), *number) && good;
  }
  if (!good || !line.empty()) {
    return BadLine(whole);
  }
  return path;
}

Result<void> ReleaseProof::ReadManifest(
    std::string_view text, const std::function<void(const UnpublishedPath&)>& on_unpublished) {
  // Items of "unpublished" are dropped once they were seen: what is kept does not grow with them.
  bool within = false;
  constexpr int kItemDepth = 2;
  const auto see = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth == 1 && event == Json::parse_event_t::key) {
      within = value == "unpublished";
    }
    if (!within || depth != kItemDepth || event != Json::parse_event_t::object_end) {
      return true;
    }
    const UnpublishedPath path = ReadUnpublished(value);
    missing_ += path.state == "missing" ? 1 : 0;
    set_aside_ += path.state == "set_aside" ? 1 : 0;
    blocked_ += path.state == "blocked" ? 1 : 0;
    left_out_ += path.state == "left_out" ? 1 : 0;
    on_unpublished(path);
    return false;
  };
  try {
    manifest_ = ReadFields(Json::parse(text.begin(), text.end(), see));
  } catch (const std::exception& error) {
    return InvalidArgument(fmt::format("manifest.json: {}", error.what()));
  }
  return {};
}

Result<ListedPath> ReleaseProof::TakeLine(std::string_view line) {
  HNX_ASSIGN_OR_RETURN(ListedPath path, ListedPath::Parse(line));
  if (path.hash <= last_hash_) {
    return DataLoss(fmt::format("listing.zst: {} stands after {}: not in order, or twice",
                                path.hash, last_hash_));
  }
  if (++listed_ > kListedPathsMax) {
    return ResourceExhausted(fmt::format("listing.zst: more than {} paths", kListedPathsMax));
  }
  last_hash_ = path.hash;
  if (nars_.insert(std::hash<std::string>()(path.file)).second) {
    listed_bytes_ += path.size;
  }
  return path;
}

std::vector<std::string> ReleaseProof::Findings() const {
  std::vector<std::string> findings;
  const auto compare = [&](std::string_view what, std::uint64_t found, std::uint64_t said) {
    if (found != said) {
      findings.push_back(fmt::format("manifest.json says {} {}, there are {}", said, what, found));
    }
  };
  const ReleaseManifest& said = manifest_;
  compare("paths in all",
          said.published + said.missing + said.set_aside + said.blocked + said.left_out,
          said.total);
  compare("missing paths", missing_, said.missing);
  compare("paths set aside", set_aside_, said.set_aside);
  compare("blocked paths", blocked_, said.blocked);
  compare("paths left out by the budget", left_out_, said.left_out);
  compare("published paths", listed_, said.published);
  compare("NARs", nars_.size(), said.nars);
  compare("bytes of NARs", listed_bytes_, said.nar_bytes);
  return findings;
}

}  // namespace hnx::mirror
