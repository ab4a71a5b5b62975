// The calls of CoordinatorClient that list: releases that come and go, channels, drives.
#include "coordinator/cli/client_call.h"
#include "coordinator/cli/coordinator_client.h"

namespace hnx::coordinator {

Result<void> CoordinatorClient::ListReleases(
    const std::string& channel, const std::function<Result<void>(const pb::Release&)>& take) {
  pb::ListReleasesRequest request;
  request.set_channel(channel);
  return Stream<pb::Release>(
      "list the releases",
      [&](auto& stub, auto& context) { return stub.ListReleases(&context, request); }, take);
}

Result<void> CoordinatorClient::ListDrives(
    const pb::ListDrivesRequest& request,
    const std::function<Result<void>(const pb::Drive&)>& take) {
  return Stream<pb::Drive>(
      "list the drives",
      [&](auto& stub, auto& context) { return stub.ListDrives(&context, request); }, take);
}

Result<void> CoordinatorClient::DiffReleases(
    const pb::DiffReleasesRequest& request,
    const std::function<Result<void>(const pb::ReleaseDifference&)>& take) {
  return Stream<pb::ReleaseDifference>(
      "compare the releases",
      [&](auto& stub, auto& context) { return stub.DiffReleases(&context, request); }, take);
}

Result<void> CoordinatorClient::ReadReleaseFile(
    const pb::ReadReleaseFileRequest& request,
    const std::function<Result<void>(std::string_view)>& take) {
  return Stream<pb::ReleaseFileChunk>(
      "read " + request.file(),
      [&](auto& stub, auto& context) { return stub.ReadReleaseFile(&context, request); },
      [&](const pb::ReleaseFileChunk& chunk) { return take(chunk.data()); });
}

Result<void> CoordinatorClient::ListAudit(
    const pb::ListAuditRequest& request,
    const std::function<Result<void>(const pb::AuditEntry&)>& take) {
  return Stream<pb::AuditEntry>(
      "list the audit",
      [&](auto& stub, auto& context) { return stub.ListAudit(&context, request); }, take);
}

Result<void> CoordinatorClient::CollectGarbage(
    const pb::CollectGarbageRequest& request,
    const std::function<Result<void>(const pb::GarbageReport&)>& take) {
  return Stream<pb::GarbageReport>(
      "collect garbage",
      [&](auto& stub, auto& context) { return stub.CollectGarbage(&context, request); }, take);
}

}  // namespace hnx::coordinator
