#include "rpc/grpc_log.h"

#include <algorithm>
#include <memory>
#include <mutex>

#include <fmt/format.h>
#include <grpc/support/log.h>

#include "base/log.h"

namespace hnx::rpc {
namespace {

// Both outlive every thread of gRPC's, some of which are still there when statics go.
struct Sink {
  GrpcLogLimit limit;
  std::shared_ptr<spdlog::logger> logger = Log("grpc");
};
Sink* sink = nullptr;

// gRPC's "error" is a connection that failed, and mostly somebody else's fault.
spdlog::level::level_enum LevelOf(gpr_log_severity severity) {
  switch (severity) {
    case GPR_LOG_SEVERITY_DEBUG:
      return spdlog::level::debug;
    case GPR_LOG_SEVERITY_INFO:
      return spdlog::level::info;
    case GPR_LOG_SEVERITY_ERROR:
      break;
  }
  return spdlog::level::warn;
}

void WriteLine(gpr_log_func_args* line) {
  const auto left_out = sink->limit.Admit(line->file, line->line, Clock::Real().Steady());
  if (!left_out) {
    return;
  }
  sink->logger->log(LevelOf(line->severity), "{} ({} others like it before)",
                    GrpcLogText(line->file, line->line, line->message), *left_out);
}

}  // namespace

std::optional<std::uint64_t> GrpcLogLimit::Admit(std::string_view file, int line,
                                                 Clock::SteadyTime now) {
  const std::pair<std::string, int> name(file, line);
  MutexLock lock(mutex_);
  auto found = places_.find(name);
  if (found == places_.end() && places_.size() >= kGrpcLogPlacesMax) {
    found = places_.find({});
  }
  if (found == places_.end()) {
    const bool last = places_.size() + 1 >= kGrpcLogPlacesMax;
    places_.emplace(last ? std::pair<std::string, int>() : name, Place{.written = now});
    return 0;
  }
  Place& place = found->second;
  if (now - place.written < kGrpcLogInterval) {
    ++place.left_out;
    return std::nullopt;
  }
  place.written = now;
  return std::exchange(place.left_out, 0);
}

std::string GrpcLogText(std::string_view file, int line, std::string_view message) {
  std::string text = fmt::format("{}:{}: {}", file.substr(file.rfind('/') + 1), line,
                                 message.substr(0, kGrpcLogMessageBytesMax));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

void RouteGrpcLog() {
  static std::once_flag once;
  std::call_once(once, [] {
    sink = std::make_unique<Sink>().release();
    ::gpr_set_log_function(&WriteLine);
  });
}

}  // namespace hnx::rpc
