// Fetcher: where NAR files come from, over HTTP or from an allowed local folder, with one interface
// and back-pressure. Thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/http_client.h"
#include "http/resuming_download.h"
#include "worker/nar_unit.h"

namespace hnx::worker {

class Transfer {
 public:
  virtual ~Transfer() = default;
  // After the sink answered kPause. Any thread.
  virtual void Resume() = 0;
  // The sink's OnDone follows, unless it has come.
  virtual void Cancel() = 0;
};

struct FetchRequest {
  std::string url;
  std::uint64_t body_size_max = 0;
  std::optional<LostPlace> lost{};  // to be asked for there first
};

class Fetcher {
 public:
  virtual ~Fetcher() = default;
  // The sink's calls come from one other thread at a time, never from within Start.
  virtual std::shared_ptr<Transfer> Start(const FetchRequest& request,
                                          std::shared_ptr<http::DownloadSink> sink) = 0;
};

struct FetcherOptions {
  http::HttpClientOptions http;
  // file:// URLs are read below this folder only; none: refused.
  std::optional<std::filesystem::path> import_dir;
  // Redirects may lead to these hosts besides the one asked.
  std::vector<std::string> redirect_hosts;
};

// http://, https:// and, with an import folder, file://. `http` must outlive the fetcher.
std::unique_ptr<Fetcher> MakeFetcher(http::HttpClient& http, FetcherOptions options);

// What a failed download means for its NAR.
NarFailure FailureOfDownload(const http::HttpFailure& failure);

}  // namespace hnx::worker
