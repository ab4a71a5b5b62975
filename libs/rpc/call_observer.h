// CallObserver: is told of every call that a server answered, by a gRPC interceptor.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

#include <grpcpp/support/server_interceptor.h>

namespace hnx::rpc {

// `method`: "Synchronize", only those of registered services; `code`: the status as in ErrorCode's
// names, "ok", "unavailable". Called by gRPC's threads and pools, at once; must be quick.
using CallObserver = std::function<void(std::string_view method, std::string_view code,
                                        std::chrono::steady_clock::duration took)>;

// For ServerBuilder.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> ObserveCalls(
    CallObserver observer);

}  // namespace hnx::rpc
