// CoordinatorClient: the calls that people's commands make, with one error handling: a coordinator
// that is being restarted is waited for, any other failure is told in one sentence.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "cli/exit_code.h"
#include "hypercore_nixos/v1/coordinator.grpc.pb.h"
#include "rpc/failover_channels.h"

namespace hnx::coordinator {

namespace pb = ::hypercore_nixos::v1;

struct ClientOptions {
  std::string coordinator = "127.0.0.1:7070";
  bool json = false;
  // How long an unreachable coordinator is waited for, once it had answered.
  std::chrono::milliseconds patience{600'000};
};

// --coordinator, --json, --patience
void AddClientOptions(CLI::App& command, ClientOptions& options);

// Pieces of a store-paths list, one after the other; false at its end.
using ListSource = std::function<Result<bool>(std::string& piece)>;

class CoordinatorClient {
 public:
  static Result<CoordinatorClient> Create(const ClientOptions& options);

  // `list`: null for a channel. Asked from its beginning, once.
  Result<pb::SubmitResponse> Submit(const pb::Submission& submission, const ListSource& list);
  Result<pb::Release> GetRelease(std::uint64_t release_id);
  Result<pb::Status> GetStatus();
  Result<pb::WhyResponse> Why(const std::string& store_path);
  // Each failure as it comes; an error of `take` ends the call.
  Result<void> ListFailures(std::uint64_t release_id,
                            const std::function<Result<void>(const pb::Failure&)>& take);
  // Each state as it comes, until `take` says that it has seen enough (false). A coordinator that
  // goes away meanwhile is waited for, at most `patience`.
  Result<void> Watch(std::uint64_t release_id,
                     const std::function<Result<bool>(const pb::Release&)>& take);

 private:
  CoordinatorClient(const ClientOptions& options, std::shared_ptr<rpc::FailoverChannels> channels)
      : options_(options), channels_(std::move(channels)) {}

  template <class Response, class Call>
  Result<Response> Unary(const std::string& what, Call call);

  ClientOptions options_;
  std::shared_ptr<rpc::FailoverChannels> channels_;
};

// Tells the error on stderr.
cli::ExitCode Fail(const Error& error);

}  // namespace hnx::coordinator
