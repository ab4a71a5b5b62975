// FileReader: reads local files on one thread of its own and gives them to sinks piece by piece, as
// an HTTP client would: the import of an existing binary-cache folder. Only regular files below its
// folder are read, links included in the check; without a folder none are.
#pragma once

#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "worker/pipeline/fetcher.h"

namespace hnx::worker {

inline constexpr std::size_t kFileReadBytes = std::size_t{256} << 10;

class FileReader {
 public:
  explicit FileReader(std::optional<std::filesystem::path> folder);
  // Ends running reads with kCancelled.
  ~FileReader();
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;
  FileReader(FileReader&&) = delete;
  FileReader& operator=(FileReader&&) = delete;

  // `path`: absolute, as it stood behind file://, percent-encoding resolved.
  std::shared_ptr<Transfer> Start(const std::string& path, std::uint64_t size_max,
                                  std::shared_ptr<http::DownloadSink> sink);

 private:
  class Reading;
  void Run();
  void Schedule(std::shared_ptr<Reading> reading) HNX_EXCLUDES(mutex_);

  const std::optional<std::filesystem::path> folder_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::shared_ptr<Reading>> ready_ HNX_GUARDED_BY(mutex_);
  bool stop_ HNX_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hnx::worker
