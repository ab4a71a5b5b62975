// DriveScrub: one round through one drive: its db core, its content core, and, of shards and their
// copies, every NAR from its first byte to its NarHash. It goes on from where `round` stands.
//
// Threads: one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hyper/drive/drive_reader.h"
#include "worker/scrub/core_scrub.h"
#include "worker/scrub/scrub_parts.h"

namespace hnx::worker {

class DriveScrub {
 public:
  // `on_progress` is called after each block and NAR; its error ends the round, which can be gone
  // on with later.
  DriveScrub(const ScrubParts& parts, ScrubbedDrive drive, ScrubRound& round,
             std::function<Result<void>()> on_progress)
      : parts_(parts),
        drive_(std::move(drive)),
        round_(round),
        on_progress_(std::move(on_progress)) {}

  // The whole rest of the round. kNotFound: there is no such drive (yet).
  Result<void> Run();
  // Since the last call.
  std::vector<GivenUp> TakeGivenUp() { return std::exchange(given_up_, {}); }

 private:
  Result<void> ScrubDb();
  Result<void> RunBehindDb();
  // From round.block on, to the end or to `end_block`.
  Result<void> ScrubContent(ScrubRound& round, std::uint64_t end_block);
  Result<void> NameFiles(std::vector<WantedBlock>& blocks);
  Result<void> ScrubNars();
  Result<void> ScrubNar(const hypercore_nixos::v1::ShardFile& file);
  // Those of a NAR once more: damaged since, or given up and not withdrawn before a stop.
  Result<void> ScrubBlocksOf(const std::string& file);
  // Why the NAR is not what it must be; none: it is, or it is not there, or blocks of it are
  // `damaged`.
  Result<std::optional<Error>> CheckNar(const hypercore_nixos::v1::ShardFile& file, bool* damaged);
  Result<std::unique_ptr<hyper::DriveReader>> OpenDrive() const;
  // So that nobody is given what is damaged.
  Result<void> Withdraw(const std::vector<GivenUp>& given_up,
                        const std::vector<WantedBlock>& blocks);
  Result<void> Drop(const std::string& file);
  void NextPart(ScrubRound::Part part);

  const ScrubParts& parts_;
  const ScrubbedDrive drive_;
  ScrubRound& round_;
  const std::function<Result<void>()> on_progress_;
  std::vector<GivenUp> given_up_;
};

}  // namespace hnx::worker
