#include "coordinator/cli/coordinator_client.h"

#include <cstdio>
#include <iostream>
#include <utility>

#include <fmt/format.h>
#include <poll.h>

#include "cli/option.h"
#include "cli/terminal.h"
#include "coordinator/cli/client_call.h"
#include "rpc/channel.h"

namespace hnx::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSubmitDeadline{600'000};
// A stream is opened anew so often; nothing is lost, since messages carry state.
constexpr milliseconds kWatchDeadline{3'600'000};
constexpr milliseconds kReconnectPause{1'000};

void Pause(milliseconds time) {
  (void)::poll(nullptr, 0, static_cast<int>(time.count()));
}

}  // namespace

void AddClientOptions(CLI::App& command, ClientOptions& options) {
  cli::AddOption(command, "--coordinator", options.coordinators,
                 "Where the coordinator listens, HOST:PORT; again, or with commas, for more: they "
                 "are tried in turn (default: 127.0.0.1:7070)");
  access::AddClientAccess(command, options.access);
  cli::AddFlag(command, "--json", options.json, "Print JSON, one object a line");
  cli::AddDuration(command, "--patience", options.patience,
                   "How long to wait for a coordinator that went away while watching");
}

cli::ExitCode Fail(const Error& error) {
  std::cerr << "coordinator: " << cli::Printable(error.message) << '\n';
  return error.code == ErrorCode::kUnavailable ? cli::ExitCode::kUnreachable
                                               : cli::ExitCodeOf(error);
}

std::string JoinEndpoints(const std::vector<std::string>& endpoints) {
  return fmt::format("{}", fmt::join(endpoints, ","));
}

Result<CoordinatorClient> CoordinatorClient::Create(const ClientOptions& options) {
  HNX_ASSIGN_OR_RETURN(auto endpoints, rpc::ParseEndpoints(JoinEndpoints(options.coordinators)));
  HNX_ASSIGN_OR_RETURN(auto credentials, rpc::ClientCredentials::Make(options.access, endpoints));
  return CoordinatorClient(options, std::make_shared<rpc::FailoverChannels>(
                                        std::move(endpoints), std::move(credentials)));
}

bool CoordinatorClient::NextCoordinator(std::size_t first) {
  channels_->Failed(channels_->current());
  return channels_->current().number != first;
}

Result<void> CoordinatorClient::Call(const std::string& what, const UnaryCall& call) {
  const std::size_t first = channels_->current().number;
  for (;;) {
    const auto stub = pb::Coordinator::NewStub(channels_->current().channel);
    const auto context = MakeCall(kCallDeadline);
    const grpc::Status status = call(*stub, *context);
    if (status.ok()) {
      return {};
    }
    if (!IsAway(status) || !NextCoordinator(first)) {
      return ExplainFailure(status, what, endpoints_);
    }
  }
}

Result<pb::SubmitResponse> CoordinatorClient::Submit(const pb::Submission& submission,
                                                     const ListSource& list) {
  const std::size_t first = channels_->current().number;
  for (;;) {
    bool begun = false;
    bool away = false;
    auto outcome = SubmitOnce(submission, list, begun, away);
    // A list that was begun cannot be read again.
    if (outcome.has_value() || !away || begun || !NextCoordinator(first)) {
      return outcome;
    }
  }
}

Result<pb::SubmitResponse> CoordinatorClient::SubmitOnce(const pb::Submission& submission,
                                                         const ListSource& list, bool& begun,
                                                         bool& away) {
  const auto current = channels_->current();
  const auto stub = pb::Coordinator::NewStub(current.channel);
  const auto context = MakeCall(kSubmitDeadline);
  pb::SubmitResponse response;
  const auto writer = stub->Submit(context.get(), &response);
  pb::SubmitRequest request;
  *request.mutable_submission() = submission;
  request.mutable_submission()->set_marks_end_of_list(static_cast<bool>(list));
  bool open = writer->Write(request);
  Result<void> read;
  while (open && list) {
    request.Clear();
    begun = true;
    auto more = list(*request.mutable_store_paths());
    if (!more) {
      context->TryCancel();
      read = more.error();
      break;
    }
    request.set_end_of_list(!*more);
    open = writer->Write(request);
    if (!*more) {
      break;
    }
  }
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  HNX_TRY(read);
  if (!status.ok()) {
    away = IsAway(status);
    return ExplainFailure(status, "submit", endpoints_);
  }
  return response;
}

Result<pb::Release> CoordinatorClient::GetRelease(std::uint64_t release_id) {
  pb::GetReleaseRequest request;
  request.set_release_id(release_id);
  return Ask("read the release", &pb::Coordinator::Stub::GetRelease, request);
}

Result<pb::Status> CoordinatorClient::GetStatus() {
  const pb::GetStatusRequest request;
  return Ask("read the status", &pb::Coordinator::Stub::GetStatus, request);
}

Result<pb::WhyResponse> CoordinatorClient::Why(const std::string& store_path) {
  pb::WhyRequest request;
  request.set_store_path(store_path);
  return Ask("ask why", &pb::Coordinator::Stub::Why, request);
}

Result<void> CoordinatorClient::ListFailures(
    std::uint64_t release_id, const std::function<Result<void>(const pb::Failure&)>& take) {
  pb::ListFailuresRequest request;
  request.set_release_id(release_id);
  return Stream<pb::Failure>(
      "list the failures",
      [&](auto& stub, auto& context) { return stub.ListFailures(&context, request); }, take);
}

Result<void> CoordinatorClient::Watch(std::uint64_t release_id,
                                      const std::function<Result<bool>(const pb::Release&)>& take) {
  pb::GetReleaseRequest request;
  request.set_release_id(release_id);
  bool ever_answered = false;
  const std::size_t first = channels_->current().number;
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
    if (IsAway(status) && !ever_answered && NextCoordinator(first)) {
      continue;
    }
    if (!IsAway(status) || !ever_answered || away > options_.patience) {
      return ExplainFailure(status, "watch the release", endpoints_);
    }
    channels_->Failed(current);
    Pause(kReconnectPause);
  }
}

}  // namespace hnx::coordinator
