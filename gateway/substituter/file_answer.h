// The answer that carries a file of the mirror: whole, a range, "not modified", or gone. Bytes go
// out exactly as they are stored: never a Content-Encoding.
#pragma once

#include <string>
#include <string_view>

#include "gateway/substituter/mirror_source.h"
#include "http/http_server.h"

namespace hnx::gateway {

inline constexpr const char* kCacheForEver = "public, max-age=31536000, immutable";
inline constexpr const char* kCacheForAnHour = "public, max-age=3600";
inline constexpr const char* kCacheForAMinute = "public, max-age=60";

// kNotFound of file.open becomes 404 with the reason "bytes-gone".
http::ServerResponse AnswerFile(const http::ServerRequest& request, const SourceFile& file,
                                const char* content_type, const char* cache_control);

// 404, text/plain, kept by caches for at most an hour. The reason is a stable word, told in the
// header X-Hypercore-Reason.
http::ServerResponse AnswerAbsent(std::string_view reason);
// 503 for a drive that cannot be read: clients try again or go elsewhere. Logs the cause.
http::ServerResponse AnswerBroken(const Error& cause);

// By the file's name; application/octet-stream for unknown ones.
const char* ContentTypeOf(std::string_view file_name);

}  // namespace hnx::gateway
