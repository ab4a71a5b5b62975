// How a call of CoordinatorClient is made; included by the files that implement it.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "cli/user_identity.h"
#include "coordinator/cli/coordinator_client.h"
#include "rpc/channel.h"
#include "rpc/grpc_status.h"

namespace hnx::coordinator {

inline constexpr std::chrono::milliseconds kCallDeadline{30'000};
inline constexpr std::chrono::milliseconds kListDeadline{600'000};

// With the metadata that the coordinator's audit reads (coordinator/rpc/caller.h).
inline std::unique_ptr<grpc::ClientContext> MakeCall(std::chrono::milliseconds deadline) {
  auto context = rpc::MakeContext(deadline);
  context->AddMetadata("hnx-user", cli::UserAtHost());
  return context;
}

inline bool IsAway(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
}

inline Error ExplainFailure(const grpc::Status& status, const std::string& what,
                            const std::string& endpoint) {
  Error error = rpc::FromGrpcStatus(status);
  if (IsAway(status)) {
    error.message = fmt::format(
        "no coordinator answers at {} ({}); start one with `coordinator serve`, or name another "
        "with --coordinator HOST:PORT, or see docs/TLS.md if it is locked",
        endpoint, error.message);
  }
  return error.Annotate(what);
}

// Hands each message to `take`; an error of it ends the call. Each endpoint is tried once, as long
// as nothing came.
template <class Message, class Open>
Result<void> CoordinatorClient::Stream(const std::string& what, Open open,
                                       const std::function<Result<void>(const Message&)>& take) {
  const std::size_t first = channels_->current().number;
  for (;;) {
    const auto stub = pb::Coordinator::NewStub(channels_->current().channel);
    const auto context = MakeCall(kListDeadline);
    const auto reader = open(*stub, *context);
    Message message;
    bool begun = false;
    while (reader->Read(&message)) {
      begun = true;
      if (auto taken = take(message); !taken) {
        context->TryCancel();
        (void)reader->Finish();
        return taken;
      }
    }
    const grpc::Status status = reader->Finish();
    if (status.ok()) {
      return {};
    }
    if (begun || !IsAway(status) || !NextCoordinator(first)) {
      return ExplainFailure(status, what, endpoints_);
    }
  }
}

}  // namespace hnx::coordinator
