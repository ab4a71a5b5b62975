#include "http/metrics_endpoint.h"

#include <utility>

#include <nlohmann/json.hpp>

namespace hnx::http {
namespace {

using Json = nlohmann::ordered_json;

ServerResponse JsonResponse(int status, const Json& value) {
  ServerResponse response;
  response.status = status;
  response.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}};
  response.body = value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return response;
}

}  // namespace

ServerResponse ReadyResponse(const std::vector<ReadyItem>& items) {
  bool all = true;
  Json checks = Json::array();
  for (const ReadyItem& item : items) {
    const bool ready = item.reason.empty();
    all = all && ready;
    checks.push_back({{"name", item.name}, {"ready", ready}, {"reason", item.reason}});
  }
  return JsonResponse(all ? 200 : 503,
                      {{"status", all ? "ready" : "not ready"}, {"checks", checks}});
}

std::optional<ServerResponse> AnswerHealth(std::string_view path, const MetricsRegistry& metrics,
                                           const ReadyCheck& ready) {
  if (path == "/metrics") {
    ServerResponse response;
    response.headers.push_back({"Content-Type", "text/plain; version=0.0.4; charset=utf-8"});
    response.body = metrics.Serialize();
    return response;
  }
  if (path == "/healthz") {
    return JsonResponse(200, {{"status", "alive"}});
  }
  if (path == "/readyz") {
    return ReadyResponse(ready());
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
