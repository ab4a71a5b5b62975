#include "hyp/tree_copy.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <future>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "base/bounded_queue.h"
#include "base/crash_point.h"
#include "base/service.h"

namespace hnx::hyp {

namespace {

constexpr std::chrono::milliseconds kTickInterval{100};
// Below this, what was copied may stay in the data folder: giving it back would cost more.
constexpr std::uint64_t kGiveBackBytesMin = hyper::kBlobBlockBytes;

// Why one entry is not in the folder although the copy goes on.
bool IsLeftOut(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:     // a name that no file can have
    case ErrorCode::kFailedPrecondition:  // something is in the way
    case ErrorCode::kDataLoss:            // the entry names bytes that are not its own
    case ErrorCode::kOutOfRange:
    case ErrorCode::kNotFound:  // cleared by its owner
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kUnavailable:
      return true;
    default:
      return false;
  }
}

bool IsUnreachable(const Error& error) {
  return error.code == ErrorCode::kDeadlineExceeded || error.code == ErrorCode::kUnavailable;
}

}  // namespace

class TreeCopy::Pool {
 public:
  explicit Pool(unsigned threads) : tasks_(threads) {
    for (unsigned i = 0; i < threads; ++i) {
      threads_.emplace_back([this] {
        NameThisThread("hyp-copy");
        while (auto task = tasks_.Pop()) {
          (*task)();
        }
      });
    }
  }
  ~Pool() { tasks_.Close(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  Pool(Pool&&) = delete;
  Pool& operator=(Pool&&) = delete;

  void Add(std::function<void()> task) { (void)tasks_.Push(std::move(task)); }

 private:
  BoundedQueue<std::function<void()>> tasks_;
  std::vector<std::jthread> threads_;
};

// One part under way.
class TreeCopy::Run_ {
 public:
  Run_(TreeCopy& copy, const TreeCopyPart& part, const TargetFolder& target, CopyRecord& record)
      : copy_(copy), part_(part), target_(target), record_(record) {}
  ~Run_() {
    for (Pending& pending : pending_) {
      if (pending.copied.valid()) {
        pending.copied.wait();
      }
    }
  }
  Run_(const Run_&) = delete;
  Run_& operator=(const Run_&) = delete;
  Run_(Run_&&) = delete;
  Run_& operator=(Run_&&) = delete;

  Result<void> All();

 private:
  using Copied = Result<CopiedEntry>;
  // An entry on its way into the record: known already, or being copied.
  struct Pending {
    std::optional<CopiedEntry> known;  // or what an earlier run wrote there
    std::future<Copied> copied;
    std::string path;
    std::optional<hyper::BlobId> blob;
  };

  Result<void> Take(const hyper::DriveEntry& entry);
  Result<void> TakeLink(const hyper::DriveEntry& entry, const TargetPath& path, bool ours);
  // The earlier run's entry of this path; those before it are gone from the drive.
  Result<std::optional<CopiedEntry>> EarlierOf(const std::string& path);
  Result<void> RemoveGone(const CopiedEntry& gone);
  Copied CopyFile(const hyper::DriveEntry& entry, const TargetPath& path, bool ours) const;
  Result<void> Add(Pending pending);
  // Records what is done, in order; waits until at most `left` are under way.
  Result<void> Settle(std::size_t left);
  Result<void> SettleOne(Pending& pending);
  void LeaveOut(const std::string& path, const std::string& why);

  TreeCopy& copy_;
  const TreeCopyPart& part_;
  const TargetFolder& target_;
  CopyRecord& record_;
  std::optional<CopiedEntry> earlier_;
  std::deque<Pending> pending_;
  std::size_t unreachable_in_a_row_ = 0;
};

Result<void> TreeCopy::Run_::All() {
  HNX_ASSIGN_OR_RETURN(const auto list, part_.drive->List(part_.folder));
  auto last_tick = Clock::Real().Steady();
  while (true) {
    if (copy_.cancellation_->cancelled()) {
      return Error{ErrorCode::kCancelled, "stopped"};
    }
    if (Clock::Real().Steady() - last_tick >= kTickInterval) {
      copy_.tick_();
      last_tick = Clock::Real().Steady();
    }
    HNX_ASSIGN_OR_RETURN(const auto entry, list->Next());
    if (!entry) {
      break;
    }
    ++copy_.counts_.looked_at;
    HNX_TRY(Take(*entry));
  }
  // Whatever the earlier run had beyond the last path is gone.
  for (auto gone = earlier_ ? std::exchange(earlier_, std::nullopt) : record_.before().Next(); gone;
       gone = record_.before().Next()) {
    HNX_TRY(RemoveGone(*gone));
  }
  return Settle(0);
}

Result<std::optional<CopiedEntry>> TreeCopy::Run_::EarlierOf(const std::string& path) {
  while (true) {
    if (!earlier_) {
      earlier_ = record_.before().Next();
      if (!earlier_) {
        return std::optional<CopiedEntry>();
      }
    }
    if (earlier_->path > path) {
      return std::optional<CopiedEntry>();
    }
    const CopiedEntry found = *std::exchange(earlier_, std::nullopt);
    if (found.path == path) {
      return std::optional(found);
    }
    HNX_TRY(RemoveGone(found));
  }
}

Result<void> TreeCopy::Run_::RemoveGone(const CopiedEntry& gone) {
  HNX_ASSIGN_OR_RETURN(const TargetPath path, TargetPath::Parse(gone.path));
  const auto there = target_.Look(path);
  if (!there) {
    return IsLeftOut(there.error()) ? Result<void>() : there.error();
  }
  // Only as we wrote it.
  const bool ours =
      gone.file ? there->kind == TargetFolder::Kind::kFile && there->stamp == gone.file->stamp
                : there->kind == TargetFolder::Kind::kLink;
  if (ours) {
    HNX_TRY(target_.Remove(path));
    ++copy_.counts_.removed;
  }
  return {};
}

Result<void> TreeCopy::Run_::Take(const hyper::DriveEntry& entry) {
  HNX_ASSIGN_OR_RETURN(const auto earlier, EarlierOf(entry.path));
  if (!part_.takes(entry)) {
    // Of another selection; it stays ours.
    return earlier ? Add({earlier, {}, entry.path, std::nullopt}) : Result<void>();
  }
  const auto path = TargetPath::Parse(entry.path);
  if (!path) {
    LeaveOut(entry.path, path.error().message);
    return {};
  }
  if (entry.linkname) {
    return TakeLink(entry, *path, earlier.has_value());
  }
  if (!entry.blob) {
    LeaveOut(entry.path, "neither a file nor a link");
    return {};
  }
  if (earlier && earlier->file && earlier->file->blob == *entry.blob &&
      earlier->file->stamp.executable == entry.executable) {
    const auto there = target_.Look(*path);
    if (there && there->kind == TargetFolder::Kind::kFile && there->stamp == earlier->file->stamp) {
      ++copy_.counts_.unchanged;
      return Add({earlier, {}, entry.path, std::nullopt});
    }
  }
  const bool ours = earlier.has_value();
  auto task = std::make_shared<std::packaged_task<Copied()>>(
      [this, entry, path = *path, ours] { return CopyFile(entry, path, ours); });
  Pending pending{earlier, task->get_future(), entry.path, entry.blob};
  copy_.pool_->Add([task] { (*task)(); });
  return Add(std::move(pending));
}

Result<void> TreeCopy::Run_::TakeLink(const hyper::DriveEntry& entry, const TargetPath& path,
                                      bool ours) {
  if (!part_.takes_link || !part_.takes_link(entry)) {
    LeaveOut(entry.path, "a link that does not lead into a shard of the mirror");
    return {};
  }
  const auto there = target_.Look(path);
  if (!there) {
    if (!IsLeftOut(there.error())) {
      return there.error();
    }
    LeaveOut(entry.path, there.error().message);
    return {};
  }
  const bool same = there->kind == TargetFolder::Kind::kLink && there->link == *entry.linkname;
  if (same) {
    ++copy_.counts_.unchanged;
  } else if (there->kind != TargetFolder::Kind::kAbsent && !ours) {
    LeaveOut(entry.path, "something that hyp mirror did not write is in the way; it was left");
    return {};
  } else {
    const auto written = target_.WriteLink(path, *entry.linkname);
    if (!written) {
      if (!IsLeftOut(written.error())) {
        return written.error();
      }
      LeaveOut(entry.path, written.error().message);
      return {};
    }
    ++copy_.counts_.files;
  }
  return Add({CopiedEntry{entry.path, std::nullopt}, {}, entry.path, std::nullopt});
}

Result<CopiedEntry> TreeCopy::Run_::CopyFile(const hyper::DriveEntry& entry, const TargetPath& path,
                                             bool ours) const {
  if (copy_.cancellation_->cancelled()) {
    return Error{ErrorCode::kCancelled, "stopped"};
  }
  HNX_ASSIGN_OR_RETURN(const TargetFolder::Found there, target_.Look(path));
  const auto content = [&](const TargetFolder::Sink& sink) {
    return part_.drive->ReadBlob(*entry.blob, 0, entry.blob->byte_length, sink);
  };
  if (!ours && there.kind != TargetFolder::Kind::kAbsent) {
    // Written by a run that was killed before it noted it, or by another program: taken over if it
    // is what the drive has.
    if (there.kind == TargetFolder::Kind::kFile &&
        there.stamp.size_bytes == entry.blob->byte_length &&
        there.stamp.executable == entry.executable) {
      HNX_ASSIGN_OR_RETURN(const bool same, target_.HasContent(path, content));
      if (same) {
        ++copy_.counts_.unchanged;
        return CopiedEntry{entry.path, CopiedEntry::File{there.stamp, *entry.blob}};
      }
    }
    return FailedPrecondition(
        "another file is in the way, which was not written by hyp mirror; it was left as it is");
  }
  HNX_ASSIGN_OR_RETURN(const FileStamp stamp, target_.WriteFile(path, entry.executable, content));
  ++copy_.counts_.files;
  copy_.counts_.bytes += entry.blob->byte_length;
  CrashPoint("hyp.mirror.file_written");
  return CopiedEntry{entry.path, CopiedEntry::File{stamp, *entry.blob}};
}

Result<void> TreeCopy::Run_::Add(Pending pending) {
  pending_.push_back(std::move(pending));
  return Settle(kEntriesUnderWayMax);
}

Result<void> TreeCopy::Run_::Settle(std::size_t left) {
  while (!pending_.empty()) {
    Pending& first = pending_.front();
    if (first.copied.valid()) {
      const bool must_wait = pending_.size() > left;
      while (first.copied.wait_for(must_wait ? kTickInterval : std::chrono::milliseconds(0)) !=
             std::future_status::ready) {
        if (!must_wait) {
          return {};
        }
        copy_.tick_();
      }
    }
    Pending done = std::move(first);
    pending_.pop_front();
    HNX_TRY(SettleOne(done));
  }
  return {};
}

Result<void> TreeCopy::Run_::SettleOne(Pending& pending) {
  if (!pending.copied.valid()) {
    return record_.Add(*pending.known);
  }
  const Copied copied = pending.copied.get();
  if (copied) {
    unreachable_in_a_row_ = 0;
    HNX_TRY(record_.Add(*copied));
    if (pending.blob && pending.blob->byte_length >= kGiveBackBytesMin) {
      copy_.mirror_.GiveBack(part_.drive->key(), *pending.blob);
    }
    return {};
  }
  if (!IsLeftOut(copied.error())) {
    return copied.error();
  }
  if (IsUnreachable(copied.error()) && ++unreachable_in_a_row_ >= kUnreachableInARowMax) {
    return Error{ErrorCode::kDeadlineExceeded,
                 fmt::format("{} files in a row could not be had; the last: {}",
                             unreachable_in_a_row_, copied.error().message)};
  }
  LeaveOut(pending.path, copied.error().message);
  return pending.known ? record_.Add(*pending.known) : Result<void>();
}

void TreeCopy::Run_::LeaveOut(const std::string& path, const std::string& why) {
  copy_.left_out_.Add(fmt::format("{} of {}: {}", path, part_.drive->key().id(), why));
}

TreeCopy::TreeCopy(OpenedMirror& mirror, Findings& left_out, CopyCounts& counts, unsigned threads,
                   std::shared_ptr<hyper::Cancellation> cancellation, std::function<void()> tick)
    : mirror_(mirror),
      left_out_(left_out),
      counts_(counts),
      cancellation_(std::move(cancellation)),
      tick_(std::move(tick)),
      pool_(std::make_unique<Pool>(std::max(1U, threads))) {}

TreeCopy::~TreeCopy() = default;

Result<void> TreeCopy::Run(const TreeCopyPart& part, const TargetFolder& target) {
  HNX_ASSIGN_OR_RETURN(const auto record, CopyRecord::Begin(part.record));
  HNX_TRY(Run_(*this, part, target, *record).All());
  HNX_TRY(target.Sync());
  return record->Finish();
}

}  // namespace hnx::hyp
