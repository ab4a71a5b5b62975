#include "coordinator/store/walk_save.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "coordinator/store/sql/statements_embedded.h"
#include "coordinator/store/walk_stage.h"

namespace hnx::coordinator {
namespace {

struct PlainNarInfo {
  const VerifiedNarInfo* info = nullptr;
  std::int64_t narinfo = 0;
  std::int64_t nar = 0;
};

// A path that the batch refers to.
struct Target {
  std::string_view hash;
  std::string_view name;
  PathId path = 0;  // 0: not looked up yet
  bool is_member = false;
  bool is_new = false;
};

// Input of a bytea: text as it is, which is half of what hexadecimal digits would be.
std::string ByteaEscaped(std::string_view content) {
  std::string escaped;
  escaped.reserve(content.size());
  for (const char c : content) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '\\') {
      escaped += "\\\\";
    } else if ((code >= 0x20 && code < 0x7f) || c == '\n') {
      escaped += c;
    } else {
      escaped += '\\';
      escaped += static_cast<char>('0' + (code >> 6U));
      escaped += static_cast<char>('0' + ((code >> 3U) & 7U));
      escaped += static_cast<char>('0' + (code & 7U));
    }
  }
  return escaped;
}

class WalkSave {
 public:
  WalkSave(PgTransaction& transaction, PathCache& known, ReleaseId release)
      : transaction_(transaction), known_(known), release_(release) {}

  Result<WalkSaveOutcome> Run(std::span<const VerifiedNarInfo> narinfos,
                              std::span<const PathFailure> failures);

 private:
  void Divide(std::span<const VerifiedNarInfo> narinfos);
  void InsertNars();
  Result<void> SavePlain();
  Result<void> UpdatePaths();
  Result<void> SaveReferences();
  void CollectTargets();
  Result<void> FindTargets();
  void JoinTargets();
  void SaveSpecial();
  void SaveFailures(std::span<const PathFailure> failures);

  PgTransaction& transaction_;
  PathCache& known_;
  const ReleaseId release_;
  UpstreamId upstream_ = 0;
  std::vector<PlainNarInfo> plain_;       // in the order of paths
  std::vector<VerifiedNarInfo> special_;  // copies: these are few
  std::vector<Target> targets_;
  std::vector<std::pair<PathId, std::size_t>> references_;  // referrer, place in targets_
  WalkSaveOutcome outcome_;
};

Result<WalkSaveOutcome> WalkSave::Run(std::span<const VerifiedNarInfo> narinfos,
                                      std::span<const PathFailure> failures) {
  transaction_.work().exec(std::string(sql::kPrepareWalkSave));
  upstream_ = transaction_.Row("SELECT upstream_id FROM release WHERE id = $1", release_)[0]
                  .as<UpstreamId>();
  outcome_.saved.saved = narinfos.size();
  PgArray left;
  if (!narinfos.empty()) {
    Divide(narinfos);
    HNX_TRY(SavePlain());
    if (!special_.empty()) {
      SaveSpecial();
    }
    for (const VerifiedNarInfo& info : narinfos) {
      left.Add(info.path);
    }
  }
  if (!failures.empty()) {
    SaveFailures(failures);
    for (const PathFailure& failure : failures) {
      if (failure.verdict != PathFailure::Verdict::kLater) {
        left.Add(failure.path);
      }
    }
  }
  transaction_.Exec(sql::kLeaveFrontier, release_, left.Literal());
  return std::move(outcome_);
}

// Fills plain_ and special_, and gives the plain ones their numbers.
void WalkSave::Divide(std::span<const VerifiedNarInfo> narinfos) {
  PgArray asked;
  for (const VerifiedNarInfo& info : narinfos) {
    asked.Add(info.path);
  }
  std::unordered_set<PathId> discovered;
  for (const pqxx::row& row : transaction_.Exec(sql::kFindDiscovered, asked.Literal())) {
    discovered.insert(row[0].as<PathId>());
  }
  std::vector<const VerifiedNarInfo*> rest;
  for (const VerifiedNarInfo& info : narinfos) {
    // Erased, so that a path that came twice is plain only once.
    if (discovered.erase(info.path) == 1) {
      plain_.push_back({.info = &info});
    } else {
      rest.push_back(&info);
    }
  }
  std::sort(plain_.begin(), plain_.end(), [](const PlainNarInfo& one, const PlainNarInfo& other) {
    return one.info->path < other.info->path;
  });
  InsertNars();
  for (const PlainNarInfo& plain : plain_) {
    if (plain.nar == 0) {
      rest.push_back(plain.info);
    }
  }
  std::erase_if(plain_, [](const PlainNarInfo& plain) { return plain.nar == 0; });
  for (const VerifiedNarInfo* info : rest) {
    special_.push_back(*info);
  }
}

void WalkSave::InsertNars() {
  const auto count = static_cast<std::int64_t>(plain_.size());
  const pqxx::result ids = transaction_.Exec(sql::kDrawNarInfoIds, count);
  PgArray upstreams;
  PgArray narinfos;
  PgArray urls;
  PgArray files;
  PgArray nar_hashes;
  PgArray nar_sizes;
  PgArray compressions;
  PgArray file_hashes;
  PgArray file_sizes;
  std::unordered_map<std::int64_t, PlainNarInfo*> by_narinfo;
  for (std::size_t i = 0; i < plain_.size(); ++i) {
    PlainNarInfo& plain = plain_[i];
    const VerifiedNarInfo& info = *plain.info;
    plain.narinfo = ids[static_cast<pqxx::result::size_type>(i)][0].as<std::int64_t>();
    by_narinfo[plain.narinfo] = &plain;
    upstreams.Add(info.upstream != 0 ? info.upstream : upstream_);
    narinfos.Add(plain.narinfo);
    urls.AddText(info.url);
    files.AddText(info.file);
    nar_hashes.AddBytes(info.nar_hash);
    nar_sizes.Add(info.nar_size);
    compressions.AddText(info.compression);
    if (info.file_hash) {
      file_hashes.AddBytes(*info.file_hash);
    } else {
      file_hashes.AddNull();
    }
    file_sizes.Add(info.file_size);
  }
  const pqxx::result inserted =
      transaction_.Exec(sql::kInsertPlainNars, upstreams.Literal(), narinfos.Literal(),
                        urls.Literal(), files.Literal(), nar_hashes.Literal(), nar_sizes.Literal(),
                        compressions.Literal(), file_hashes.Literal(), file_sizes.Literal());
  for (const pqxx::row& row : inserted) {
    by_narinfo.at(row[0].as<std::int64_t>())->nar = row[1].as<std::int64_t>();
  }
}

Result<void> WalkSave::SavePlain() {
  if (plain_.empty()) {
    return {};
  }
  {
    pqxx::stream_to stream(transaction_.work(), "narinfo",
                           std::vector<std::string>{"id", "content"});
    for (const PlainNarInfo& plain : plain_) {
      stream << std::make_tuple(plain.narinfo, ByteaEscaped(plain.info->content));
    }
    stream.complete();
  }
  HNX_TRY(UpdatePaths());
  return SaveReferences();
}

Result<void> WalkSave::UpdatePaths() {
  PgArray paths;
  PgArray names;
  PgArray narinfos;
  PgArray nars;
  for (const PlainNarInfo& plain : plain_) {
    paths.Add(plain.info->path);
    names.AddText(plain.info->name);
    narinfos.Add(plain.narinfo);
    nars.Add(plain.nar);
  }
  const auto updated = transaction_
                           .Exec(sql::kUpdatePlainPaths, paths.Literal(), names.Literal(),
                                 narinfos.Literal(), nars.Literal())
                           .affected_rows();
  if (static_cast<std::size_t>(updated) != plain_.size()) {
    return Unavailable("save narinfos: somebody else changed their paths meanwhile; again");
  }
  return {};
}

Result<void> WalkSave::SaveReferences() {
  CollectTargets();
  HNX_TRY(FindTargets());
  // Rows next to each other in the table and its index; a hostile narinfo may name a path twice.
  std::vector<std::pair<PathId, PathId>> rows;
  rows.reserve(references_.size());
  for (const auto& [referrer, target] : references_) {
    if (targets_[target].path != referrer) {
      rows.emplace_back(referrer, targets_[target].path);
    }
  }
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  pqxx::stream_to stream(transaction_.work(), "path_reference",
                         std::vector<std::string>{"referrer", "reference"});
  for (const auto& row : rows) {
    stream << std::make_tuple(row.first, row.second);
  }
  stream.complete();
  JoinTargets();
  return {};
}

void WalkSave::CollectTargets() {
  std::unordered_map<std::string_view, std::size_t> places;
  for (const PlainNarInfo& plain : plain_) {
    for (const PathName& reference : plain.info->references) {
      const auto [place, added] = places.try_emplace(reference.hash, targets_.size());
      if (added) {
        Target target{.hash = reference.hash, .name = reference.name};
        if (const auto known = known_.Find(reference.hash)) {
          target.path = known->path;
          target.is_member = known->release == release_;
        }
        targets_.push_back(target);
      }
      references_.emplace_back(plain.info->path, place->second);
    }
  }
}

Result<void> WalkSave::FindTargets() {
  std::vector<Target*> wanted;
  std::unordered_map<std::string_view, Target*> by_hash;
  for (Target& target : targets_) {
    if (target.path == 0) {
      wanted.push_back(&target);
      by_hash[target.hash] = &target;
    }
  }
  std::sort(wanted.begin(), wanted.end(),
            [](const Target* one, const Target* other) { return one->hash < other->hash; });
  // Once more sees what others added in between.
  constexpr int kRounds = 3;
  for (int round = 0; round < kRounds && !wanted.empty(); ++round) {
    PgArray hashes;
    PgArray names;
    for (const Target* target : wanted) {
      hashes.AddText(target->hash);
      names.AddText(target->name);
    }
    for (const pqxx::row& row :
         transaction_.Exec(sql::kFindOrAddPaths, hashes.Literal(), names.Literal())) {
      Target& target = *by_hash.at(std::string_view(row[1].c_str(), row[1].size()));
      target.path = row[0].as<PathId>();
      target.is_new = row[2].as<bool>();
    }
    std::erase_if(wanted, [](const Target* target) { return target->path != 0; });
  }
  if (!wanted.empty()) {
    return Unavailable("save narinfos: a path that exists cannot be read; again");
  }
  return {};
}

void WalkSave::JoinTargets() {
  std::vector<PathId> joining;
  std::unordered_map<PathId, const Target*> added;
  for (const Target& target : targets_) {
    if (!target.is_member) {
      joining.push_back(target.path);
      outcome_.learnt.push_back({std::string(target.hash), target.path});
    }
    if (target.is_new) {
      added[target.path] = &target;
    }
  }
  if (joining.empty()) {
    return;
  }
  std::sort(joining.begin(), joining.end());
  for (const pqxx::row& row : transaction_.Exec(sql::kJoinPaths, release_, Int64Array(joining))) {
    ++outcome_.saved.paths_discovered;
    const auto found = added.find(row[0].as<PathId>());
    if (found != added.end()) {
      const Target& target = *found->second;
      outcome_.saved.discovered.push_back(
          {target.path, std::string(target.hash), std::string(target.name), 0});
    }
  }
}

void WalkSave::SaveSpecial() {
  StageNarInfos(transaction_, upstream_, special_);
  transaction_.Exec(sql::kNumberWalkedNarInfos);
  const pqxx::row changed = transaction_.Row(sql::kCountChangedNarInfos);
  outcome_.saved.narinfos_changed = changed["narinfos_changed"].as<std::uint64_t>();
  outcome_.saved.nar_hashes_changed = changed["nar_hashes_changed"].as<std::uint64_t>();
  transaction_.Exec(sql::kInsertWalkedNarInfos);
  transaction_.Exec(sql::kInsertWalkedNars);
  transaction_.Exec(sql::kLockWalkedNars);
  transaction_.Exec(sql::kFindWalkedNars);
  PgArray revived;
  for (const pqxx::row& row : transaction_.Exec(sql::kReviveWalkedNars)) {
    revived.Add(row[0].as<std::int64_t>());
  }
  transaction_.Exec(sql::kRevivePathsOfNars, revived.Literal());
  transaction_.Exec(sql::kUpdateWalkedPaths);
  transaction_.Exec(sql::kLookElsewhereAnew);
  transaction_.Exec(sql::kForgetOldReferences);
  transaction_.Exec(sql::kInsertReferencedPaths);
  transaction_.Exec(sql::kInsertReferences);
  outcome_.saved.paths_discovered +=
      transaction_.Row(sql::kJoinWalkedReferences, release_)[0].as<std::uint64_t>();
}

void WalkSave::SaveFailures(std::span<const PathFailure> failures) {
  StageFailures(transaction_, failures);
  transaction_.Exec(sql::kFailWalkedPaths);
  transaction_.Exec(sql::kDelayWalkedPaths, release_);
}

}  // namespace

Result<WalkSaveOutcome> SaveWalkBatch(PgTransaction& transaction, PathCache& known,
                                      ReleaseId release, std::span<const VerifiedNarInfo> narinfos,
                                      std::span<const PathFailure> failures) {
  return WalkSave(transaction, known, release).Run(narinfos, failures);
}

}  // namespace hnx::coordinator
