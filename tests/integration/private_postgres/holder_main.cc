// Holds a private PostgreSQL until SIGINT or SIGTERM, as a coordinator does.
//
//   private_postgres_holder DIRECTORY    prints "<server pid> <adopted> <connection string>"
#include <cstdio>

#include "base/log.h"
#include "cli/stop_signal.h"
#include "coordinator/database/private_postgres.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: private_postgres_holder DIRECTORY\n", stderr);
    return 2;
  }
  hnx::cli::StopSignal stop;
  hnx::SetUpLogging("info", hnx::LogFormat::kText);
  auto postgres = hnx::coordinator::PrivatePostgres::Start({.directory = argv[1]});
  if (!postgres) {
    std::fprintf(stderr, "%s\n", postgres.error().ToString().c_str());
    return 1;
  }
  std::printf("%d %d %s\n", (*postgres)->server_pid(), (*postgres)->adopted() ? 1 : 0,
              (*postgres)->connection_string().c_str());
  std::fflush(stdout);
  (void)stop.Wait();
  (*postgres)->Stop();
  return 0;
}
