#include "gateway/substituter/file_answer.h"

#include <array>
#include <utility>

#include "base/log.h"
#include "gateway/substituter/byte_range.h"

namespace hnx::gateway {
namespace {

using http::ServerRequest;
using http::ServerResponse;

// One of the ETags listed, or `*`. Weak comparison: `W/"x"` names the same bytes as `"x"` here.
bool Matches(std::string_view list, std::string_view etag) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    auto one = http::TrimBlanks(list.substr(0, comma));
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    if (one.substr(0, 2) == "W/") {
      one.remove_prefix(2);
    }
    if (one == "*" || one == etag) {
      return true;
    }
  }
  return false;
}

RangeAnswer RangeOf(const ServerRequest& request, const SourceFile& file) {
  const auto range = request.Header("Range");
  const auto condition = request.Header("If-Range");
  if (!range || (condition && http::TrimBlanks(*condition) != file.etag)) {
    return {RangeVerdict::kWhole, 0, file.size_bytes};
  }
  return EvaluateRange(*range, file.size_bytes);
}

void Cut(http::FileRegion& region, const RangeAnswer& range) {
  region.offset += range.first;
  region.length = range.length;
}

// `response` has its head.
ServerResponse AnswerFromAfar(const ServerRequest& request, const SourceFile& file,
                              const RangeAnswer& range, ServerResponse response) {
  const auto ready = request.method() == http::HttpMethod::kHead ? file.far->CheckAvailable()
                                                                 : file.far->Begin(range.first);
  if (!ready) {
    return AnswerBroken(ready.error());
  }
  response.stream = http::StreamedBody{
      range.length, [far = file.far, range](http::BodyPipe& body) -> Result<void> {
        return far->Write(range.first, range.length, body);
      }};
  return response;
}

// `response` has its head; `region` keeps the bytes from being cleared meanwhile.
ServerResponse AnswerChecked(const ServerRequest& request, const SourceFile& file,
                             const RangeAnswer& range, http::FileRegion region,
                             ServerResponse response) {
  if (request.method() != http::HttpMethod::kHead && range.length > 0) {
    // Before anything is promised.
    if (const auto first =
            file.read(range.first, 1, [](ByteView /*byte*/) -> Result<void> { return {}; });
        !first) {
      return AnswerBroken(first.error());
    }
  }
  response.stream = http::StreamedBody{
      range.length,
      [read = file.read, range, held = std::make_shared<http::FileRegion>(std::move(region))](
          http::BodyPipe& body) -> Result<void> {
        bool damaged = true;
        auto sent = read(range.first, range.length, [&](ByteView piece) -> Result<void> {
          const auto written = body.Write(piece);
          damaged = written.has_value();
          return written;
        });
        if (!sent && damaged) {
          Log("gateway")->error("{}; the answer ends here", sent.error().ToString());
        }
        return sent;
      }};
  return response;
}

const char* ReasonFor(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnavailable:
      return "no-peers";
    case ErrorCode::kDeadlineExceeded:
      return "peers-slow";
    case ErrorCode::kFailedPrecondition:
      return "no-head";
    case ErrorCode::kCancelled:
      return "stopping";
    case ErrorCode::kAborted:
      return "fallback-down";
    case ErrorCode::kUnauthenticated:
      return "fallback-untrusted";
    default:
      return nullptr;
  }
}

}  // namespace

ServerResponse AnswerFile(const ServerRequest& request, const SourceFile& file,
                          const char* content_type, const char* cache_control) {
  auto region = file.open();
  if (!region && (region.error().code != ErrorCode::kNotFound || file.far == nullptr)) {
    return region.error().code == ErrorCode::kNotFound ? AnswerAbsent("bytes-gone")
                                                       : AnswerBroken(region.error());
  }
  ServerResponse response;
  response.headers = {{"Content-Type", content_type},
                      {"Cache-Control", cache_control},
                      {"ETag", file.etag},
                      {"Accept-Ranges", "bytes"}};
  if (const auto known = request.Header("If-None-Match"); known && Matches(*known, file.etag)) {
    response.status = 304;
    return response;
  }
  const RangeAnswer range = RangeOf(request, file);
  const std::string size = std::to_string(file.size_bytes);
  if (range.verdict == RangeVerdict::kUnsatisfiable) {
    response = http::TextResponse(416, "the range lies behind the end\n");
    response.headers.push_back({"Content-Range", "bytes */" + size});
    return response;
  }
  if (range.verdict == RangeVerdict::kPart) {
    response.status = 206;
    response.headers.push_back(
        {"Content-Range", "bytes " + std::to_string(range.first) + "-" +
                              std::to_string(range.first + range.length - 1) + "/" + size});
  }
  if (!region) {
    return AnswerFromAfar(request, file, range, std::move(response));
  }
  if (file.read) {
    return AnswerChecked(request, file, range, *std::move(region), std::move(response));
  }
  Cut(*region, range);
  response.file = *std::move(region);
  return response;
}

ServerResponse AnswerAbsent(std::string_view reason) {
  auto response = http::TextResponse(404, "404 " + std::string(reason) + "\n");
  response.headers.push_back({"Cache-Control", kCacheForAnHour});
  response.headers.push_back({"X-Hypercore-Reason", std::string(reason)});
  return response;
}

ServerResponse AnswerUnavailable(std::string_view reason) {
  auto response = http::TextResponse(404, "404 " + std::string(reason) + "\n");
  response.headers.push_back({"Cache-Control", "no-store"});
  response.headers.push_back({"X-Hypercore-Reason", std::string(reason)});
  return response;
}

ServerResponse AnswerBroken(const Error& cause) {
  if (const char* reason = ReasonFor(cause.code)) {
    Log("gateway")->debug("{}", cause.ToString());
    return AnswerUnavailable(reason);
  }
  Log("gateway")->error("{}", cause.ToString());
  auto response = http::TextResponse(503, "503 drive-unreadable\n");
  response.headers.push_back({"Cache-Control", "no-store"});
  response.headers.push_back({"X-Hypercore-Reason", "drive-unreadable"});
  return response;
}

const char* ContentTypeOf(std::string_view file_name) {
  static constexpr std::array<std::pair<std::string_view, const char*>, 6> kTypes = {{
      {".nar.xz", "application/x-nix-nar"},
      {".nar.zst", "application/x-nix-nar"},
      {".json", "application/json"},
      {".txt", "text/plain; charset=utf-8"},
      {".xz", "application/x-xz"},
      {".zst", "application/zstd"},
  }};
  for (const auto& [end, type] : kTypes) {
    if (file_name.size() > end.size() && file_name.substr(file_name.size() - end.size()) == end) {
      return type;
    }
  }
  return "application/octet-stream";
}

}  // namespace hnx::gateway
