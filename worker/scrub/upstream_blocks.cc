#include "worker/scrub/upstream_blocks.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"

namespace hnx::worker {
namespace {

constexpr std::chrono::milliseconds kDownloadPollInterval{50};
// One NAR file, its wait for the host's turn included.
constexpr std::chrono::minutes kDownloadMax{30};

// Keeps the wanted ranges of a file that streams by.
class RangeSink final : public http::DownloadSink {
 public:
  explicit RangeSink(const std::vector<WantedBlock>& blocks) : blocks_(blocks) {
    for (const WantedBlock& block : blocks) {
      end_ = std::max(end_, block.in_file + block.bytes.length());
    }
    (void)OnRestart();
  }

  Result<void> OnRestart() override {
    MutexLock lock(mutex_);
    at_ = 0;
    parts_.assign(blocks_.size(), Bytes());
    return {};
  }

  Result<http::DataVerdict> OnData(ByteView chunk) override {
    MutexLock lock(mutex_);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const std::uint64_t begin = blocks_[i].in_file;
      const std::uint64_t end = begin + blocks_[i].bytes.length();
      const std::uint64_t from = std::max(begin, at_);
      const std::uint64_t to = std::min(end, at_ + chunk.size());
      if (from < to) {
        AppendTo(parts_[i], chunk.subspan(from - at_, to - from));
      }
    }
    at_ += chunk.size();
    if (at_ >= end_) {
      return Aborted("what was wanted is here");
    }
    return http::DataVerdict::kContinue;
  }

  void OnDone(http::DownloadOutcome outcome) override {
    MutexLock lock(mutex_);
    outcome_ = std::move(outcome);
  }

  bool done() const {
    MutexLock lock(mutex_);
    return outcome_.has_value();
  }

  Result<FoundBlocks> Take() {
    MutexLock lock(mutex_);
    if (at_ < end_) {
      return outcome_ && outcome_->failure
                 ? Result<FoundBlocks>(Unavailable(outcome_->failure->message))
                 : Result<FoundBlocks>(DataLoss("the file is shorter upstream"));
    }
    FoundBlocks found;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      found.emplace(blocks_[i].block, std::move(parts_[i]));
    }
    return found;
  }

 private:
  const std::vector<WantedBlock> blocks_;
  std::uint64_t end_ = 0;
  mutable Mutex mutex_;
  std::uint64_t at_ HNX_GUARDED_BY(mutex_) = 0;
  std::vector<Bytes> parts_ HNX_GUARDED_BY(mutex_);
  std::optional<http::DownloadOutcome> outcome_ HNX_GUARDED_BY(mutex_);
};

}  // namespace

FoundBlocks UpstreamBlocks::Get(const WantedBlocks& wanted, std::string* trouble) {
  std::map<std::string, std::vector<WantedBlock>> by_file;
  for (const WantedBlock& block : wanted.blocks) {
    if (wanted.content && !block.file.empty()) {
      by_file[block.file].push_back(block);
    }
  }
  FoundBlocks found;
  for (const auto& [file, blocks] : by_file) {
    auto of_file = GetOfFile(wanted.key, blocks);
    if (of_file.has_value()) {
      found.merge(*of_file);
    } else {
      *trouble = of_file.error().message;
    }
    if (pace_.cancelled()) {
      break;
    }
  }
  return found;
}

Result<FoundBlocks> UpstreamBlocks::GetOfFile(const hyper::DriveKey& key,
                                              const std::vector<WantedBlock>& blocks) {
  HNX_ASSIGN_OR_RETURN(const std::string url, url_of_(key, blocks.front().file));
  const auto sink = std::make_shared<RangeSink>(blocks);
  const auto transfer = fetcher_.Start({url, blocks.front().file_size}, sink);
  const auto deadline = Clock::Real().Steady() + kDownloadMax;
  bool cancelled = false;
  while (!sink->done()) {
    // An upstream that is paused or held back would be waited for without end.
    const bool go_on =
        pace_.Pause(kDownloadPollInterval).has_value() && Clock::Real().Steady() < deadline;
    if (!go_on && !std::exchange(cancelled, true)) {
      transfer->Cancel();
    }
  }
  return sink->Take();
}

}  // namespace hnx::worker
