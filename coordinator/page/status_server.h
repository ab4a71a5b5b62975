// StatusServer: the coordinator's HTTP port, for people's browsers and for machines. Reading only.
//
//   /                  the page (assets/), with style.css, page.js and icon.svg
//   /status.json       what it shows; ETag, so that polling an unchanged state costs nothing
//   /failures.json     ?release=ID [&prefix=TEXT] [&page=TOKEN]: failed paths of a release
//   /metrics, /healthz, /readyz   as every program has them
//
// All but /failures.json is answered from the last look (OverviewService) and waits for nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "coordinator/page/overview_service.h"
#include "coordinator/store/pg_overview_store.h"
#include "http/http_server.h"
#include "http/metrics.h"
#include "http/metrics_endpoint.h"

namespace hnx::coordinator {

// Whether the database answers, and has this program's schema.
std::vector<http::ReadyItem> CoordinatorReady(const OverviewLook& look, std::int64_t now_ms);

class StatusServer {
 public:
  // All must outlive it. kInvalidArgument, kUnavailable: the address cannot be had.
  static Result<std::unique_ptr<StatusServer>> Start(const std::string& listen,
                                                     const OverviewService& overview,
                                                     PgOverviewStore& store,
                                                     const http::MetricsRegistry& metrics);
  ~StatusServer();
  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;

  // HOST:PORT with the real port.
  std::string address() const { return server_->address(); }
  void Stop() { server_->Stop(); }

 private:
  struct Rendered;

  StatusServer(const OverviewService& overview, PgOverviewStore& store,
               const http::MetricsRegistry& metrics);
  http::ServerResponse Answer(const http::ServerRequest& request);
  http::ServerResponse AnswerStatus(const http::ServerRequest& request);
  http::ServerResponse AnswerFailures(const http::ServerRequest& request) const;
  // Of the last look; made once for all who ask.
  std::shared_ptr<const Rendered> Now() HNX_EXCLUDES(mutex_);

  const OverviewService& overview_;
  PgOverviewStore& store_;
  const http::MetricsRegistry& metrics_;
  Mutex mutex_;
  std::shared_ptr<const Rendered> rendered_ HNX_GUARDED_BY(mutex_);
  std::unique_ptr<http::HttpServer> server_;
};

}  // namespace hnx::coordinator
