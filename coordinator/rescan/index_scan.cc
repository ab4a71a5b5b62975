#include "coordinator/rescan/index_scan.h"

#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mirror/drive_link.h"
#include "mirror/index_layout.h"
#include "nix/nar_info.h"

namespace hnx::coordinator {
namespace {

// "/<hash>.narinfo": the hash.
std::optional<std::string> HashOfNarInfoPath(std::string_view path) {
  if (!path.ends_with(mirror::kNarInfoSuffix) || path.find('/', 1) != std::string_view::npos) {
    return std::nullopt;
  }
  return std::string(path.substr(1, path.size() - 1 - mirror::kNarInfoSuffix.size()));
}

// {"blob":{...}} of a link; nullopt when it has none, or one that cannot be.
std::optional<RescanBlob> BlobOfMetadata(const std::string& metadata) {
  const auto json = nlohmann::json::parse(metadata, nullptr, false);
  if (!json.is_object() || !json.contains("blob") || !json["blob"].is_object()) {
    return std::nullopt;
  }
  const auto& blob = json["blob"];
  const auto number = [&](const char* name) -> std::optional<std::uint64_t> {
    if (!blob.contains(name) || !blob[name].is_number_unsigned()) {
      return std::nullopt;
    }
    const auto value = blob[name].get<std::uint64_t>();
    return value <= hyper::kSafeIntegerMax ? std::optional(value) : std::nullopt;
  };
  const auto byte_offset = number("byteOffset"), block_offset = number("blockOffset"),
             block_length = number("blockLength"), byte_length = number("byteLength");
  if (!byte_offset || !block_offset || !block_length || !byte_length) {
    return std::nullopt;
  }
  return RescanBlob{*byte_offset, *block_offset, *block_length, *byte_length};
}

Bytes KeyBytes(const hyper::DriveKey& key) {
  return {key.bytes().begin(), key.bytes().end()};
}

}  // namespace

std::string RescanPrintable(std::string_view text) {
  constexpr std::size_t kShown = 1'000;
  std::string printable;
  for (const char c : text.substr(0, kShown)) {
    printable += c >= 0x20 && c < 0x7f ? c : '?';
  }
  return printable;
}

Result<void> IndexScan::Run(const std::string& after,
                            const std::function<void(std::uint64_t)>& progress) {
  HNX_ASSIGN_OR_RETURN(const auto list, index_.List("/"));
  std::uint64_t read = 0;
  for (;;) {
    HNX_ASSIGN_OR_RETURN(const auto entry, list->Next());
    if (!entry) {
      break;
    }
    ++read;
    if (entry->path <= after) {
      continue;  // staged by a process before this one
    }
    HNX_TRY(Take(*entry));
    batch_.last_path = entry->path;
    if (++batch_entries_ >= kRescanBatchEntries || batch_bytes_ >= kRescanBatchBytes) {
      HNX_TRY(Flush());
      progress(read);
    }
  }
  HNX_TRY(Flush());
  progress(read);
  return {};
}

Result<void> IndexScan::Flush() {
  if (batch_entries_ == 0) {
    return {};
  }
  HNX_TRY(store_.StageEntries(batch_));
  batch_ = {};
  batch_entries_ = 0;
  batch_bytes_ = 0;
  return {};
}

Result<void> IndexScan::Take(const hyper::DriveEntry& entry) {
  if (const auto hash = HashOfNarInfoPath(entry.path)) {
    return TakeNarInfo(entry, *hash);
  }
  if (entry.path.starts_with(std::string(mirror::kNarFolder) + "/")) {
    TakeLink(entry);
  } else if (entry.path.starts_with(std::string(mirror::kChannelsFolder) + "/")) {
    TakeReleaseFile(entry);
  }
  return {};
}

void IndexScan::Find(std::string_view kind, const std::string& object, std::string reason) {
  batch_.findings.push_back({std::string(kind), RescanPrintable(object), RescanPrintable(reason)});
}

Result<void> IndexScan::TakeNarInfo(const hyper::DriveEntry& entry, const std::string& hash) {
  if (!entry.blob || entry.blob->byte_length > nix::kNarInfoSizeMax) {
    Find("narinfo", entry.path, entry.blob ? "it is larger than any narinfo" : "it is no file");
    return {};
  }
  std::string content;
  const auto read = index_.ReadBlob(*entry.blob, 0, entry.blob->byte_length, [&](ByteView piece) {
    content += AsText(piece);
    return Result<void>();
  });
  if (!read) {
    if (read.error().code != ErrorCode::kNotFound && read.error().code != ErrorCode::kDataLoss) {
      return read.error().Annotate("read " + entry.path);
    }
    Find("narinfo", entry.path, "its bytes cannot be had: " + read.error().message);
    return {};
  }
  std::string refusal;
  for (const RescanUpstream& upstream : upstreams_) {
    auto info = VerifyNarInfoText(hash, content, upstream.policy);
    if (info) {
      batch_bytes_ += content.size();
      batch_.narinfos.push_back({hash, upstream.url, *std::move(info)});
      return {};
    }
    if (refusal.empty()) {
      refusal = info.error().message;
    }
  }
  Find("narinfo", entry.path, refusal);
  return {};
}

void IndexScan::TakeLink(const hyper::DriveEntry& entry) {
  if (!entry.linkname) {
    Find("link", entry.path, "it is a file, no link into a shard");
    return;
  }
  const auto link = mirror::DriveLink::Parse(entry.path, *entry.linkname);
  if (!link) {
    Find("link", entry.path, link.error().message);
    return;
  }
  batch_.links.push_back({link->file, KeyBytes(link->shard), BlobOfMetadata(entry.metadata_json)});
}

// "/channels/<channel>/<release>/<file>"
void IndexScan::TakeReleaseFile(const hyper::DriveEntry& entry) {
  std::string_view rest = std::string_view(entry.path).substr(mirror::kChannelsFolder.size() + 1);
  const auto slash = rest.find('/');
  const auto second = slash == std::string_view::npos ? slash : rest.find('/', slash + 1);
  if (second == std::string_view::npos) {
    return;  // latest
  }
  RescanReleaseName name{std::string(rest.substr(0, slash)),
                         std::string(rest.substr(slash + 1, second - slash - 1))};
  if (!mirror::IsSafeName(name.channel) || !mirror::IsSafeName(name.name)) {
    Find("release", entry.path, "its channel or release has an impossible name");
    return;
  }
  const bool known = !batch_.releases.empty() && batch_.releases.back().channel == name.channel &&
                     batch_.releases.back().name == name.name;
  if (!known) {
    batch_.releases.push_back(std::move(name));
  }
}

}  // namespace hnx::coordinator
