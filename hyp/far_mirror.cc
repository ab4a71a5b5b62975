#include "hyp/far_mirror.h"

#include <iostream>
#include <system_error>
#include <utility>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "base/log.h"
#include "cli/units.h"
#include "hyp/link_resolver.h"

namespace hnx::hyp {

using hyper::ReadLimits;

namespace {

std::string WhereWeLooked(const PeerOptions& options, const hyper::SwarmState& swarm) {
  std::string where =
      options.peers.empty() ? "" : fmt::format("{}", fmt::join(options.peers, ", "));
  if (swarm.configured) {
    where += where.empty() ? "" : ", and ";
    where += swarm.bridges == 0 ? "the swarm (no bridge came to its socket)"
             : !swarm.online    ? "the swarm (its DHT does not answer)"
                                : fmt::format("the swarm ({} peers found)", swarm.peers_known);
  }
  return where;
}

// The mirror's view, with a limit on how long a shard is looked for.
class BoundedView final : public mirror::MirrorView {
 public:
  BoundedView(std::shared_ptr<const mirror::MirrorView> view, mirror::RemoteMirror& remote,
              ReadLimits limits, std::chrono::milliseconds timeout)
      : view_(std::move(view)), remote_(remote), limits_(std::move(limits)), timeout_(timeout) {}

  const hyper::DriveKey& index_key() const override { return view_->index_key(); }
  std::uint64_t index_version() const override { return view_->index_version(); }
  std::shared_ptr<const mirror::MirrorJson> mirror_json() const override {
    return view_->mirror_json();
  }
  std::shared_ptr<const hyper::DriveView> index_view() const override {
    return view_->index_view();
  }
  bool IsListed(const hyper::DriveKey& shard) const override { return view_->IsListed(shard); }

  Result<std::shared_ptr<const hyper::DriveView>> shard_view(
      const hyper::DriveKey& key) const override {
    if (!IsListed(key)) {
      return std::shared_ptr<const hyper::DriveView>();
    }
    HNX_ASSIGN_OR_RETURN(const auto drive, remote_.Drive(key));
    HNX_TRY(drive->WaitForHead(Search()));
    return drive->View(limits_);
  }

 protected:
  Result<std::shared_ptr<const hyper::DriveView>> NewerShardView(
      const hyper::DriveKey& key) const override {
    HNX_ASSIGN_OR_RETURN(const auto drive, remote_.Drive(key));
    const Result<void> fresh = drive->WaitForFreshHead(Search());
    if (!fresh && !IsNobodyThere(fresh.error())) {
      return fresh.error();
    }
    return drive->View(limits_);
  }

 private:
  ReadLimits Search() const {
    ReadLimits limits = ReadLimits::Within(timeout_);
    limits.cancellation = limits_.cancellation;
    return limits;
  }

  const std::shared_ptr<const mirror::MirrorView> view_;
  mirror::RemoteMirror& remote_;
  const ReadLimits limits_;
  const std::chrono::milliseconds timeout_;
};

}  // namespace

FarMirror::FarMirror(const PeerOptions& options, Place place,
                     std::shared_ptr<hyper::Cancellation> cancellation)
    : options_(options), place_(std::move(place)), cancellation_(std::move(cancellation)) {}

FarMirror::~FarMirror() {
  view_.reset();
  remote_.reset();
  access_.reset();
  if (place_.temporary) {
    std::error_code ignored;
    std::filesystem::remove_all(place_.folder, ignored);
  }
}

ReadLimits FarMirror::Limits() const {
  ReadLimits limits;
  limits.stall_max = options_.timeout;
  limits.cancellation = cancellation_;
  return limits;
}

Result<std::unique_ptr<OpenedMirror>> FarMirror::Open(
    const hyper::DriveKey& key, const PeerOptions& options, Place place,
    std::shared_ptr<hyper::Cancellation> cancellation) {
  std::unique_ptr<FarMirror> far(new FarMirror(options, std::move(place), std::move(cancellation)));
  HNX_ASSIGN_OR_RETURN(far->access_, PeerAccess::Start(options, {}));
  HNX_ASSIGN_OR_RETURN(far->remote_,
                       mirror::RemoteMirror::Open(
                           far->access_->node(),
                           {.index_key = key, .cache = far->place_.folder, .announce = false}));
  HNX_TRY(far->WaitForHead());
  HNX_TRY(far->MakeView());
  return std::unique_ptr<OpenedMirror>(std::move(far));
}

Result<void> FarMirror::WaitForHead() {
  ReadLimits limits = ReadLimits::Within(options_.timeout);
  limits.cancellation = cancellation_;
  const auto fresh = index().WaitForFreshHead(limits);
  if (fresh || !IsNobodyThere(fresh.error())) {
    return fresh;
  }
  const std::string id = index().key().id();
  const std::string where = WhereWeLooked(options_, access_->node().swarm());
  if (index().version() > 0) {
    Log("hyp")->warn(
        "nobody who has the drive {} answered within {} ({}); this is its version {} "
        "as fetched earlier",
        id, cli::FormatDuration(options_.timeout), where, index().version());
    return index().WaitForHead(limits.deadline ? ReadLimits::Within(options_.timeout) : limits);
  }
  return Error{ErrorCode::kDeadlineExceeded,
               fmt::format("nobody who has the drive {} answered within {}; looked at: {}. Name a "
                           "peer with --peer HOST:PORT, or wait longer with --timeout",
                           id, cli::FormatDuration(options_.timeout), where)};
}

Result<bool> FarMirror::Refresh() {
  bool moved = index().version() != view_->index_version();
  for (const auto& drive : remote_->OpenDrives()) {
    const auto seen = seen_.find(drive->key());
    moved = moved || (seen != seen_.end() && drive->version() != seen->second);
  }
  if (!moved) {
    return false;
  }
  HNX_TRY(MakeView());
  return true;
}

Result<void> FarMirror::MakeView() {
  HNX_ASSIGN_OR_RETURN(auto view, remote_->View(Limits()));
  view_ =
      std::make_shared<const BoundedView>(std::move(view), *remote_, Limits(), options_.timeout);
  return {};
}

Result<void> FarMirror::FetchEntries(const hyper::DriveKey& key, const OnHeld& on_held) {
  HNX_ASSIGN_OR_RETURN(const auto drive, remote_->Drive(key));
  // The version that is held may be an earlier run's.
  ReadLimits limits = ReadLimits::Within(options_.timeout);
  limits.cancellation = cancellation_;
  const auto fresh = drive->WaitForFreshHead(limits);
  if (!fresh && !(IsNobodyThere(fresh.error()) && drive->version() > 0)) {
    return fresh.error().Annotate("drive " + key.id());
  }
  seen_[key] = drive->version();
  drive->SetKeep(hyper::RemoteDrive::Keep::kEntries);
  return drive->WaitUntilHeld(hyper::RemoteDrive::Keep::kEntries, Limits(),
                              [&](const hyper::DownloadProgress& progress) {
                                on_held(progress.blocks_held, progress.blocks_total);
                              });
}

void FarMirror::GiveBack(const hyper::DriveKey& key, const hyper::BlobId& blob) {
  if (place_.keeps) {
    return;
  }
  const auto drive = remote_->Drive(key);
  const auto evicted = drive ? (*drive)->Evict(blob) : Result<void>(drive.error());
  if (!evicted) {  // it costs room on the disk, nothing else
    Log("hyp")->debug("giving back of {}: {}", key.id(), evicted.error().ToString());
  }
}

Result<DriveFacts> FarMirror::Facts() {
  HNX_ASSIGN_OR_RETURN(const hyper::RemoteDriveStatus status, index().Status());
  DriveFacts facts{index().folder().string(), 0, 0, DriveFacts::Afar{}};
  facts.afar->bytes_held = status.bytes_on_disk;
  facts.afar->head_age = status.head_age;
  facts.afar->frozen = status.db.frozen || (status.content && status.content->frozen);
  for (const hyper::CorePeer& peer : status.db.peers) {
    facts.afar->peers.push_back(peer.name);
  }
  if (status.content) {
    facts.content_blocks = status.content->head.length;
    facts.content_bytes = status.content->head.byte_length;
  }
  return facts;
}

bool FarMirror::IsHere(const hyper::DriveKey& shard) const {
  std::error_code ignored;
  return std::filesystem::exists(place_.folder / shard.id(), ignored);
}

}  // namespace hnx::hyp
