#include "worker/sync/messages.h"

#include <algorithm>

#include <fmt/core.h>

#include "mirror/index_layout.h"
#include "nix/nar_info.h"

namespace hnx::worker {
namespace {

template <std::size_t kSize>
std::string ToField(const std::array<std::byte, kSize>& bytes) {
  return ToString(bytes);
}

Result<void> ReadHash(const std::string& field, std::uint64_t length, hyper::Hash* out) {
  if (field.empty() && length == 0) {
    return {};
  }
  if (field.size() != out->bytes.size()) {
    return InvalidArgument(
        fmt::format("a tree hash of {} bytes instead of {}", field.size(), out->bytes.size()));
  }
  const ByteView bytes = AsBytes(field);
  std::copy(bytes.begin(), bytes.end(), out->bytes.begin());
  return {};
}

Result<nix::Hash> Sha256Field(const std::string& field, const char* name) {
  if (field.size() != nix::kSha256Size) {
    return InvalidArgument(
        fmt::format("{}: {} bytes instead of {}", name, field.size(), nix::kSha256Size));
  }
  return nix::Hash::FromDigest(nix::HashAlgorithm::kSha256, AsBytes(field));
}

// A path that carries a content address must match it, whoever signed it.
Result<void> AddContentAddress(const pb::NarUnit& message, nix::NarExpectation* expectation) {
  if (message.nar_info().empty() || message.nar_info().find("\nCA: ") == std::string::npos) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const auto path, nix::StorePath::Parse(message.store_path()));
  HNX_ASSIGN_OR_RETURN(const auto info, nix::NarInfo::Parse(message.nar_info(), path.hash()));
  const nix::NarExpectation checked =
      nix::NarExpectation::Of(info, {nix::Trust::By::kContentAddress, ""});
  expectation->content_address = checked.content_address;
  expectation->self_reference = checked.self_reference;
  return {};
}

}  // namespace

void ToMessage(const hyper::DriveHead& head, pb::DriveHead* out) {
  out->set_db_length(head.db_length);
  out->set_content_length(head.content_length);
  out->set_content_byte_length(head.content_byte_length);
  if (head.db_length > 0) {
    out->set_db_tree_hash(ToField(head.db_tree_hash.bytes));
  }
  if (head.content_length > 0) {
    out->set_content_tree_hash(ToField(head.content_tree_hash.bytes));
  }
}

Result<hyper::DriveHead> FromMessage(const pb::DriveHead& message) {
  hyper::DriveHead head;
  head.db_length = message.db_length();
  head.content_length = message.content_length();
  head.content_byte_length = message.content_byte_length();
  HNX_TRY(ReadHash(message.db_tree_hash(), head.db_length, &head.db_tree_hash));
  HNX_TRY(ReadHash(message.content_tree_hash(), head.content_length, &head.content_tree_hash));
  return head;
}

void ToMessage(const ShardEntry& entry, pb::ShardEntry* out) {
  out->set_file(entry.file);
  out->mutable_blob()->set_byte_offset(entry.blob.byte_offset);
  out->mutable_blob()->set_block_offset(entry.blob.block_offset);
  out->mutable_blob()->set_block_length(entry.blob.block_length);
  out->mutable_blob()->set_byte_length(entry.blob.byte_length);
  out->set_nar_hash(ToField(entry.nar_hash));
  out->set_nar_size(entry.nar_size);
  out->set_file_hash(ToField(entry.file_hash));
  out->set_file_hash_drift(entry.file_hash_drift);
  out->set_deleted(entry.deleted);
}

void ToMessage(const JobReport& report, pb::JobState* out) {
  out->set_job_id(report.job_id);
  out->set_attempt(report.attempt);
  out->set_bytes_done(report.bytes_done);
  for (const auto& [nar_id, failure] : report.failures) {
    pb::NarFailure* message = out->add_failures();
    message->set_nar_id(nar_id);
    message->set_reason(CleanText(failure.reason));
    message->set_message(CleanText(failure.message));
    message->set_code(static_cast<int>(failure.code));
    message->set_retry_after_ms(static_cast<std::uint64_t>(failure.retry_after.count()));
  }
}

void ToMessage(const IndexState& state, pb::DriveState* out) {
  out->set_kind(pb::DriveState::KIND_INDEX);
  out->set_key(ToString(state.key.bytes()));
  out->set_content_key(ToString(state.content_key.bytes()));
  ToMessage(state.head, out->mutable_head());
  if (state.base) {
    ToMessage(*state.base, out->mutable_base());
  }
  out->set_publish_batch(state.publish_batch);
  out->set_publish_plan(state.publish_plan);
  pb::IndexStanding* standing = out->mutable_index();
  standing->set_known_db_length(state.known.db);
  standing->set_known_content_length(state.known.content);
  if (state.accept_length) {
    standing->set_accept_length(*state.accept_length);
  }
  if (state.predecessor) {
    standing->set_predecessor(ToString(state.predecessor->bytes()));
  }
  if (state.published == nullptr) {
    return;
  }
  pb::PublishedIndex* published = standing->mutable_published();
  for (const mirror::MirrorShard& shard : state.published->shards) {
    pb::PublishedShard* message = published->add_shards();
    message->set_key(ToString(shard.key.bytes()));
    message->set_content_key(ToString(shard.content_key.bytes()));
    message->set_length(shard.length);
    message->set_bytes(shard.bytes);
  }
  for (const mirror::PublishedChannel& channel : state.published->channels) {
    pb::PublishedChannel* message = published->add_channels();
    message->set_channel(channel.channel);
    message->set_latest(channel.latest);
    message->set_submitted_at_ms(channel.submitted_at_ms);
  }
}

Result<NarUnit> UnitFromMessage(const pb::NarUnit& message, std::uint64_t job_id,
                                std::uint32_t attempt) {
  if (!mirror::IsSafeName(message.file())) {
    return InvalidArgument(fmt::format("file \"{}\" is no safe name", CleanText(message.file())));
  }
  HNX_ASSIGN_OR_RETURN(const auto compression, nix::ParseCompression(message.compression()));
  HNX_ASSIGN_OR_RETURN(const auto nar_hash, Sha256Field(message.nar_hash(), "nar_hash"));
  nix::NarExpectation expectation{compression, nar_hash, message.nar_size(), {}, {}, {}, {}};
  if (!message.file_hash().empty()) {
    HNX_ASSIGN_OR_RETURN(expectation.file_hash, Sha256Field(message.file_hash(), "file_hash"));
  }
  if (message.file_size() > 0) {
    expectation.file_size = message.file_size();
  }
  HNX_TRY(AddContentAddress(message, &expectation));
  NarUnit unit{{job_id, attempt, message.nar_id()},
               message.url(),
               message.file(),
               message.store_path(),
               message.file_size() > 0 ? message.file_size() : message.nar_size(),
               std::move(expectation)};
  if (message.has_lost()) {
    HNX_ASSIGN_OR_RETURN(const auto shard,
                         hyper::DriveKey::FromBytes(AsBytes(message.lost().shard_key())));
    const pb::BlobId& blob = message.lost().blob();
    unit.lost = LostPlace{.shard = shard,
                          .blob = {.block_offset = blob.block_offset(),
                                   .block_length = blob.block_length(),
                                   .byte_offset = blob.byte_offset(),
                                   .byte_length = blob.byte_length()}};
  }
  return unit;
}

std::vector<Job> JobsFromMessage(const pb::SynchronizeResponse& response) {
  std::vector<Job> jobs;
  jobs.reserve(static_cast<std::size_t>(response.jobs_size()));
  for (const pb::Job& message : response.jobs()) {
    Job job{message.job_id(), message.attempt(), {}, {}};
    for (const pb::NarUnit& nar : message.nars()) {
      auto unit = UnitFromMessage(nar, message.job_id(), message.attempt());
      if (unit.has_value()) {
        job.units.push_back(*std::move(unit));
        continue;
      }
      const NarRef ref{message.job_id(), message.attempt(), nar.nar_id()};
      job.bad_units.push_back(
          {ref,
           {unit.error().code,
            kReasonBadUnit,
            fmt::format("unit {} of job {}: {}", nar.nar_id(), job.job_id, unit.error().message),
            {}}});
    }
    jobs.push_back(std::move(job));
  }
  return jobs;
}

void ToMessage(const HostUse& use, pb::HostUse* out) {
  out->set_host(use.host);
  out->set_bytes_per_second(use.bytes_per_second);
  out->set_requests_per_second(use.requests_per_second);
  out->set_transfers_max(use.transfers_max);
  out->set_window(use.window);
}

std::vector<HostLimit> LimitsFromMessage(const pb::SynchronizeResponse& response) {
  std::vector<HostLimit> limits;
  for (const pb::HostLimit& message : response.hosts()) {
    limits.push_back({.host = message.host(),
                      .limits_bytes = message.limits_bytes(),
                      .bytes_per_second = message.bytes_per_second(),
                      .limits_requests = message.limits_requests(),
                      .requests_per_second = message.requests_per_second(),
                      .transfers_max = message.transfers_max(),
                      .pause = std::chrono::milliseconds(message.pause_ms()),
                      .valid = std::chrono::milliseconds(message.valid_ms())});
  }
  return limits;
}

std::string CleanText(std::string_view text) {
  std::string clean(text);
  std::replace_if(
      clean.begin(), clean.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return clean;
}

}  // namespace hnx::worker
