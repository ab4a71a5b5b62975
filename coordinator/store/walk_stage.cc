#include "coordinator/store/walk_stage.h"

#include <string>
#include <tuple>
#include <vector>

#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

using Columns = std::vector<std::string>;

std::string_view VerdictText(PathFailure::Verdict verdict) {
  switch (verdict) {
    case PathFailure::Verdict::kMissing:
      return "missing";
    case PathFailure::Verdict::kSetAside:
      return "set_aside";
    case PathFailure::Verdict::kLater:
      break;
  }
  return "later";
}

// What PostgreSQL does not take as text; reasons and messages may quote an upstream's bytes.
std::string Printable(std::string_view text) {
  std::string printable;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    printable += code >= 0x20 && code < 0x7f ? c : '?';
  }
  return printable;
}

}  // namespace

void MakeWalkStage(PgTransaction& transaction) {
  transaction.work().exec(std::string(sql::kMakeWalkStage));
}

void StageRoots(PgTransaction& transaction, std::span<const PathName> roots) {
  MakeWalkStage(transaction);
  pqxx::stream_to stream(transaction.work(), "stage_root", Columns{"hash", "name"});
  for (const PathName& root : roots) {
    stream << std::make_tuple(root.hash, root.name);
  }
  stream.complete();
}

void StageNarInfos(PgTransaction& transaction, UpstreamId upstream,
                   std::span<const VerifiedNarInfo> narinfos) {
  MakeWalkStage(transaction);
  {
    pqxx::stream_to stream(
        transaction.work(), "stage_narinfo",
        Columns{"path_id", "upstream_id", "name", "content", "url", "file", "compression",
                "nar_hash", "nar_size", "file_hash", "file_size"});
    for (const VerifiedNarInfo& info : narinfos) {
      const std::string file_hash = info.file_hash ? ByteaText(*info.file_hash) : "";
      const char* nullable_file_hash = info.file_hash ? file_hash.c_str() : nullptr;
      stream << std::make_tuple(info.path, info.upstream != 0 ? info.upstream : upstream, info.name,
                                ByteaText(AsBytes(info.content)), info.url, info.file,
                                info.compression, ByteaText(info.nar_hash), info.nar_size,
                                nullable_file_hash, info.file_size);
    }
    stream.complete();
  }
  pqxx::stream_to stream(transaction.work(), "stage_reference",
                         Columns{"referrer", "hash", "name"});
  for (const VerifiedNarInfo& info : narinfos) {
    for (const PathName& reference : info.references) {
      stream << std::make_tuple(info.path, reference.hash, reference.name);
    }
  }
  stream.complete();
}

void StageFailures(PgTransaction& transaction, std::span<const PathFailure> failures) {
  MakeWalkStage(transaction);
  pqxx::stream_to stream(transaction.work(), "stage_failure",
                         Columns{"path_id", "verdict", "reason", "message", "attempts", "retry_ms",
                                 "ruled_out", "refused_reason", "refused_message"});
  for (const PathFailure& failure : failures) {
    stream << std::make_tuple(failure.path, std::string(VerdictText(failure.verdict)),
                              Printable(failure.reason), Printable(failure.message),
                              failure.attempts, static_cast<std::int64_t>(failure.retry_in.count()),
                              Int64Array(failure.ruled_out), Printable(failure.refused_reason),
                              Printable(failure.refused_message));
  }
  stream.complete();
}

}  // namespace hnx::coordinator
