// DriveFence: what becomes of the head that a worker reports for a drive it writes, given the head
// that is recorded. Pure; the caller holds the row's lock, which makes it a compare-and-set.
//
// A head may be announced to peers once it is recorded, so the recorded head never goes back and
// never moves sideways: the drive would be frozen for every peer for ever.
#pragma once

#include <optional>
#include <string_view>

#include "coordinator/domain/drive_head.h"

namespace hnx::coordinator {

struct RecordedDriveState {
  DriveHead head;
  bool sealed = false;
  // The process that reports is the one that moved the recorded head last.
  bool moved_by_this_process = false;
};

struct ReportedDriveState {
  DriveHead head;
  // What the worker was told was recorded, in this process's life; entries are listed from there.
  std::optional<DriveHead> base;
};

enum class DriveVerdict {
  kUnchanged,  // the reported head is the recorded one
  kAccept,     // recorded := reported, with the entries in between
  // The worker's base is not ours (it was told nothing yet, or an answer got lost): it is told the
  // recorded head and lists its entries from there the next time.
  kResync,
  kCutTail,  // somebody else moved the recorded head under it: it lost the compare-and-set
  kSeal,     // never to be appended to again; see `reason`
};

struct DriveDecision {
  DriveVerdict verdict = DriveVerdict::kUnchanged;
  std::string_view reason;  // kSeal: for people
};

DriveDecision DecideDrive(const RecordedDriveState& recorded, const ReportedDriveState& reported);

}  // namespace hnx::coordinator
