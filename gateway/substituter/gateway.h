// Gateway: one answer for each request, by route, and the counting of them. Knows no sockets: the
// HTTP server calls Answer from its threads.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "gateway/substituter/channel_handler.h"
#include "gateway/substituter/mirror_source.h"
#include "gateway/substituter/nar_metrics.h"
#include "gateway/substituter/narinfo_handler.h"
#include "gateway/substituter/route.h"
#include "http/http_server.h"
#include "http/metrics.h"
#include "http/metrics_endpoint.h"

namespace hnx::gateway {

struct GatewaySettings {
  int priority = 30;  // kPriorityMin..kPriorityMax
  std::uint64_t narinfo_cache_bytes_max = std::uint64_t{256} << 20;
  std::string index_id{};  // shown to people
  // Called with the hash of each narinfo that is asked for, found or not; must be fast. Any thread.
  std::function<void(std::string_view)> on_nar_info_asked{};
};

class Gateway {
 public:
  // References must outlive the gateway.
  Gateway(const MirrorSource& source, GatewaySettings settings, http::MetricsRegistry& metrics,
          http::ReadyCheck ready, const Clock& clock = Clock::Real());

  // Thread-safe. Never waits: what a source that may wait has to be asked for comes as
  // ServerResponse::later.
  http::ServerResponse Answer(const http::ServerRequest& request);
  // NARs went from this machine: narinfos are resolved anew. Thread-safe.
  void ForgetAnswers() { nar_infos_.DistrustCache(); }

 private:
  struct RouteMetrics {
    // By status: the few that we answer, and one for all others.
    std::map<int, http::MetricCounter> requests;
    http::MetricCounter bytes;
    http::MetricHistogram seconds;
  };

  http::ServerResponse AnswerNow(const http::ServerRequest& request, const Route& route,
                                 Clock::SteadyTime begin);
  void Count(const http::ServerResponse& response, const Route& route, bool is_get,
             Clock::SteadyTime begin);
  http::ServerResponse Dispatch(const http::ServerRequest& request, const Route& route);
  http::ServerResponse AnswerNar(const http::ServerRequest& request, std::string_view file);
  http::ServerResponse AnswerMirrorFile(const http::ServerRequest& request,
                                        std::string_view name) const;
  http::ServerResponse AnswerPage(const http::ServerRequest& request) const;
  RouteMetrics MakeMetrics(RouteKind kind);

  const MirrorSource& source_;
  const GatewaySettings settings_;
  http::MetricsRegistry& metrics_;
  const http::ReadyCheck ready_;
  const Clock& clock_;
  NarInfoHandler nar_infos_;
  const ChannelHandler channels_;
  const std::shared_ptr<const http::PreparedResponse> cache_info_;
  std::vector<RouteMetrics> route_metrics_;  // by RouteKind
  // Those that are streamed are counted by whoever has them.
  NarMetrics nars_held_;
  NarMetrics nars_from_nowhere_;
};

}  // namespace hnx::gateway
