#include "coordinator/rescan/index_source.h"

#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "hyper/drive/drive_reader.h"

namespace hnx::coordinator {
namespace {

constexpr std::chrono::milliseconds kHeadMax{30'000};
constexpr std::string_view kScheme = "hyper://";

Result<std::optional<hyper::DriveKey>> KeyOf(std::string_view mirror) {
  if (mirror.empty()) {
    return std::optional<hyper::DriveKey>();
  }
  if (mirror.starts_with(kScheme)) {
    mirror.remove_prefix(kScheme.size());
  }
  HNX_ASSIGN_OR_RETURN(const auto key, hyper::DriveKey::Parse(mirror));
  return std::optional(key);
}

Result<std::shared_ptr<const hyper::DriveView>> OpenFolder(
    const std::filesystem::path& folder, const std::optional<hyper::DriveKey>& key) {
  std::error_code ignored;
  const bool below = key && std::filesystem::is_directory(folder / key->id(), ignored);
  auto reader =
      hyper::DriveReader::Open({.folder = below ? folder / key->id() : folder, .key = key});
  if (!reader) {
    return reader.error().Annotate("open the index drive in " + folder.string());
  }
  return std::shared_ptr<const hyper::DriveView>(*std::move(reader));
}

}  // namespace

Result<IndexSource> IndexSource::Open(const IndexSourceOptions& options) {
  IndexSource source;
  HNX_ASSIGN_OR_RETURN(const auto key, KeyOf(options.mirror));
  if (!options.folder.empty()) {
    HNX_ASSIGN_OR_RETURN(source.view_, OpenFolder(options.folder, key));
    return source;
  }
  if (!key || options.peers.empty()) {
    return InvalidArgument(
        "say where the index is: --index DIR, or --mirror hyper://KEY with --peer HOST:PORT");
  }
  std::error_code error;
  const std::filesystem::path folder = options.cache / key->id();
  std::filesystem::create_directories(folder, error);
  if (error) {
    return Unavailable(fmt::format("make {}: {}", folder.string(), error.message()));
  }
  hyper::PeerNodeOptions node;
  node.peers = options.peers;
  hyper::RemoteDriveOptions remote;
  remote.folder = folder;
  remote.lookup = false;
  remote.announce = false;
  HNX_ASSIGN_OR_RETURN(source.node_, hyper::PeerNode::Start(std::move(node)));
  HNX_ASSIGN_OR_RETURN(source.drive_, source.node_->OpenRemote(*key, remote));
  hyper::RemoteDrive& drive = *source.drive_;
  auto fresh = drive.WaitForFreshHead(hyper::ReadLimits::Within(kHeadMax));
  if (!fresh) {
    return fresh.error().Annotate("ask the peers for the index");
  }
  Log("rescan")->info("the index has length {}: it is fetched to {}", drive.version(),
                      folder.string());
  drive.SetKeep(hyper::RemoteDrive::Keep::kEntries);
  const auto admit = [](std::uint64_t) { return Result<void>(); };
  for (;;) {
    auto live = drive.FetchLive(hyper::ReadLimits{}, admit, std::nullopt);
    if (live) {
      break;
    }
    // The content's head is behind the entries; it comes.
    if (live.error().code != ErrorCode::kUnavailable) {
      return live.error().Annotate("fetch the index from its peers (it goes on where it stopped)");
    }
    HNX_TRY(drive.WaitForFreshHead(hyper::ReadLimits::Within(kHeadMax)));
  }
  HNX_ASSIGN_OR_RETURN(source.view_, drive.View(hyper::ReadLimits{}));
  return source;
}

}  // namespace hnx::coordinator
