#include "coordinator/rpc/scrub_messages.h"

#include <algorithm>

#include <fmt/format.h>

#include "mirror/format/publish_format.h"
#include "mirror/index_layout.h"

namespace hnx::coordinator {
namespace {

namespace pb = hypercore_nixos::v1;

constexpr std::size_t kScrubMessageMax = 1'000;
constexpr std::uint64_t kScrubCountMax = std::uint64_t{1} << 62;

Error WrongScrub(std::string_view what) {
  return InvalidArgument(fmt::format("report of a scrub: {}", what));
}

// Goes into SQL and to terminals.
std::string PrintableLine(const std::string& text) {
  std::string printable = text.substr(0, kScrubMessageMax);
  std::ranges::replace_if(
      printable, [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return printable;
}

Result<std::string> ScrubbedKindFromProto(pb::ScrubbedKind kind) {
  switch (kind) {
    case pb::SCRUBBED_KIND_SHARD:
      return std::string("shard");
    case pb::SCRUBBED_KIND_COPY:
      return std::string("copy");
    case pb::SCRUBBED_KIND_INDEX:
      return std::string("index");
    default:
      return WrongScrub("a drive is neither shard, copy nor index");
  }
}

pb::ScrubbedKind ScrubbedKindToProto(const std::string& kind) {
  return kind == "shard"  ? pb::SCRUBBED_KIND_SHARD
         : kind == "copy" ? pb::SCRUBBED_KIND_COPY
                          : pb::SCRUBBED_KIND_INDEX;
}

pb::ScrubHindrance HindranceToProto(const std::string& hindrance) {
  if (hindrance == "off") {
    return pb::SCRUB_HINDRANCE_OFF;
  }
  return hindrance == "silent" ? pb::SCRUB_HINDRANCE_SILENT : pb::SCRUB_HINDRANCE_UNSPECIFIED;
}

Result<DriveScrubReport> DriveScrubFromProto(const pb::DriveScrub& message) {
  DriveScrubReport drive;
  drive.key = ToBytes(message.key());
  HNX_ASSIGN_OR_RETURN(drive.kind, ScrubbedKindFromProto(message.kind()));
  drive.ask = message.ask();
  drive.whole = message.whole();
  drive.counts = {.blocks = message.blocks(),
                  .nars = message.nars(),
                  .bytes = message.bytes(),
                  .bytes_total = message.bytes_total(),
                  .damaged = message.damaged(),
                  .repaired = message.repaired(),
                  .given_up = message.given_up()};
  if (drive.key.size() != kScrubKeyBytes) {
    return WrongScrub("a key does not have 32 bytes");
  }
  for (const std::uint64_t count :
       {drive.ask, drive.counts.blocks, drive.counts.nars, drive.counts.bytes,
        drive.counts.bytes_total, drive.counts.damaged, drive.counts.repaired,
        drive.counts.given_up}) {
    if (count > kScrubCountMax) {
      return WrongScrub("a count is absurd");
    }
  }
  if (static_cast<std::size_t>(message.given_up_files_size()) > kScrubLossesMax) {
    return WrongScrub(fmt::format("more than {} losses of one drive", kScrubLossesMax));
  }
  for (const pb::ScrubLoss& loss : message.given_up_files()) {
    if (!loss.file().empty() && !mirror::IsSafeName(loss.file())) {
      return WrongScrub("a loss names a file that is no safe name");
    }
    drive.losses.push_back({loss.file(), PrintableLine(loss.message())});
  }
  return drive;
}

}  // namespace

Result<ScrubReport> ScrubReportFromProto(const pb::ScrubReport& message) {
  if (static_cast<std::size_t>(message.drives_size()) > kScrubbedDrivesMax) {
    return WrongScrub(fmt::format("more than {} drives", kScrubbedDrivesMax));
  }
  if (message.incarnation() > kScrubCountMax) {
    return WrongScrub("the incarnation is absurd");
  }
  ScrubReport report{.worker_id = PrintableLine(message.worker_id()),
                     .incarnation = static_cast<std::int64_t>(message.incarnation()),
                     .drives = {}};
  for (const pb::DriveScrub& drive : message.drives()) {
    HNX_ASSIGN_OR_RETURN(DriveScrubReport read, DriveScrubFromProto(drive));
    const bool twice = std::ranges::any_of(
        report.drives, [&](const DriveScrubReport& other) { return other.key == read.key; });
    if (twice) {
      return WrongScrub("a drive is named twice");
    }
    report.drives.push_back(std::move(read));
  }
  return report;
}

void ScrubToProto(const ScrubView& view, pb::ScrubStatus& out) {
  out.set_id_z32(mirror::DriveIdOf(view.key));
  out.set_worker_name(view.worker_name);
  out.set_kind(ScrubbedKindToProto(view.kind));
  out.set_waits(view.waits);
  out.set_running(view.running);
  out.set_whole_at_ms(view.whole_at_ms);
  out.set_blocks(view.counts.blocks);
  out.set_nars(view.counts.nars);
  out.set_bytes(view.counts.bytes);
  out.set_bytes_total(view.counts.bytes_total);
  out.set_damaged(view.counts.damaged);
  out.set_repaired(view.counts.repaired);
  out.set_given_up(view.counts.given_up);
  out.set_hindrance(HindranceToProto(view.hindrance));
}

void ShardFilesToProto(const ShardFiles& files, pb::ListShardFilesResponse& out) {
  for (const ShardFileView& file : files.files) {
    pb::ShardFile& message = *out.add_files();
    message.set_file(file.file);
    message.set_url(file.url);
    message.set_compression(file.compression);
    message.set_nar_hash(ToString(file.nar_hash));
    message.set_nar_size(file.nar_size);
  }
  for (const std::string& peer : files.peers) {
    out.add_peers(peer);
  }
}

}  // namespace hnx::coordinator
