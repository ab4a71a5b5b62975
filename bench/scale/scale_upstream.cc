// scale_upstream: the upstream of bench/scale/run. Says in one line of JSON where it listens, which
// key signs its narinfos and what its releases are; serves until it is told to stop.
#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "bench/scale/synthetic_upstream.h"
#include "cli/option.h"
#include "cli/program.h"
#include "cli/stop_signal.h"

namespace hnx::bench {
namespace {

struct Flags {
  http::HttpServerOptions server{.listen = "127.0.0.1:0"};
  std::string data = ".";
  std::uint64_t paths = 300'000;
  std::uint64_t changed = 15'000;
  std::uint64_t seed = 11;
};

cli::ExitCode Fail(const Error& error) {
  Log("upstream")->error("{}", error.ToString());
  return cli::ExitCode::kFailure;
}

cli::ExitCode Serve(const Flags& flags) {
  if (flags.paths == 0 || flags.changed > flags.paths) {
    return Fail(InvalidArgument("--changed is more than --paths, or there are no paths"));
  }
  cli::StopSignal stop;
  const GeneratedCache cache(flags.seed, flags.paths, flags.changed);
  const auto upstream = SyntheticUpstream::Make(cache, flags.data);
  if (!upstream) {
    return Fail(upstream.error());
  }
  const auto server = http::HttpServer::Start(
      flags.server, [&](const http::ServerRequest& request) { return upstream->Answer(request); });
  if (!server) {
    return Fail(server.error());
  }
  const nlohmann::json says{{"listening", {(*server)->address()}},
                            {"public_key", cache.public_key()}};
  std::cout << says.dump() << '\n' << std::flush;
  (void)stop.Wait();
  return cli::ExitCode::kOk;
}

}  // namespace
}  // namespace hnx::bench

int main(int argc, char** argv) {
  hnx::bench::Flags flags;
  hnx::cli::Program program("scale_upstream", "Plays a channel and a binary cache of any size.");
  CLI::App& serve = program.AddCommand(
      "serve", "Serve until told to stop", [&] { return hnx::bench::Serve(flags); },
      "scale_upstream serve --paths 1000000 --changed 50000 --data /tmp/upstream");
  hnx::cli::AddOption(serve, "--listen", flags.server.listen, "Address; port 0 takes a free one");
  hnx::cli::AddOption(serve, "--threads", flags.server.threads, "Threads that answer");
  hnx::cli::AddOption(serve, "--data", flags.data, "Folder for the lists of store paths");
  hnx::cli::AddOption(serve, "--paths", flags.paths, "Store paths of each of its two releases");
  hnx::cli::AddOption(serve, "--changed", flags.changed, "Of those, that the second one changed");
  hnx::cli::AddOption(serve, "--seed", flags.seed, "Other paths with another one");
  return program.Main(argc, argv);
}
