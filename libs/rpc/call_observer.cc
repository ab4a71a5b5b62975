#include "rpc/call_observer.h"

#include <string>
#include <utility>

#include "base/clock.h"
#include "rpc/grpc_status.h"

namespace hnx::rpc {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerInterceptorFactoryInterface;
using grpc::experimental::ServerRpcInfo;

// "/hypercore_nixos.v1.Coordinator/GetStatus" -> "GetStatus"
std::string MethodName(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

class ObservingInterceptor final : public Interceptor {
 public:
  ObservingInterceptor(const CallObserver& observer, const ServerRpcInfo& info)
      : observer_(observer), method_(MethodName(info.method())) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = methods->GetSendStatus();
      const int code = static_cast<int>(status.error_code());
      observer_(method_, status.ok() ? "OK" : ErrorCodeName(ErrorCodeFromNumber(code)),
                Clock::Real().Steady() - began_);
    }
    methods->Proceed();
  }

 private:
  const CallObserver& observer_;  // the factory's, which outlives its calls
  const std::string method_;
  const Clock::SteadyTime began_ = Clock::Real().Steady();
};

class ObservingFactory final : public ServerInterceptorFactoryInterface {
 public:
  explicit ObservingFactory(CallObserver observer) : observer_(std::move(observer)) {}

  Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    return new ObservingInterceptor(observer_, *info);  // gRPC owns it
  }

 private:
  const CallObserver observer_;
};

}  // namespace

std::unique_ptr<ServerInterceptorFactoryInterface> ObserveCalls(CallObserver observer) {
  return std::make_unique<ObservingFactory>(std::move(observer));
}

}  // namespace hnx::rpc
