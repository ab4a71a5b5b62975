#include "coordinator/store/pg_artifacts.h"

#include <algorithm>

#include <fmt/format.h>

#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

class PgArtifactWriter final : public ArtifactWriter {
 public:
  PgArtifactWriter(PgPool& pool, const PgLeader& leader, ArtifactId id)
      : pool_(pool), leader_(leader), id_(id) {}

  Result<void> Append(ByteView bytes) override {
    while (!bytes.empty()) {
      const std::size_t taken = std::min(bytes.size(), kArtifactChunkBytesMax - buffer_.size());
      AppendTo(buffer_, bytes.first(taken));
      bytes = bytes.subspan(taken);
      if (buffer_.size() == kArtifactChunkBytesMax) {
        HNX_TRY(WriteChunk());
      }
    }
    return {};
  }

  Result<ArtifactId> Finish(const Sha256& sha256) override {
    if (!buffer_.empty()) {
      HNX_TRY(WriteChunk());
    }
    return RunTransaction(pool_, "finish an artifact",
                          [&](PgTransaction& transaction) -> Result<ArtifactId> {
                            HNX_TRY(leader_.Lock(transaction));
                            transaction.Exec(sql::kFinishArtifact, id_, Binary(sha256),
                                             static_cast<std::int64_t>(size_bytes_));
                            return id_;
                          });
  }

 private:
  Result<void> WriteChunk() {
    auto written = RunTransaction(
        pool_, "write a chunk of an artifact", [&](PgTransaction& transaction) -> Result<void> {
          HNX_TRY(leader_.Lock(transaction));
          transaction.Exec(sql::kAddArtifactChunk, id_, ordinal_, Binary(buffer_));
          return {};
        });
    if (!written.has_value()) {
      return written;
    }
    ++ordinal_;
    size_bytes_ += buffer_.size();
    buffer_.clear();
    return {};
  }

  PgPool& pool_;
  const PgLeader& leader_;
  const ArtifactId id_;
  int ordinal_ = 0;
  std::uint64_t size_bytes_ = 0;
  Bytes buffer_;
};

}  // namespace

Result<std::unique_ptr<ArtifactWriter>> PgArtifacts::NewArtifact() {
  auto id = RunTransaction(pool_, "make an artifact",
                           [&](PgTransaction& transaction) -> Result<ArtifactId> {
                             HNX_TRY(leader_.Lock(transaction));
                             return transaction.Row(sql::kNewArtifact)[0].as<ArtifactId>();
                           });
  if (!id.has_value()) {
    return id.error();
  }
  return std::unique_ptr<ArtifactWriter>(std::make_unique<PgArtifactWriter>(pool_, leader_, *id));
}

Result<std::optional<ArtifactId>> PgArtifacts::Find(const Sha256& sha256,
                                                    std::uint64_t size_bytes) {
  return RunTransaction(pool_, "find an artifact",
                        [&](PgTransaction& transaction) -> Result<std::optional<ArtifactId>> {
                          const auto row =
                              transaction.MaybeRow(sql::kFindArtifact, Binary(sha256),
                                                   static_cast<std::int64_t>(size_bytes));
                          return row ? std::optional((*row)[0].as<ArtifactId>()) : std::nullopt;
                        });
}

Result<void> PgArtifacts::Read(ArtifactId artifact,
                               const std::function<Result<void>(ByteView)>& sink) {
  auto size = RunTransaction(pool_, "read an artifact",
                             [&](PgTransaction& transaction) -> Result<std::uint64_t> {
                               const auto row = transaction.MaybeRow(sql::kArtifactSize, artifact);
                               if (!row) {
                                 return NotFound(fmt::format("there is no artifact {}", artifact));
                               }
                               return (*row)[0].as<std::uint64_t>();
                             });
  if (!size.has_value()) {
    return size.error();
  }
  std::uint64_t left = *size;
  for (int ordinal = 0; left > 0; ++ordinal) {
    auto chunk =
        RunTransaction(pool_, "read an artifact", [&](PgTransaction& transaction) -> Result<Bytes> {
          const auto row = transaction.MaybeRow(sql::kArtifactChunk, artifact, ordinal);
          if (!row) {
            return DataLoss(fmt::format("artifact {} lacks chunk {}", artifact, ordinal));
          }
          return ReadBytes((*row)[0]);
        });
    if (!chunk.has_value()) {
      return chunk.error();
    }
    left -= std::min<std::uint64_t>(left, chunk->size());
    HNX_TRY(sink(*chunk));
  }
  return {};
}

Result<void> PgArtifacts::DropUnfinished() {
  return RunTransaction(pool_, "drop unfinished artifacts",
                        [&](PgTransaction& transaction) -> Result<void> {
                          HNX_TRY(leader_.Lock(transaction));
                          transaction.Exec(sql::kDropUnfinishedArtifacts);
                          return {};
                        });
}

}  // namespace hnx::coordinator
