#include "worker/recovery/index_recovery.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/log.h"
#include "hyper/core/crypto.h"
#include "hyper/drive/hyperdrive.h"
#include "worker/index_key.h"

namespace hnx::worker {
namespace {

using Lengths = DataDirectory::IndexLengths;

// Nobody can have anything of a key that was never used; whoever has says so soon.
constexpr std::chrono::milliseconds kNewKeyAnswerMax{3'000};

bool Covers(const Lengths& long_one, const Lengths& short_one) {
  return long_one.db >= short_one.db && long_one.content >= short_one.content;
}
Lengths LongestOf(const Lengths& a, const Lengths& b) {
  return {std::max(a.db, b.db), std::max(a.content, b.content)};
}

// What this data directory has of the index.
struct OwnIndex {
  bool there = false;
  Lengths lengths;
  Lengths accepted;
  bool whole() const { return there && Covers(lengths, accepted); }
};

class Recovery {
 public:
  Recovery(DataDirectory& data, const IndexRecoveryOptions& options, hyper::DriveKey key,
           const hyper::PrimaryKey& primary_key)
      : data_(data), options_(options), key_(key), primary_key_(primary_key) {}
  ~Recovery() { hyper::Wipe(primary_key_); }
  Recovery(const Recovery&) = delete;
  Recovery& operator=(const Recovery&) = delete;

  Result<IndexStart> Run() {
    HNX_TRY(CheckDirectory());
    HNX_TRY(LookAtOwn());
    HNX_TRY(AskHolders());
    const Lengths held{held_.longest.db.length, held_.longest.content.length};
    // Not the drive's own length: its tail may be one that nobody has seen, to be cut off.
    known_ = LongestOf(own_.accepted, held);
    HNX_TRY(CheckAnswers());
    if (!Covers(own_.lengths, held) && !options_.from_log) {
      HNX_TRY(FetchFromHolders(held));
    } else if (own_.there && held.db > 0 && Covers(own_.lengths, held)) {
      HNX_TRY(CheckOneHistory());
    }
    HNX_TRY(MakeDrive());
    IndexStart start;
    start.primary_key = primary_key_;
    start.known = known_;
    start.accept_length = options_.accept_length;
    if (options_.accept_length) {
      start.known.db = std::max(start.known.db, *options_.accept_length);
    }
    HNX_ASSIGN_OR_RETURN(start.predecessor, PredecessorOf(options_.key_file));
    return start;
  }

 private:
  Result<void> CheckDirectory() {
    HNX_ASSIGN_OR_RETURN(const auto known, data_.IndexDrive());
    if (known && *known != key_) {
      return FailedPrecondition(
          fmt::format("this data directory holds the index drive {}, the key file gives {}; give "
                      "the key that made it, or another --data",
                      known->id(), key_.id()));
    }
    return {};
  }

  Result<void> LookAtOwn() {
    HNX_ASSIGN_OR_RETURN(own_.accepted, data_.AcceptedIndex());
    own_.there = std::filesystem::exists(data_.DriveFolder(key_));
    if (own_.there) {
      HNX_ASSIGN_OR_RETURN(const auto store, hyper::Corestore::Open(data_.DriveFolder(key_)));
      const auto taken = hyper::Hyperdrive::TakeOver(*store);
      if (!taken.has_value() && taken.error().code != ErrorCode::kNotFound) {
        return taken;
      }
      HNX_ASSIGN_OR_RETURN(const auto drive, hyper::Hyperdrive::OpenOrCreate(*store));
      own_.lengths = {drive->head().db_length, drive->head().content_length};
    }
    return {};
  }

  IndexHolders Holders() const {
    return IndexHolders({.key = key_,
                         .primary_key = primary_key_,
                         .folder = data_.RecoveryFolder(),
                         .addresses = options_.holders,
                         .swarm = options_.swarm,
                         .stopping = options_.stopping,
                         .answer_max = IsUnusedIndexKey(options_.key_file)
                                           ? std::min(options_.answer_max, kNewKeyAnswerMax)
                                           : options_.answer_max,
                         .stall_max = options_.stall_max});
  }

  Result<void> AskHolders() {
    if (options_.holders.empty()) {
      return {};
    }
    Log("index")->info("asking {} holders of the index how long it is", options_.holders.size());
    HNX_ASSIGN_OR_RETURN(held_, Holders().Ask());
    Log("index")->info("the index drive {}: length {} here, {} accepted; {}", key_.id(),
                       own_.lengths.db, own_.accepted.db, held_.Describe());
    return {};
  }

  // Whether enough is known to append.
  Result<void> CheckAnswers() const {
    const auto answered = static_cast<std::size_t>(
        std::count_if(held_.holders.begin(), held_.holders.end(),
                      [](const HolderAnswer& holder) { return holder.answered(); }));
    const Lengths held{held_.longest.db.length, held_.longest.content.length};
    const bool intact = own_.whole() && Covers(own_.lengths, held);
    const bool asked = held_.holders.empty() ? intact
                       : intact              ? answered > 0
                                             : answered == held_.holders.size();
    const Lengths longest = LongestOf(known_, own_.lengths);
    const bool unused = longest.db == 0 && IsUnusedIndexKey(options_.key_file);
    // Of a used key nobody having anything means that everything was lost, not that there was
    // nothing.
    if (unused || (asked && (own_.there || longest.db > 0))) {
      return {};  // a new key's holders may come later
    }
    const std::string found =
        fmt::format("The drive in {} has length {}, {} was accepted of it; {}",
                    data_.root().string(), own_.lengths.db, own_.accepted.db, held_.Describe());
    if (!options_.accept_length) {
      return FailedPrecondition(fmt::format(
          "the index drive {}: it cannot be told how long it was published. {}. Appending to a "
          "shorter one would freeze the mirror for every peer for ever. Give every holder of it "
          "(--index-holder HOST:PORT: gateways, hyp seed), or say with --accept-length N up to "
          "which length it was published at most (0: never)",
          key_.id(), found));
    }
    if (*options_.accept_length < longest.db) {
      return FailedPrecondition(
          fmt::format("--accept-length {}: the index drive {} is known up to length {}. {}",
                      *options_.accept_length, key_.id(), longest.db, found));
    }
    return {};
  }

  Result<void> FetchFromHolders(const Lengths& held) {
    Log("index")->warn(
        "the index drive has length {} here and {} with its holders: it is fetched "
        "from them",
        own_.lengths.db, held.db);
    auto fetched = Holders().Fetch();
    if (!fetched.has_value()) {
      return fetched.error().Annotate(
          "fetch the index from its holders (with another holder it goes on where it was; with "
          "--index-from-log it is built from the coordinator's publish log, if that is whole)");
    }
    const Lengths got{fetched->db.length, fetched->content.length};
    known_ = LongestOf(known_, got);
    HNX_TRY(data_.SetIndexDrive(key_));
    // Before the drive is there: it must never look like one with a tail to be cut.
    HNX_TRY(data_.SetAcceptedIndex(LongestOf(own_.accepted, got)));
    return data_.PutRecoveredDrive(key_);
  }

  // A holder with another tree at a length that we have, too.
  Result<void> CheckOneHistory() const {
    HNX_ASSIGN_OR_RETURN(const auto store, hyper::Corestore::Open(data_.DriveFolder(key_)));
    HNX_ASSIGN_OR_RETURN(const auto drive, hyper::Hyperdrive::OpenOrCreate(*store));
    hyper::DriveHead longest;
    longest.db_length = held_.longest.db.length;
    longest.db_tree_hash = held_.longest.db.tree_hash;
    longest.content_length = held_.longest.content.length;
    longest.content_tree_hash = held_.longest.content.tree_hash;
    HNX_ASSIGN_OR_RETURN(const auto ours, drive->GrewOutOf(longest));
    if (ours && !*ours) {
      return DataLoss(fmt::format(
          "the index drive {} here is not the one that its holders have at length {}: two trees "
          "were signed with one key. Nothing is appended to it",
          key_.id(), longest.db_length));
    }
    return {};
  }

  Result<void> MakeDrive() {
    HNX_TRY(data_.SetIndexDrive(key_));
    if (!std::filesystem::exists(data_.DriveFolder(key_))) {
      HNX_TRY(data_.CreateDrive(primary_key_));
    }
    HNX_TRY(MarkIndexKeyUsed(options_.key_file));
    {
      HNX_ASSIGN_OR_RETURN(const auto store, hyper::Corestore::Open(data_.DriveFolder(key_)));
      HNX_TRY(hyper::Hyperdrive::TakeOver(*store));
    }
    std::error_code ignored;  // what is left of it is of no use, and in nobody's way
    std::filesystem::remove_all(data_.RecoveryFolder(), ignored);
    return {};
  }

  DataDirectory& data_;
  const IndexRecoveryOptions& options_;
  const hyper::DriveKey key_;
  hyper::PrimaryKey primary_key_;  // wiped in the end
  OwnIndex own_;
  HeldIndex held_;
  Lengths known_;
};

}  // namespace

Result<IndexStart> RecoverIndex(DataDirectory& data, const IndexRecoveryOptions& options) {
  HNX_ASSIGN_OR_RETURN(auto primary_key, ReadIndexKeyFile(options.key_file));
  auto start = [&]() -> Result<IndexStart> {
    HNX_ASSIGN_OR_RETURN(const hyper::DriveKey key, MirrorKeyOf(primary_key));
    return Recovery(data, options, key, primary_key).Run();
  }();
  hyper::Wipe(primary_key);
  return start;
}

}  // namespace hnx::worker
