#include "coordinator/domain/drive_fence.h"

namespace hnx::coordinator {

DriveDecision DecideDrive(const RecordedDriveState& recorded, const ReportedDriveState& reported) {
  if (reported.head.SameAs(recorded.head)) {
    return {DriveVerdict::kUnchanged, {}};
  }
  if (reported.head.ShorterThan(recorded.head)) {
    return {DriveVerdict::kSeal, "it is shorter than what was recorded of it"};
  }
  if (reported.head.Contradicts(recorded.head)) {
    return {DriveVerdict::kSeal, "its tree hash is not the recorded one at the same length"};
  }
  if (!reported.base) {
    return {DriveVerdict::kResync, {}};
  }
  if (reported.base->SameAs(recorded.head)) {
    return {DriveVerdict::kAccept, {}};
  }
  if (reported.base->Contradicts(recorded.head)) {
    return {DriveVerdict::kSeal, "what it was told was recorded is not what is recorded"};
  }
  // Its base is behind the recorded head. By its own doing: the answer got lost. By another
  // process's doing: what it appended meanwhile is another history.
  if (reported.base->ShorterThan(recorded.head) && !recorded.moved_by_this_process) {
    return {DriveVerdict::kCutTail, {}};
  }
  return {DriveVerdict::kResync, {}};
}

}  // namespace hnx::coordinator
