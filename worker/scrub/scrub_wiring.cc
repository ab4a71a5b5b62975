#include "worker/scrub/scrub_wiring.h"

#include <system_error>
#include <utility>

namespace hnx::worker {
namespace {

namespace pb = hypercore_nixos::v1;

}  // namespace

ScrubWiring::ScrubWiring(Environment environment)
    : environment_(std::move(environment)),
      pace_(Clock::Real(), environment_.rate),
      copies_({.name = "copy",
               .scratch = environment_.data.root() / "scrub-scratch",
               .addresses = [this](const hyper::DriveKey& key) { return AddressesOf(key); },
               .swarm = std::nullopt,
               .cancellation = cancellation_}),
      swarm_({.name = "swarm",
              .scratch = environment_.data.root() / "scrub-scratch",
              .addresses = {},
              .swarm = environment_.swarm,
              .cancellation = cancellation_}),
      upstream_(
          environment_.fetcher,
          [this](const hyper::DriveKey& key, const std::string& file) { return UrlOf(key, file); },
          pace_) {
  ScrubberOptions options;
  options.state_file = environment_.data.root() / "scrub";
  options.incarnation = environment_.data.incarnation();
  options.interval = environment_.interval;
  scrubber_ = std::make_unique<Scrubber>(std::move(options), Parts(), [this] { return Drives(); });
  environment_.metrics.ShowGauge(
      "hnx_worker_scrub_oldest_seconds",
      "Since the last whole scrub of the drive whose one lies back furthest",
      [this] { return scrubber_->OldestSeconds(); });
}

ScrubWiring::~ScrubWiring() {
  Stop();
}

void ScrubWiring::Stop() {
  cancellation_->Cancel();
  scrubber_->Cancel();
  scrubber_->Stop();
}

ScrubParts ScrubWiring::Parts() {
  ScrubParts parts{
      .pace = pace_,
      .metrics = environment_.metrics,
      .coordinator = environment_.coordinator,
      .worker_id = environment_.data.worker_id(),
      .sources = {&copies_},
      .drop = [this](const hyper::DriveKey& shard,
                     const std::string& file) { return Drop(shard, file); },
      .evict = [this](const hyper::DriveKey& shard, const hyper::BlobId& blob) -> Result<void> {
        return environment_.copies == nullptr ? FailedPrecondition("this worker keeps no copies up")
                                              : environment_.copies->Evict(shard, blob);
      }};
  if (environment_.swarm) {
    parts.sources.push_back(&swarm_);
  }
  parts.sources.push_back(&upstream_);
  return parts;
}

std::vector<ScrubbedDrive> ScrubWiring::Drives() const {
  std::vector<ScrubbedDrive> drives;
  for (const ShardWriter* shard : environment_.shards.All()) {
    const ShardState state = shard->State();
    const auto& key = state.key ? state.key : state.unread;
    if (key) {
      drives.push_back({*key, ScrubbedDrive::Kind::kShard, environment_.data.DriveFolder(*key)});
    }
  }
  if (environment_.copies != nullptr) {
    for (const HeldCopy& copy : environment_.copies->Held()) {
      drives.push_back(
          {copy.key, ScrubbedDrive::Kind::kCopy, environment_.data.CopiesFolder() / copy.key.id()});
    }
  }
  const auto index = environment_.data.IndexDrive();
  if (index.has_value() && *index) {
    drives.push_back(
        {**index, ScrubbedDrive::Kind::kIndex, environment_.data.DriveFolder(**index)});
  }
  // A drive that is not on the disk yet has nothing to be scrubbed.
  std::erase_if(drives, [](const ScrubbedDrive& drive) {
    std::error_code ignored;
    return !std::filesystem::exists(drive.folder / "cores", ignored);
  });
  return drives;
}

Result<pb::ListShardFilesResponse> ScrubWiring::Ask(const hyper::DriveKey& key,
                                                    const std::vector<std::string>& files) const {
  pb::ListShardFilesRequest request;
  request.set_worker_id(environment_.data.worker_id());
  request.set_key(ToString(key.bytes()));
  for (const std::string& file : files) {
    request.add_files(file);
  }
  request.set_files_max(1);
  return environment_.coordinator.ListShardFiles(request);
}

std::vector<std::string> ScrubWiring::AddressesOf(const hyper::DriveKey& key) const {
  const auto index = environment_.data.IndexDrive();
  if (index.has_value() && *index && **index == key) {
    return environment_.index_holders;
  }
  const auto listed = Ask(key, {});
  if (listed.has_value()) {
    return {listed->peers().begin(), listed->peers().end()};
  }
  // What was heard before the coordinator went away.
  return environment_.copies == nullptr ? std::vector<std::string>()
                                        : environment_.copies->SourcesOf(key);
}

Result<std::string> ScrubWiring::UrlOf(const hyper::DriveKey& key, const std::string& file) const {
  HNX_ASSIGN_OR_RETURN(const pb::ListShardFilesResponse listed, Ask(key, {file}));
  if (listed.files().empty() || listed.files(0).file() != file) {
    return NotFound("the coordinator does not know where /nar/" + file + " came from");
  }
  return listed.files(0).url();
}

Result<void> ScrubWiring::Drop(const hyper::DriveKey& shard, const std::string& file) const {
  for (ShardWriter* writer : environment_.shards.All()) {
    if (writer->State().key == shard) {
      return writer->DropDamaged(file);
    }
  }
  return NotFound("its shard is not open");
}

}  // namespace hnx::worker
