#include "coordinator/rpc/report_from_proto.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mirror/index_layout.h"
#include "rpc/grpc_status.h"

namespace hnx::coordinator {
namespace {

namespace pb = hypercore_nixos::v1;

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kReasonMax = 64;
constexpr std::size_t kVersionMax = 64;
constexpr std::uint64_t kSizeMax = std::uint64_t{1} << 62;

Error Wrong(std::string_view what) {
  return InvalidArgument(fmt::format("synchronize: {}", what));
}

// Names, reasons and messages go into SQL and to terminals: printable, and not without end.
std::string Printable(const std::string& text, std::size_t max) {
  std::string printable = text.substr(0, max);
  std::ranges::replace_if(
      printable, [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return printable;
}

DriveHead HeadFromProto(const pb::DriveHead& head) {
  return {.db_length = head.db_length(),
          .db_tree_hash = ToBytes(head.db_tree_hash()),
          .content_length = head.content_length(),
          .content_tree_hash = ToBytes(head.content_tree_hash()),
          .content_byte_length = head.content_byte_length()};
}

void HeadToProto(const DriveHead& head, pb::DriveHead& out) {
  out.set_db_length(head.db_length);
  out.set_db_tree_hash(ToString(head.db_tree_hash));
  out.set_content_length(head.content_length);
  out.set_content_tree_hash(ToString(head.content_tree_hash));
  out.set_content_byte_length(head.content_byte_length);
}

Result<void> CheckHead(const DriveHead& head) {
  const auto hash_is_right = [](std::uint64_t length, const Bytes& hash) {
    return hash.size() == kKeyBytes || (length == 0 && hash.empty());
  };
  if (!hash_is_right(head.db_length, head.db_tree_hash) ||
      !hash_is_right(head.content_length, head.content_tree_hash)) {
    return Wrong("a tree hash does not have 32 bytes");
  }
  if (head.db_length > kSizeMax || head.content_length > kSizeMax ||
      head.content_byte_length > kSizeMax) {
    return Wrong("a drive's length is absurd");
  }
  return {};
}

Result<ShardEntry> EntryFromProto(const pb::ShardEntry& entry) {
  if (!mirror::IsSafeName(entry.file())) {
    return Wrong("a file's name cannot be one");
  }
  if (!entry.deleted() && (entry.nar_hash().size() != kKeyBytes || entry.nar_size() == 0)) {
    return Wrong(fmt::format("entry {} lacks NarHash or NarSize", entry.file()));
  }
  if (entry.nar_size() > kSizeMax || entry.blob().byte_offset() > kSizeMax ||
      entry.blob().byte_length() > kSizeMax || entry.blob().block_offset() > kSizeMax ||
      entry.blob().block_length() > kSizeMax) {
    return Wrong(fmt::format("entry {} has an absurd size", entry.file()));
  }
  return ShardEntry{.file = entry.file(),
                    .blob = {.byte_offset = entry.blob().byte_offset(),
                             .block_offset = entry.blob().block_offset(),
                             .block_length = entry.blob().block_length(),
                             .byte_length = entry.blob().byte_length()},
                    .nar_hash = ToBytes(entry.nar_hash()),
                    .nar_size = entry.nar_size(),
                    .file_hash_drift = entry.file_hash_drift(),
                    .deleted = entry.deleted()};
}

Result<PublishedIndex> PublishedFromProto(const pb::PublishedIndex& published) {
  if (static_cast<std::size_t>(published.shards_size()) > kPublishedShardsMax ||
      static_cast<std::size_t>(published.channels_size()) > kPublishedChannelsMax) {
    return Wrong(fmt::format("an index that names more than {} shards or {} channels",
                             kPublishedShardsMax, kPublishedChannelsMax));
  }
  PublishedIndex index;
  for (const pb::PublishedShard& shard : published.shards()) {
    if (shard.key().size() != kKeyBytes || shard.content_key().size() != kKeyBytes ||
        shard.length() > kSizeMax || shard.bytes() > kSizeMax) {
      return Wrong("a published shard's key does not have 32 bytes, or its length is absurd");
    }
    index.shards.push_back({.key = ToBytes(shard.key()),
                            .content_key = ToBytes(shard.content_key()),
                            .db_length = shard.length(),
                            .content_byte_length = shard.bytes()});
  }
  for (const pb::PublishedChannel& channel : published.channels()) {
    if (!mirror::IsSafeName(channel.channel()) || !mirror::IsSafeName(channel.latest())) {
      return Wrong("a published channel or its release has no safe name");
    }
    index.channels.push_back({.channel = channel.channel(),
                              .latest = channel.latest(),
                              .submitted_at_ms = channel.submitted_at_ms()});
  }
  return index;
}

Result<IndexStanding> StandingFromProto(const pb::IndexStanding& standing) {
  IndexStanding index;
  index.known_db_length = std::min(standing.known_db_length(), kSizeMax);
  index.known_content_length = std::min(standing.known_content_length(), kSizeMax);
  if (standing.has_accept_length()) {
    index.accept_length = std::min(standing.accept_length(), kSizeMax);
  }
  index.acknowledged_db_length = std::min(standing.acknowledged_db_length(), kSizeMax);
  index.acknowledged_content_length = std::min(standing.acknowledged_content_length(), kSizeMax);
  if (!standing.predecessor().empty() && standing.predecessor().size() != kKeyBytes) {
    return Wrong("the predecessor's key does not have 32 bytes");
  }
  index.predecessor = ToBytes(standing.predecessor());
  if (standing.has_published()) {
    HNX_ASSIGN_OR_RETURN(index.published, PublishedFromProto(standing.published()));
  }
  return index;
}

Result<DriveReport> DriveFromProto(const pb::DriveState& drive) {
  if (drive.key().size() != kKeyBytes || drive.content_key().size() != kKeyBytes) {
    return Wrong("a drive's key does not have 32 bytes");
  }
  if (drive.kind() != pb::DriveState::KIND_SHARD && drive.kind() != pb::DriveState::KIND_INDEX) {
    return Wrong("a drive is neither shard nor index");
  }
  if (static_cast<std::size_t>(drive.entries_size()) > kShardEntriesMax) {
    return Wrong(fmt::format("a drive lists more than {} entries", kShardEntriesMax));
  }
  DriveReport report;
  report.key = ToBytes(drive.key());
  report.content_key = ToBytes(drive.content_key());
  report.head = HeadFromProto(drive.head());
  HNX_TRY(CheckHead(report.head));
  if (drive.has_base()) {
    report.base = HeadFromProto(drive.base());
    HNX_TRY(CheckHead(*report.base));
  }
  report.is_index = drive.kind() == pb::DriveState::KIND_INDEX;
  report.publish_batch = drive.publish_batch();
  report.publish_plan = std::min(drive.publish_plan(), kSizeMax);
  if (static_cast<std::size_t>(drive.cleared_size()) > kShardEntriesMax) {
    return Wrong(fmt::format("a drive lists more than {} cleared blobs", kShardEntriesMax));
  }
  for (const std::uint64_t block : drive.cleared()) {
    report.cleared.push_back(std::min(block, kSizeMax));
  }
  HNX_ASSIGN_OR_RETURN(report.index, StandingFromProto(drive.index()));
  for (const pb::ShardEntry& entry : drive.entries()) {
    HNX_ASSIGN_OR_RETURN(ShardEntry parsed, EntryFromProto(entry));
    report.entries.push_back(std::move(parsed));
  }
  return report;
}

JobReport JobFromProto(const pb::JobState& job) {
  JobReport report{.job_id = static_cast<std::int64_t>(job.job_id()),
                   .attempt = job.attempt(),
                   .bytes_done = std::min(job.bytes_done(), kSizeMax),
                   .failures = {}};
  constexpr std::uint64_t kRetryAfterMsMax = 86'400'000;
  for (const pb::NarFailure& failure : job.failures()) {
    const auto retry_after = std::min(failure.retry_after_ms(), kRetryAfterMsMax);
    report.failures.push_back(
        {.nar_id = static_cast<std::int64_t>(failure.nar_id()),
         .reason = failure.reason().empty() ? "unknown" : Printable(failure.reason(), kReasonMax),
         .message = Printable(failure.message(), kFailureMessageMax),
         .code = rpc::ErrorCodeFromNumber(failure.code()),
         .retry_after = std::chrono::milliseconds(retry_after)});
  }
  return report;
}

Result<void> ReadHosts(const pb::SynchronizeRequest& request, WorkerReport& report) {
  constexpr std::uint32_t kTransfersMax = 100'000;
  constexpr double kRequestsMax = 1e9;
  if (static_cast<std::size_t>(request.hosts_size()) > kWorkerHostsMax) {
    return Wrong(fmt::format("more than {} hosts", kWorkerHostsMax));
  }
  for (const pb::HostUse& use : request.hosts()) {
    if (!std::isfinite(use.requests_per_second()) || use.requests_per_second() < 0) {
      return Wrong("a host's rate of requests is no number");
    }
    report.hosts.push_back(
        {.host = Printable(use.host(), kWorkerNameMax),
         .share = {.bytes_per_second = std::min(use.bytes_per_second(), kSizeMax),
                   .requests_per_second = std::min(use.requests_per_second(), kRequestsMax),
                   .transfers = std::min(use.transfers_max(), kTransfersMax)},
         .window = std::min(use.window(), kTransfersMax)});
  }
  return {};
}

void HostToProto(const HostAllowance& allowance, pb::HostLimit& out) {
  out.set_host(allowance.host);
  out.set_limits_bytes(allowance.limits.bytes_per_second > 0);
  out.set_bytes_per_second(allowance.share.bytes_per_second);
  out.set_limits_requests(allowance.limits.requests_per_second > 0);
  out.set_requests_per_second(allowance.share.requests_per_second);
  out.set_transfers_max(allowance.share.transfers);
  out.set_pause_ms(static_cast<std::uint32_t>(allowance.pause.count()));
  out.set_valid_ms(static_cast<std::uint32_t>(allowance.valid.count()));
}

Result<void> ReadCopies(const pb::SynchronizeRequest& request, WorkerReport& report) {
  report.failure_domain = Printable(request.failure_domain(), kWorkerNameMax);
  report.peer_address = Printable(request.peer_address(), kWorkerNameMax);
  report.scrubs_nothing = request.scrubs_nothing();
  if (static_cast<std::size_t>(request.copies_size()) > kWorkerCopiesMax) {
    return Wrong(fmt::format("more than {} copies", kWorkerCopiesMax));
  }
  for (const pb::CopyState& copy : request.copies()) {
    if (copy.key().size() != kKeyBytes || copy.version() > kSizeMax ||
        copy.content_length() > kSizeMax || copy.bytes() > kSizeMax) {
      return Wrong("a copy's key does not have 32 bytes, or its lengths are absurd");
    }
    report.copies.push_back({.key = ToBytes(copy.key()),
                             .version = copy.version(),
                             .content_length = copy.content_length(),
                             .bytes = copy.bytes()});
  }
  return {};
}

void CopiesToProto(const std::vector<DesiredCopy>& copies, pb::SynchronizeResponse& response) {
  for (const DesiredCopy& copy : copies) {
    pb::Copy& out = *response.add_copies();
    out.set_key(ToString(copy.key));
    out.set_version(copy.version);
    out.set_bytes(copy.bytes);
    out.set_content_end(copy.content_end);
    for (const std::string& peer : copy.peers) {
      out.add_peers(peer);
    }
  }
}

void BlobToProto(const BlobPlace& blob, pb::BlobId& out) {
  out.set_byte_offset(blob.byte_offset);
  out.set_block_offset(blob.block_offset);
  out.set_block_length(blob.block_length);
  out.set_byte_length(blob.byte_length);
}

}  // namespace

Result<WorkerReport> ReportFromProto(const pb::SynchronizeRequest& request) {
  WorkerReport report;
  report.worker_id = request.worker_id();
  if (report.worker_id.size() != kWorkerIdChars ||
      !std::ranges::all_of(report.worker_id, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
      })) {
    return Wrong("worker_id is not 32 hex digits");
  }
  report.worker_name = request.worker_name().empty()
                           ? report.worker_id
                           : Printable(request.worker_name(), kWorkerNameMax);
  report.incarnation = request.incarnation();
  report.nonce = request.incarnation_nonce();
  report.sequence = request.sequence();
  if (report.incarnation == 0 || report.incarnation > kSizeMax || report.sequence == 0 ||
      report.sequence > kSizeMax) {
    return Wrong("incarnation and sequence count from 1");
  }
  for (const int role : request.roles()) {
    report.mirrors = report.mirrors || role == pb::WORKER_ROLE_MIRROR;
    report.indexes = report.indexes || role == pb::WORKER_ROLE_INDEX;
  }
  report.disk_free_bytes = std::min(request.disk_free_bytes(), kSizeMax);
  report.capacity_bytes = std::min(request.capacity_bytes(), kSizeMax);
  report.draining = request.draining();
  report.version = Printable(request.version(), kVersionMax);
  if (static_cast<std::size_t>(request.jobs_size()) > kWorkerJobsMax ||
      static_cast<std::size_t>(request.drives_size()) > kWorkerDrivesMax) {
    return Wrong(fmt::format("more than {} jobs or {} drives", kWorkerJobsMax, kWorkerDrivesMax));
  }
  report.disk_full = request.disk_full();
  report.lists_all_drives = request.lists_all_drives();
  if (static_cast<std::size_t>(request.unread_drives_size()) > kWorkerDrivesMax) {
    return Wrong(fmt::format("more than {} unread drives", kWorkerDrivesMax));
  }
  for (const std::string& key : request.unread_drives()) {
    if (key.size() != kKeyBytes) {
      return Wrong("an unread drive's key does not have 32 bytes");
    }
    report.unread_drives.push_back(ToBytes(key));
  }
  HNX_TRY(ReadCopies(request, report));
  for (const pb::JobState& job : request.jobs()) {
    report.jobs.push_back(JobFromProto(job));
  }
  HNX_TRY(ReadHosts(request, report));
  for (const pb::DriveState& drive : request.drives()) {
    HNX_ASSIGN_OR_RETURN(DriveReport parsed, DriveFromProto(drive));
    report.drives.push_back(std::move(parsed));
  }
  return report;
}

void DesiredToProto(const DesiredState& desired, pb::SynchronizeResponse& response) {
  for (const DesiredJob& job : desired.jobs) {
    pb::Job& out = *response.add_jobs();
    out.set_job_id(static_cast<std::uint64_t>(job.job_id));
    out.set_attempt(job.attempt);
    for (const NarUnit& nar : job.nars) {
      pb::NarUnit& unit = *out.add_nars();
      unit.set_nar_id(static_cast<std::uint64_t>(nar.nar_id));
      unit.set_url(nar.url);
      unit.set_file(nar.file);
      unit.set_compression(nar.compression);
      unit.set_nar_hash(ToString(nar.nar_hash));
      unit.set_nar_size(nar.nar_size);
      unit.set_file_hash(ToString(nar.file_hash));
      unit.set_file_size(nar.file_size);
      unit.set_nar_info(ToString(nar.nar_info));
      unit.set_store_path(nar.store_path);
      if (nar.lost) {
        unit.mutable_lost()->set_shard_key(ToString(nar.lost->shard_key));
        BlobToProto(nar.lost->blob, *unit.mutable_lost()->mutable_blob());
      }
    }
  }
  for (const DesiredDrive& drive : desired.drives) {
    pb::RecordedDrive& out = *response.add_drives();
    out.set_key(ToString(drive.key));
    HeadToProto(drive.recorded, *out.mutable_recorded());
    out.set_cut_tail(drive.cut_tail);
    out.set_sealed(drive.sealed);
    for (const std::string& file : drive.drop_files) {
      out.add_drop_files(file);
    }
    for (const std::string& file : drive.delete_files) {
      out.add_delete_files(file);
    }
    for (const BlobPlace& blob : drive.clear_blobs) {
      BlobToProto(blob, *out.add_clear_blobs());
    }
  }
  if (desired.publish) {
    response.mutable_publish()->set_batch(desired.publish->batch);
    response.mutable_publish()->set_plan(desired.publish->plan);
    HeadToProto(desired.publish->base, *response.mutable_publish()->mutable_base());
  }
  CopiesToProto(desired.copies, response);
  if (desired.index_key) {
    response.set_index_key(ToString(*desired.index_key));
  }
  response.set_drain(desired.drain);
  for (const HostAllowance& allowance : desired.hosts) {
    HostToProto(allowance, *response.add_hosts());
  }
}

}  // namespace hnx::coordinator
