#include "coordinator/page/status_server.h"

#include <charconv>
#include <functional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "cli/json_text.h"
#include "coordinator/page/assets_embedded.h"
#include "coordinator/page/first_page.h"
#include "coordinator/page/status_json.h"

namespace hnx::coordinator {
namespace {

using http::HttpHeader;
using http::ServerRequest;
using http::ServerResponse;
using Json = nlohmann::ordered_json;

constexpr unsigned kThreads = 2;
constexpr unsigned kConnectionsMax = 512;
constexpr std::chrono::seconds kIdleTimeout{30};
constexpr std::size_t kRequestHeadMax = std::size_t{16} << 10;
// Lists of failures that are looked up at once, and that wait for it.
constexpr unsigned kLookupsMax = 2;
constexpr unsigned kLookupsWaitingMax = 64;
constexpr std::uint32_t kFailuresShown = 25;
constexpr std::size_t kPrefixMax = 300;
constexpr std::size_t kHashLength = 32;
// A look that is older says nothing of now.
constexpr std::int64_t kLookAgeMaxMs = 15'000;

// Nothing from elsewhere, no inline code, no frames: text that got through as markup could do
// nothing either.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

std::vector<HttpHeader> Headers(const char* content_type, const char* cache_control) {
  return {{"Content-Type", content_type},       {"Cache-Control", cache_control},
          {"Content-Security-Policy", kPolicy}, {"X-Content-Type-Options", "nosniff"},
          {"Referrer-Policy", "no-referrer"},   {"Cross-Origin-Opener-Policy", "same-origin"}};
}

ServerResponse WithBody(int status, const char* content_type, std::string body) {
  ServerResponse response;
  response.status = status;
  response.headers = Headers(content_type, "no-cache");
  response.body = std::move(body);
  return response;
}

ServerResponse ErrorJson(int status, const std::string& message) {
  return WithBody(status, "application/json",
                  cli::JsonLine(Json{{"schema", kStatusSchema}, {"error", message}}) + "\n");
}

using Prepared = std::shared_ptr<const http::PreparedResponse>;

Prepared MakeAsset(const char* content_type, std::string_view text) {
  return std::make_shared<const http::PreparedResponse>(200, Headers(content_type, "no-cache"),
                                                        std::string(text));
}

// Null: there is none of that name.
Prepared Asset(std::string_view path) {
  static const Prepared style = MakeAsset("text/css; charset=utf-8", assets::kStyleCss);
  static const Prepared script = MakeAsset("text/javascript; charset=utf-8", assets::kPageJs);
  static const Prepared icon = MakeAsset("image/svg+xml", assets::kIconSvg);
  return path == "/style.css"  ? style
         : path == "/page.js"  ? script
         : path == "/icon.svg" ? icon
                               : nullptr;
}

std::int64_t NowMs() {
  return Clock::Real().Wall().time_since_epoch().count();
}

bool IsPageToken(const std::string& text) {
  return text.empty() ||
         (text.size() == kHashLength &&
          text.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz") == std::string::npos);
}

// "/nix/store/HASH-NAME" and its beginnings are what people have at hand.
std::string WithoutStore(const std::string& prefix) {
  constexpr std::string_view kStore = "/nix/store/";
  return prefix.starts_with(kStore) ? prefix.substr(kStore.size()) : prefix;
}

}  // namespace

struct StatusServer::Rendered {
  std::shared_ptr<const OverviewLook> look;
  std::string etag;
  std::string status;
};

std::vector<http::ReadyItem> CoordinatorReady(const OverviewLook& look, std::int64_t now_ms) {
  std::string trouble = look.trouble;
  if (trouble.empty() && now_ms - look.at_ms > kLookAgeMaxMs) {
    trouble = fmt::format("the database has not answered for {} s", (now_ms - look.at_ms) / 1'000);
  }
  std::string lacks;
  if (look.overview == nullptr) {
    lacks = "not known yet";
  } else if (!look.overview->mirror.schema_lacks.empty()) {
    lacks = fmt::format("the database lacks {}: run `coordinator migrate`",
                        look.overview->mirror.schema_lacks);
  }
  return {{.name = "database", .reason = trouble}, {.name = "migrations", .reason = lacks}};
}

StatusServer::StatusServer(const OverviewService& overview, PgOverviewStore& store,
                           const http::MetricsRegistry& metrics)
    : overview_(overview), store_(store), metrics_(metrics) {}

StatusServer::~StatusServer() = default;

Result<std::unique_ptr<StatusServer>> StatusServer::Start(const std::string& listen,
                                                          const OverviewService& overview,
                                                          PgOverviewStore& store,
                                                          const http::MetricsRegistry& metrics) {
  std::unique_ptr<StatusServer> made(new StatusServer(overview, store, metrics));
  http::HttpServerOptions options;
  options.listen = listen;
  options.threads = kThreads;
  options.connections_max = kConnectionsMax;
  options.idle_timeout = kIdleTimeout;
  options.request_head_size_max = kRequestHeadMax;
  options.waiters_max = kLookupsMax;
  options.queue_max = kLookupsWaitingMax;
  HNX_ASSIGN_OR_RETURN(
      made->server_,
      http::HttpServer::Start(options, [server = made.get()](const ServerRequest& request) {
        return server->Answer(request);
      }));
  return made;
}

ServerResponse StatusServer::Answer(const ServerRequest& request) {
  const std::string_view path = request.path();
  if (path == "/") {
    return WithBody(200, "text/html; charset=utf-8", FirstPage(*overview_.Last()));
  }
  if (path == "/status.json") {
    return AnswerStatus(request);
  }
  if (path == "/failures.json") {
    return AnswerFailures(request);
  }
  if (Prepared asset = Asset(path)) {
    ServerResponse response;
    response.prepared = std::move(asset);
    return response;
  }
  auto health = http::AnswerHealth(path, metrics_,
                                   [this] { return CoordinatorReady(*overview_.Last(), NowMs()); });
  return health ? *std::move(health) : http::TextResponse(404, "there is no such page\n");
}

std::shared_ptr<const StatusServer::Rendered> StatusServer::Now() {
  const auto look = overview_.Last();
  MutexLock lock(mutex_);
  if (rendered_ == nullptr || rendered_->look != look) {
    auto fresh = std::make_shared<Rendered>();
    Json status = StatusJson(*look);
    fresh->look = look;
    fresh->etag = fmt::format("\"{:016x}\"", std::hash<std::string>()(cli::JsonLine(status)));
    status["generated_at_ms"] = look->at_ms;
    fresh->status = cli::JsonLine(status) + "\n";
    rendered_ = std::move(fresh);
  }
  return rendered_;
}

ServerResponse StatusServer::AnswerStatus(const ServerRequest& request) {
  const auto now = Now();
  const bool known = request.Header("If-None-Match") == now->etag;
  ServerResponse response =
      WithBody(known ? 304 : 200, "application/json", known ? std::string() : now->status);
  response.headers.push_back({"ETag", now->etag});
  // Anybody's page may show it: it holds no secrets, and nothing can be done with it.
  response.headers.push_back({"Access-Control-Allow-Origin", "*"});
  return response;
}

ServerResponse StatusServer::AnswerFailures(const ServerRequest& request) const {
  const std::string id = request.Argument("release").value_or("");
  std::int64_t release = 0;
  const auto [end, wrong] = std::from_chars(id.data(), id.data() + id.size(), release);
  if (id.empty() || wrong != std::errc() || end != id.data() + id.size() || release <= 0) {
    return ErrorJson(400, "release: the number of a release is needed");
  }
  const std::string page = request.Argument("page").value_or("");
  const std::string prefix = request.Argument("prefix").value_or("");
  if (!IsPageToken(page)) {
    return ErrorJson(400, "page: not what an answer named as its next page");
  }
  if (prefix.size() > kPrefixMax || prefix.find('\0') != std::string::npos) {
    return ErrorJson(400, "prefix: too long, or with a zero byte");
  }
  ServerResponse response;
  response.later = [this, release, page, prefix] {
    const auto found = store_.Failures(release, page, WithoutStore(prefix), kFailuresShown);
    if (!found.has_value()) {
      const int status = found.error().code == ErrorCode::kNotFound ? 404 : 503;
      return ErrorJson(status, found.error().message);
    }
    return WithBody(200, "application/json",
                    cli::JsonLine(FailuresJson(release, prefix, *found)) + "\n");
  };
  return response;
}

}  // namespace hnx::coordinator
