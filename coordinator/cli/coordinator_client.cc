#include "coordinator/cli/coordinator_client.h"

#include <cstdio>
#include <iostream>
#include <utility>

#include <fmt/format.h>
#include <poll.h>

#include "cli/option.h"
#include "cli/terminal.h"
#include "rpc/channel.h"
#include "rpc/grpc_status.h"

namespace hnx::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kCallDeadline{30'000};
constexpr milliseconds kSubmitDeadline{600'000};
constexpr milliseconds kListDeadline{600'000};
// A stream is opened anew so often; nothing is lost, since messages carry state.
constexpr milliseconds kWatchDeadline{3'600'000};
constexpr milliseconds kReconnectPause{1'000};

void Pause(milliseconds time) {
  (void)::poll(nullptr, 0, static_cast<int>(time.count()));
}

bool IsAway(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
}

Error Explain(const grpc::Status& status, const std::string& what, const std::string& endpoint) {
  Error error = rpc::FromGrpcStatus(status);
  if (IsAway(status)) {
    error.message = fmt::format(
        "no coordinator answers at {} ({}); start one with `coordinator serve`, or name another "
        "with --coordinator HOST:PORT",
        endpoint, error.message);
  }
  return error.Annotate(what);
}

}  // namespace

void AddClientOptions(CLI::App& command, ClientOptions& options) {
  cli::AddOption(
      command, "--coordinator", options.coordinator,
      "Where the coordinator listens, HOST:PORT; several, separated by commas, are tried "
      "in turn");
  cli::AddFlag(command, "--json", options.json, "Print JSON, one object a line");
  cli::AddDuration(command, "--patience", options.patience,
                   "How long to wait for a coordinator that went away while watching");
}

cli::ExitCode Fail(const Error& error) {
  std::cerr << "coordinator: " << cli::Printable(error.message) << '\n';
  return error.code == ErrorCode::kInvalidArgument ? cli::ExitCode::kUsage
                                                   : cli::ExitCode::kFailure;
}

Result<CoordinatorClient> CoordinatorClient::Create(const ClientOptions& options) {
  HNX_ASSIGN_OR_RETURN(auto endpoints, rpc::ParseEndpoints(options.coordinator));
  return CoordinatorClient(options, std::make_shared<rpc::FailoverChannels>(std::move(endpoints)));
}

// Tries each endpoint once.
template <class Response, class Call>
Result<Response> CoordinatorClient::Unary(const std::string& what, Call call) {
  const std::size_t first = channels_->current().number;
  for (;;) {
    const auto current = channels_->current();
    const auto stub = pb::Coordinator::NewStub(current.channel);
    const auto context = rpc::MakeContext(kCallDeadline);
    Response response;
    const grpc::Status status = call(*stub, *context, response);
    if (status.ok()) {
      return response;
    }
    if (IsAway(status)) {
      channels_->Failed(current);
    }
    if (!IsAway(status) || channels_->current().number == first) {
      return Explain(status, what, options_.coordinator);
    }
  }
}

Result<pb::SubmitResponse> CoordinatorClient::Submit(const pb::Submission& submission,
                                                     const ListSource& list) {
  const auto current = channels_->current();
  const auto stub = pb::Coordinator::NewStub(current.channel);
  const auto context = rpc::MakeContext(kSubmitDeadline);
  pb::SubmitResponse response;
  const auto writer = stub->Submit(context.get(), &response);
  pb::SubmitRequest request;
  *request.mutable_submission() = submission;
  bool open = writer->Write(request);
  Result<void> read;
  while (open && list) {
    request.Clear();
    auto more = list(*request.mutable_store_paths());
    if (!more) {
      context->TryCancel();
      read = more.error();
      break;
    }
    if (!*more) {
      break;
    }
    open = writer->Write(request);
  }
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  HNX_TRY(read);
  if (!status.ok()) {
    return Explain(status, "submit", options_.coordinator);
  }
  return response;
}

Result<pb::Release> CoordinatorClient::GetRelease(std::uint64_t release_id) {
  pb::GetReleaseRequest request;
  request.set_release_id(release_id);
  return Unary<pb::Release>("read the release",
                            [&](auto& stub, auto& context, pb::Release& response) {
                              return stub.GetRelease(&context, request, &response);
                            });
}

Result<pb::Status> CoordinatorClient::GetStatus() {
  const pb::GetStatusRequest request;
  return Unary<pb::Status>("read the status", [&](auto& stub, auto& context, pb::Status& response) {
    return stub.GetStatus(&context, request, &response);
  });
}

Result<pb::WhyResponse> CoordinatorClient::Why(const std::string& store_path) {
  pb::WhyRequest request;
  request.set_store_path(store_path);
  return Unary<pb::WhyResponse>("ask why",
                                [&](auto& stub, auto& context, pb::WhyResponse& response) {
                                  return stub.Why(&context, request, &response);
                                });
}

Result<void> CoordinatorClient::ListFailures(
    std::uint64_t release_id, const std::function<Result<void>(const pb::Failure&)>& take) {
  const auto current = channels_->current();
  const auto stub = pb::Coordinator::NewStub(current.channel);
  const auto context = rpc::MakeContext(kListDeadline);
  pb::ListFailuresRequest request;
  request.set_release_id(release_id);
  const auto reader = stub->ListFailures(context.get(), request);
  pb::Failure failure;
  while (reader->Read(&failure)) {
    if (auto taken = take(failure); !taken) {
      context->TryCancel();
      (void)reader->Finish();
      return taken;
    }
  }
  const grpc::Status status = reader->Finish();
  return status.ok() ? Result<void>()
                     : Result<void>(Explain(status, "list the failures", options_.coordinator));
}

Result<void> CoordinatorClient::Watch(std::uint64_t release_id,
                                      const std::function<Result<bool>(const pb::Release&)>& take) {
  pb::GetReleaseRequest request;
  request.set_release_id(release_id);
  bool ever_answered = false;
  auto last_answer = std::chrono::steady_clock::now();
  for (;;) {
    const auto current = channels_->current();
    const auto stub = pb::Coordinator::NewStub(current.channel);
    const auto context = rpc::MakeContext(kWatchDeadline);
    const auto reader = stub->WatchProgress(context.get(), request);
    pb::Release release;
    while (reader->Read(&release)) {
      ever_answered = true;
      last_answer = std::chrono::steady_clock::now();
      auto more = take(release);
      if (!more || !*more) {
        context->TryCancel();
        (void)reader->Finish();
        return more ? Result<void>() : Result<void>(more.error());
      }
    }
    const grpc::Status status = reader->Finish();
    if (status.ok()) {
      return {};
    }
    const auto away = std::chrono::steady_clock::now() - last_answer;
    if (!IsAway(status) || !ever_answered || away > options_.patience) {
      return Explain(status, "watch the release", options_.coordinator);
    }
    channels_->Failed(current);
    Pause(kReconnectPause);
  }
}

}  // namespace hnx::coordinator
