// MetricsEndpoint: the port beside a program's work that says how it is:
//
//   /metrics   all metrics, Prometheus' text format
//   /healthz   200 while the process runs
//   /readyz    200 when `ready` says so, else 503 with its reason
//
// Says nothing else and holds no secrets.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "http/http_server.h"
#include "http/metrics.h"

namespace hnx::http {

// The error's message is the reason shown.
using ReadyCheck = std::function<Result<void>()>;

// The answer for one of the three paths, nothing for others: for programs that have a server
// already.
std::optional<ServerResponse> AnswerHealth(std::string_view path, const MetricsRegistry& metrics,
                                           const ReadyCheck& ready);

class MetricsEndpoint {
 public:
  // `metrics` must outlive the endpoint.
  static Result<std::unique_ptr<MetricsEndpoint>> Start(const std::string& listen,
                                                        const MetricsRegistry& metrics,
                                                        ReadyCheck ready);
  std::string address() const { return server_->address(); }

 private:
  explicit MetricsEndpoint(std::unique_ptr<HttpServer> server) : server_(std::move(server)) {}
  std::unique_ptr<HttpServer> server_;
};

}  // namespace hnx::http
