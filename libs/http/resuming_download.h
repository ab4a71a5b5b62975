// ResumingDownload: one object into a sink, over as many broken connections as it takes.
//
// A sink hashes and decodes as bytes come, so it cannot roll back. A broken transfer is therefore
// continued with `Range: bytes=N-` and `If-Range` exactly behind the bytes that the sink has taken,
// and only when the answer proves to be the same object: 206, Content-Range starting at N with the
// same total, the same ETag or, without one, the same Last-Modified. Otherwise (200, another
// validator, a wrong range, multipart) the sink is told to restart from nothing.
//
// Waits between attempts grow and are jittered; an attempt that brought bytes starts the count
// anew. 429 and 503 end the download with their Retry-After: slowing down concerns the whole
// upstream and is the caller's decision.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/retry_policy.h"
#include "http/http_client.h"

namespace hnx::http {

struct DownloadRequest {
  std::string url{};
  std::uint64_t body_size_max = 0;
  std::vector<std::string> redirect_hosts{};
  EncodingPolicy encoding = EncodingPolicy::kRefuse;
  RetryPolicy retry{};    // attempts_max: attempts in a row without a new byte
  int restarts_max = 3;   // times that the sink may be sent back to the beginning
  int resumes_max = 100;  // attempts in all
};

struct DownloadOutcome {
  std::uint64_t body_bytes = 0;      // of the object, when there is no failure
  std::uint64_t received_bytes = 0;  // over the wire, repeated parts included
  int attempts = 0;
  int restarts = 0;
  std::string etag;
  std::optional<HttpFailure> failure;
};

// Called by the client's thread, never concurrently; no method may block.
class DownloadSink {
 public:
  virtual ~DownloadSink() = default;
  // Before the first byte, and again after each restart: the size of the whole object, if told.
  virtual Result<void> OnObject(std::optional<std::uint64_t> /*size_bytes*/) { return {}; }
  // Forget everything: the object comes again from its first byte. An error ends the download.
  virtual Result<void> OnRestart() = 0;
  // kPause: this chunk is taken, no more until ResumingDownload::Resume.
  virtual Result<DataVerdict> OnData(ByteView chunk) = 0;
  // Exactly once, last.
  virtual void OnDone(DownloadOutcome outcome) = 0;
};

class ResumingDownload {
 public:
  // `client` must outlive the download, which ends by itself even if the returned handle is
  // dropped.
  static std::shared_ptr<ResumingDownload> Start(HttpClient& client, DownloadRequest request,
                                                 std::shared_ptr<DownloadSink> sink);
  virtual ~ResumingDownload() = default;

  // Any thread.
  virtual void Resume() = 0;
  // The sink's OnDone follows with kCancelled, unless the download had ended.
  virtual void Cancel() = 0;
};

}  // namespace hnx::http
