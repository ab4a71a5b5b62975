// DownloadInto: a resumed download consumed by the calling thread, which may block (SQL), unlike
// the client's. At most kBufferedBytesMax wait between the two.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "http/http_client.h"
#include "http/resuming_download.h"

namespace hnx::coordinator {

inline constexpr std::size_t kBufferedBytesMax = std::size_t{4} << 20U;

struct DownloadConsumer {
  // Before the first byte, and again whenever the object begins anew: forget what came.
  std::function<Result<void>()> begin;
  std::function<Result<void>(ByteView)> take;
  // Asked now and then; true ends the download with kCancelled.
  std::function<bool()> stopping;
};

// The object's size, or why it failed (the consumer's error, or the transfer's).
Result<std::uint64_t> DownloadInto(http::HttpClient& client, http::DownloadRequest request,
                                   const DownloadConsumer& consumer);

}  // namespace hnx::coordinator
