// MetricsEndpoint: the port beside a program's work that says how it is:
//
//   /metrics   all metrics, Prometheus' text format
//   /healthz   200 while the process runs: {"status":"alive"}
//   /readyz    200 when all that it needs is there, else 503; which, and why not, in JSON:
//              {"status":"not ready","checks":[{"name":"drives","ready":false,"reason":"..."}]}
//
// Says nothing else and holds no secrets.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/http_server.h"
#include "http/metrics.h"

namespace hnx::http {

// One thing that a program needs to do its work.
struct ReadyItem {
  std::string name;      // stable word
  std::string reason{};  // why it is not there; empty: it is
};
// Thread-safe; must not wait.
using ReadyCheck = std::function<std::vector<ReadyItem>()>;

// As JSON, with 200 or 503.
ServerResponse ReadyResponse(const std::vector<ReadyItem>& items);

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
