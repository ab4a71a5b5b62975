#include "coordinator/cli/submit_and_follow.h"

#include <iostream>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/json_text.h"
#include "coordinator/cli/release_text.h"
#include "coordinator/cli/release_watch.h"

namespace hnx::coordinator {
namespace {

std::string QueuedText(const pb::SubmitResponse& response, bool json) {
  if (json) {
    return cli::JsonLine({{"release_id", response.release_id()}, {"existed", response.existed()}});
  }
  return fmt::format(
      "Release {} {}. Follow it with `coordinator watch --release {}`.", response.release_id(),
      response.existed() ? "goes on, it was submitted before" : "is queued", response.release_id());
}

}  // namespace

Result<cli::ExitCode> SubmitAndFollow(const ClientOptions& options,
                                      const pb::Submission& submission, const ListSource& list,
                                      bool wait) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options));
  HNX_ASSIGN_OR_RETURN(const pb::SubmitResponse response, client.Submit(submission, list));
  if (!wait) {
    std::cout << QueuedText(response, options.json) << '\n';
    return cli::ExitCode::kOk;
  }
  HNX_ASSIGN_OR_RETURN(const pb::Release release,
                       WatchRelease(client, options, response.release_id(), false));
  if (!options.json) {
    std::cout << Summary(release) << '\n';
  }
  return ExitCodeOf(release);
}

}  // namespace hnx::coordinator
