#include "gateway/substituter/gateway.h"

#include <algorithm>
#include <utility>

#include "gateway/substituter/file_answer.h"
#include "gateway/substituter/pages.h"

namespace hnx::gateway {

using http::ServerRequest;
using http::ServerResponse;

namespace {

// Of a request, what the handlers look at; for answers that are found when it is gone.
class KeptRequest final : public ServerRequest {
 public:
  explicit KeptRequest(const ServerRequest& request)
      : method_(request.method()), path_(request.path()) {
    for (const char* name : {"Range", "If-Range", "If-None-Match", "Host"}) {
      if (const auto value = request.Header(name)) {
        headers_.emplace(name, *value);
      }
    }
  }
  http::HttpMethod method() const override { return method_; }
  std::string_view path() const override { return path_; }
  std::optional<std::string_view> Header(const char* name) const override {
    const auto found = headers_.find(name);
    return found == headers_.end() ? std::nullopt : std::optional<std::string_view>(found->second);
  }

 private:
  const http::HttpMethod method_;
  const std::string path_;
  std::map<std::string, std::string> headers_;
};

// Counts what is not among the few that we answer.
constexpr int kOtherStatus = 0;

bool AsksSource(RouteKind kind) {
  switch (kind) {
    case RouteKind::kNarInfo:
    case RouteKind::kNar:
    case RouteKind::kChannel:
    case RouteKind::kChannelEntry:
    case RouteKind::kReleaseFile:
    case RouteKind::kMirrorFile:
    case RouteKind::kPage:
      return true;
    case RouteKind::kCacheInfo:
    case RouteKind::kHealth:
    case RouteKind::kNotServed:
    case RouteKind::kBad:
      break;
  }
  return false;
}

}  // namespace

Gateway::Gateway(const MirrorSource& source, GatewaySettings settings,
                 http::MetricsRegistry& metrics, http::ReadyCheck ready, const Clock& clock)
    : source_(source),
      settings_(std::move(settings)),
      metrics_(metrics),
      ready_(std::move(ready)),
      clock_(clock),
      nar_infos_(source, settings_.narinfo_cache_bytes_max, clock, metrics),
      channels_(source),
      cache_info_(std::make_shared<const http::PreparedResponse>(
          200,
          std::vector<http::HttpHeader>{{"Content-Type", "text/x-nix-cache-info"},
                                        {"Cache-Control", kCacheForAnHour}},
          CacheInfoText(std::clamp(settings_.priority, kPriorityMin, kPriorityMax)))),
      nars_held_(metrics, "held"),
      nars_from_nowhere_(metrics, "none") {
  for (int kind = 0; kind < kRouteKinds; ++kind) {
    route_metrics_.push_back(MakeMetrics(static_cast<RouteKind>(kind)));
  }
}

Gateway::RouteMetrics Gateway::MakeMetrics(RouteKind kind) {
  const std::string handler(RouteName(kind));
  RouteMetrics made{{},
                    metrics_.Counter("hnx_gateway_response_bytes_total",
                                     "Bytes of the bodies of answers", {{"handler", handler}}),
                    metrics_.Histogram("hnx_gateway_request_seconds",
                                       "Time to find an answer, without sending it",
                                       http::LatencyBounds(), {{"handler", handler}})};
  for (const int status : {200, 206, 302, 304, 404, 416, 503}) {
    made.requests.emplace(
        status, metrics_.Counter("hnx_gateway_requests_total", "Requests answered",
                                 {{"handler", handler}, {"code", std::to_string(status)}}));
  }
  made.requests.emplace(kOtherStatus,
                        metrics_.Counter("hnx_gateway_requests_total", "Requests answered",
                                         {{"handler", handler}, {"code", "other"}}));
  return made;
}

ServerResponse Gateway::Answer(const ServerRequest& request) {
  const auto begin = clock_.Steady();
  const Route route = ParseRoute(request.path());
  if (route.kind == RouteKind::kNarInfo && settings_.on_nar_info_asked) {
    settings_.on_nar_info_asked(route.first);
  }
  if (!source_.may_wait() || !AsksSource(route.kind)) {
    return AnswerNow(request, route, begin);
  }
  if (route.kind == RouteKind::kNarInfo) {
    if (auto answer = nar_infos_.AnswerFromMemory(route.first)) {
      Count(*answer, route, request.method() == http::HttpMethod::kGet, begin);
      return *std::move(answer);
    }
  }
  ServerResponse response;
  response.later = [this, kept = std::make_shared<const KeptRequest>(request), begin] {
    return AnswerNow(*kept, ParseRoute(kept->path()), begin);
  };
  return response;
}

ServerResponse Gateway::AnswerNow(const ServerRequest& request, const Route& route,
                                  Clock::SteadyTime begin) {
  auto response = Dispatch(request, route);
  Count(response, route, request.method() == http::HttpMethod::kGet, begin);
  return response;
}

void Gateway::Count(const ServerResponse& response, const Route& route, bool is_get,
                    Clock::SteadyTime begin) {
  auto& measured = route_metrics_.at(static_cast<std::size_t>(route.kind));
  const auto counter = measured.requests.find(response.effective_status());
  (counter != measured.requests.end() ? counter->second : measured.requests.at(kOtherStatus)).Add();
  if (is_get) {
    measured.bytes.Add(static_cast<double>(response.body_bytes()));
  }
  measured.seconds.Observe(std::chrono::duration<double>(clock_.Steady() - begin).count());
}

ServerResponse Gateway::Dispatch(const ServerRequest& request, const Route& route) {
  switch (route.kind) {
    case RouteKind::kCacheInfo: {
      ServerResponse response;
      response.prepared = cache_info_;
      return response;
    }
    case RouteKind::kNarInfo:
      return nar_infos_.Answer(route.first);
    case RouteKind::kNar:
      return AnswerNar(request, route.first);
    case RouteKind::kChannel:
      return channels_.AnswerChannel(route.first);
    case RouteKind::kChannelEntry:
      return channels_.AnswerEntry(request, route.first, route.second);
    case RouteKind::kReleaseFile:
      return channels_.AnswerFileOf(request, route.first, route.second, route.third);
    case RouteKind::kMirrorFile:
      return AnswerMirrorFile(request, route.first);
    case RouteKind::kHealth: {
      auto answer = http::AnswerHealth(request.path(), metrics_, ready_);
      return answer ? *std::move(answer) : AnswerAbsent("bad-path");
    }
    case RouteKind::kPage:
      return AnswerPage(request);
    case RouteKind::kNotServed:
      return AnswerAbsent("not-served");
    case RouteKind::kBad:
      break;
  }
  return AnswerAbsent("bad-path");
}

ServerResponse Gateway::AnswerNar(const ServerRequest& request, std::string_view file) {
  const auto nar = source_.Nar(file);
  if (!nar) {
    return AnswerBroken(nar.error());
  }
  if (!*nar) {
    nars_from_nowhere_.answers.Add();
    return AnswerAbsent("unknown-nar");
  }
  auto response = AnswerFile(request, **nar, "application/x-nix-nar", kCacheForEver);
  const bool is_body = response.status == 200 || response.status == 206;
  if (is_body && (response.file || (*nar)->read)) {
    nars_held_.answers.Add();
    nars_held_.bytes.Add(static_cast<double>(response.body_bytes()));
  } else if (!is_body && response.status != 304 && response.status != 416) {
    nars_from_nowhere_.answers.Add();
  }
  if (response.status == 404) {
    nar_infos_.DistrustCache();
  }
  return response;
}

ServerResponse Gateway::AnswerMirrorFile(const ServerRequest& request,
                                         std::string_view name) const {
  const auto file = source_.File("/" + std::string(name));
  if (!file) {
    return AnswerBroken(file.error());
  }
  return *file ? AnswerFile(request, **file, ContentTypeOf(name), kCacheForAMinute)
               : AnswerAbsent("nothing-published");
}

ServerResponse Gateway::AnswerPage(const ServerRequest& request) const {
  ServerResponse response;
  response.headers = {{"Content-Type", "text/html; charset=utf-8"},
                      {"Cache-Control", kCacheForAMinute},
                      {"Content-Security-Policy", "default-src 'none'"}};
  response.body = HomePage(source_, request.Header("Host").value_or(""), settings_.index_id);
  return response;
}

}  // namespace hnx::gateway
