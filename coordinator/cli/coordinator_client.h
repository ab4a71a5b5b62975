// CoordinatorClient: the calls that people's commands make, with one error handling: a coordinator
// that is being restarted is waited for, any other failure is told in one sentence.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "access/access_options.h"
#include "base/result.h"
#include "cli/exit_code.h"
#include "hypercore_nixos/v1/coordinator.grpc.pb.h"
#include "rpc/failover_channels.h"

namespace hnx::coordinator {

namespace pb = ::hypercore_nixos::v1;

struct ClientOptions {
  std::vector<std::string> coordinators{"127.0.0.1:7070"};  // each may be several, with commas
  access::ClientAccess access;
  bool json = false;
  // How long an unreachable coordinator is waited for, once it had answered.
  std::chrono::milliseconds patience{600'000};
};

// --coordinator, --json, --patience, and those of access_options.h
void AddClientOptions(CLI::App& command, ClientOptions& options);

// "a:1", "b:2,c:3" -> "a:1,b:2,c:3"
std::string JoinEndpoints(const std::vector<std::string>& endpoints);

// Pieces of a store-paths list, one after the other; false at its end.
using ListSource = std::function<Result<bool>(std::string& piece)>;

class CoordinatorClient {
 public:
  static Result<CoordinatorClient> Create(const ClientOptions& options);

  // `list`: null for a channel. Asked from its beginning, once.
  Result<pb::SubmitResponse> Submit(const pb::Submission& submission, const ListSource& list);
  // One call, e.g. Ask("pause", &pb::Coordinator::Stub::Pause, request). Each coordinator is asked
  // once, until one answers.
  template <class Request, class Response>
  Result<Response> Ask(const std::string& what,
                       grpc::Status (pb::Coordinator::Stub::*method)(grpc::ClientContext*,
                                                                     const Request&, Response*),
                       const Request& request) {
    Response response;
    HNX_TRY(Call(what, [&](pb::Coordinator::Stub& stub, grpc::ClientContext& context) {
      return (stub.*method)(&context, request, &response);
    }));
    return response;
  }
  Result<pb::Release> GetRelease(std::uint64_t release_id);
  Result<pb::Status> GetStatus();
  Result<pb::WhyResponse> Why(const std::string& store_path);
  // Each failure as it comes; an error of `take` ends the call.
  Result<void> ListFailures(std::uint64_t release_id,
                            const std::function<Result<void>(const pb::Failure&)>& take);
  // release_client.cc: as each message comes; an error of `take` ends the call.
  Result<void> ListReleases(const std::string& channel,
                            const std::function<Result<void>(const pb::Release&)>& take);
  Result<void> ListDrives(const pb::ListDrivesRequest& request,
                          const std::function<Result<void>(const pb::Drive&)>& take);
  Result<void> DiffReleases(const pb::DiffReleasesRequest& request,
                            const std::function<Result<void>(const pb::ReleaseDifference&)>& take);
  Result<void> ReadReleaseFile(const pb::ReadReleaseFileRequest& request,
                               const std::function<Result<void>(std::string_view)>& take);
  Result<void> ListAudit(const pb::ListAuditRequest& request,
                         const std::function<Result<void>(const pb::AuditEntry&)>& take);
  Result<void> CollectGarbage(const pb::CollectGarbageRequest& request,
                              const std::function<Result<void>(const pb::GarbageReport&)>& take);
  // Each state as it comes, until `take` says that it has seen enough (false). A coordinator that
  // goes away meanwhile is waited for, at most `patience`.
  Result<void> Watch(std::uint64_t release_id,
                     const std::function<Result<bool>(const pb::Release&)>& take);

 private:
  CoordinatorClient(const ClientOptions& options, std::shared_ptr<rpc::FailoverChannels> channels)
      : options_(options),
        endpoints_(JoinEndpoints(options.coordinators)),
        channels_(std::move(channels)) {}

  using UnaryCall = std::function<grpc::Status(pb::Coordinator::Stub&, grpc::ClientContext&)>;
  Result<void> Call(const std::string& what, const UnaryCall& call);
  // Asks the next coordinator only while nothing came. client_call.h.
  template <class Message, class Open>
  Result<void> Stream(const std::string& what, Open open,
                      const std::function<Result<void>(const Message&)>& take);
  // The submission to the current coordinator; `begun` when anything of the list was read.
  Result<pb::SubmitResponse> SubmitOnce(const pb::Submission& submission, const ListSource& list,
                                        bool& begun, bool& away);
  // Goes on to the next coordinator, unless all were asked since `first`.
  bool NextCoordinator(std::size_t first);

  ClientOptions options_;
  std::string endpoints_;  // for people
  std::shared_ptr<rpc::FailoverChannels> channels_;
};

// Tells the error on stderr.
cli::ExitCode Fail(const Error& error);

}  // namespace hnx::coordinator
