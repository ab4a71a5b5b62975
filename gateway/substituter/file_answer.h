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

// kNotFound of file.open becomes 404 with the reason "bytes-gone", unless the bytes can be had from
// afar: then they are streamed, beginning when the first of them is here. May wait then.
http::ServerResponse AnswerFile(const http::ServerRequest& request, const SourceFile& file,
                                const char* content_type, const char* cache_control);

// 404, text/plain, kept by caches for at most an hour. The reason is a stable word, told in the
// header X-Hypercore-Reason.
http::ServerResponse AnswerAbsent(std::string_view reason);
// 404 that no cache keeps: it cannot be told, or had, now.
http::ServerResponse AnswerUnavailable(std::string_view reason);
// For a failure to read the mirror. What cannot be told now is AnswerUnavailable, so that the
// client goes on to its next substituter, with one of the reasons
//   no-peers     nobody who is connected has it, and no fallback
//   peers-slow   those who have it did not answer in time
//   no-head      nothing is known of the mirror yet
//   stopping     the gateway ends
//   fallback-down       the mirror lacks it, and a fallback that may have it does not answer
//   fallback-untrusted  a fallback's narinfo is not signed by a key that is trusted
// The rest is 503 (drive-unreadable): clients try again or go elsewhere; logs the cause.
http::ServerResponse AnswerBroken(const Error& cause);

// By the file's name; application/octet-stream for unknown ones.
const char* ContentTypeOf(std::string_view file_name);

}  // namespace hnx::gateway
