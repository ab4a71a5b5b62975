#include "http/metrics_endpoint.h"

#include <utility>

namespace hnx::http {

std::optional<ServerResponse> AnswerHealth(std::string_view path, const MetricsRegistry& metrics,
                                           const ReadyCheck& ready) {
  if (path == "/metrics") {
    ServerResponse response;
    response.headers.push_back({"Content-Type", "text/plain; version=0.0.4; charset=utf-8"});
    response.body = metrics.Serialize();
    return response;
  }
  if (path == "/healthz") {
    return TextResponse(200, "ok\n");
  }
  if (path == "/readyz") {
    const auto is_ready = ready();
    return is_ready ? TextResponse(200, "ready\n")
                    : TextResponse(503, "not ready: " + is_ready.error().message + "\n");
  }
  return std::nullopt;
}

Result<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(const std::string& listen,
                                                                const MetricsRegistry& metrics,
                                                                ReadyCheck ready) {
  HttpServerOptions options;
  options.listen = listen;
  options.threads = 1;
  options.connections_max = 64;
  HNX_ASSIGN_OR_RETURN(auto server, HttpServer::Start(options, [&metrics, ready = std::move(ready)](
                                                                   const ServerRequest& request) {
                         auto response = AnswerHealth(request.path(), metrics, ready);
                         return response ? *std::move(response) : TextResponse(404, "404\n");
                       }));
  return std::unique_ptr<MetricsEndpoint>(new MetricsEndpoint(std::move(server)));
}

}  // namespace hnx::http
