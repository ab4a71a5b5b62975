#include "worker/pipeline/file_reader.h"

#include <atomic>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/core.h>

#include "base/file.h"
#include "base/service.h"

namespace hnx::worker {
namespace {

namespace fs = std::filesystem;

http::DownloadOutcome FailedWith(const Error& error) {
  http::DownloadOutcome outcome;
  http::HttpFailure failure;
  failure.code = error.code;
  switch (error.code) {
    case ErrorCode::kNotFound:
      failure.reason = http::HttpReason::kMissing;
      break;
    case ErrorCode::kUnavailable:
    case ErrorCode::kInvalidArgument:
      failure.reason = http::HttpReason::kBadRequest;
      break;
    default:
      failure.reason = http::HttpReason::kHandler;
  }
  failure.message = error.message;
  outcome.failure = std::move(failure);
  return outcome;
}

// Symbolic links must not lead out of the folder that the operator allowed. kUnavailable: this
// worker reads no files, another one may; kInvalidArgument: it must not be read.
Result<fs::path> Below(const std::optional<fs::path>& folder, const fs::path& path) {
  if (!folder) {
    return Unavailable(fmt::format(
        "read {}: this worker reads no local files; start it with --import-dir", path.string()));
  }
  std::error_code error;
  const fs::path real_folder = fs::canonical(*folder, error);
  if (error) {
    return Unavailable(fmt::format("import folder {}: {}", folder->string(), error.message()));
  }
  const fs::path real = fs::canonical(path, error);
  if (error) {
    return NotFound(fmt::format("read {}: {}", path.string(), error.message()));
  }
  const fs::path relative = real.lexically_relative(real_folder);
  if (relative.empty() || *relative.begin() == ".." || !fs::is_regular_file(real, error)) {
    return InvalidArgument(
        fmt::format("read {}: not a regular file below this worker's --import-dir {}",
                    path.string(), folder->string()));
  }
  return real;
}

}  // namespace

class FileReader::Reading final : public Transfer, public std::enable_shared_from_this<Reading> {
 public:
  Reading(FileReader& reader, fs::path path, std::uint64_t size_max,
          std::shared_ptr<http::DownloadSink> sink)
      : reader_(reader), path_(std::move(path)), size_max_(size_max), sink_(std::move(sink)) {}

  void Resume() override { reader_.Schedule(shared_from_this()); }
  void Cancel() override {
    MarkCancelled();
    reader_.Schedule(shared_from_this());
  }
  void MarkCancelled() { cancelled_ = true; }

  // One piece. True when it is to be scheduled again.
  bool Step(const std::optional<fs::path>& folder) {
    if (sink_ == nullptr) {
      return false;
    }
    auto more =
        cancelled_ ? Result<bool>(Error{ErrorCode::kCancelled, "cancelled"}) : ReadPiece(folder);
    if (more.has_value() && !done_) {
      return *more;
    }
    http::DownloadOutcome outcome;
    if (!more.has_value()) {
      outcome = FailedWith(more.error());
    }
    outcome.body_bytes = offset_;
    outcome.received_bytes = offset_;
    outcome.attempts = 1;
    std::exchange(sink_, nullptr)->OnDone(std::move(outcome));
    return false;
  }

 private:
  // False: paused.
  Result<bool> ReadPiece(const std::optional<fs::path>& folder) {
    if (!file_.valid()) {
      HNX_ASSIGN_OR_RETURN(const fs::path real, Below(folder, path_));
      HNX_ASSIGN_OR_RETURN(file_, OpenFile(real, O_RDONLY));
      HNX_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(file_.get()));
      if (size > size_max_) {
        return InvalidArgument(
            fmt::format("read {}: {} bytes, at most {} expected", path_.string(), size, size_max_));
      }
      HNX_TRY(sink_->OnObject(size));
    }
    Bytes piece(kFileReadBytes);
    HNX_ASSIGN_OR_RETURN(const std::size_t count, ReadUpToAt(file_.get(), offset_, piece));
    if (count == 0) {
      done_ = true;
      return true;
    }
    offset_ += count;
    HNX_ASSIGN_OR_RETURN(const auto verdict, sink_->OnData(ByteView(piece).first(count)));
    return verdict == http::DataVerdict::kContinue;
  }

  FileReader& reader_;
  const fs::path path_;
  const std::uint64_t size_max_;
  std::atomic<bool> cancelled_{false};
  // Of the reading thread alone.
  std::shared_ptr<http::DownloadSink> sink_;
  UniqueFd file_;
  std::uint64_t offset_ = 0;
  bool done_ = false;
};

FileReader::FileReader(std::optional<fs::path> folder) : folder_(std::move(folder)) {
  thread_ = std::thread([this] { Run(); });
}

FileReader::~FileReader() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

std::shared_ptr<Transfer> FileReader::Start(const std::string& path, std::uint64_t size_max,
                                            std::shared_ptr<http::DownloadSink> sink) {
  auto reading = std::make_shared<Reading>(*this, path, size_max, std::move(sink));
  Schedule(reading);
  return reading;
}

void FileReader::Schedule(std::shared_ptr<Reading> reading) {
  MutexLock lock(mutex_);
  ready_.push_back(std::move(reading));
  changed_.NotifyAll();
}

void FileReader::Run() {
  NameThisThread("hnx-import");
  while (true) {
    std::shared_ptr<Reading> reading;
    {
      MutexLock lock(mutex_);
      while (ready_.empty() && !stop_) {
        changed_.Wait(mutex_);
      }
      if (ready_.empty()) {
        return;
      }
      if (stop_) {
        ready_.front()->MarkCancelled();
      }
      reading = std::move(ready_.front());
      ready_.pop_front();
    }
    if (reading->Step(folder_)) {
      Schedule(std::move(reading));
    }
  }
}

}  // namespace hnx::worker
