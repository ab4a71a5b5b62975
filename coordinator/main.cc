// coordinator: decides what is mirrored, fetched and published. serve and migrate are here; the
// other commands are clients of a running coordinator (cli/).
#include "cli/program.h"
#include "cli/stop_signal.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/rescan/rescan_command.h"
#include "coordinator/serve.h"

int main(int argc, char** argv) {
  hnx::cli::Program program("coordinator",
                            "Walks releases, hands work to workers, decides what is published.");

  hnx::coordinator::ServeOptions serve_options;
  CLI::App& serve = program.AddCommand(
      "serve", "Run a coordinator; several on one database work as one",
      [&] {
        // Before any thread, so that all of them inherit the blocked signals.
        hnx::cli::StopSignal stop;
        return hnx::coordinator::Serve(serve_options, stop);
      },
      "coordinator serve --data /var/lib/hypercore-nixos\n"
      "coordinator serve --database postgresql://mirror@db/mirror --listen 0.0.0.0:7070\n"
      "coordinator serve --upstream https://cache.nixos.org --upstream "
      "'https://cache.example.org?trusted-public-keys=cache.example.org-1:BASE64'");
  hnx::coordinator::AddServeOptions(serve, serve_options);

  hnx::coordinator::MigrateOptions migrate_options;
  CLI::App& migrate = program.AddCommand(
      "migrate", "Bring the database's schema up to date",
      [&] { return hnx::coordinator::RunMigrate(migrate_options); },
      "coordinator migrate --database postgresql://mirror@db/mirror --dry-run");
  hnx::coordinator::AddMigrateOptions(migrate, migrate_options);

  hnx::coordinator::AddRescanCommand(program);
  hnx::coordinator::AddClientCommands(program);
  return program.Main(argc, argv);
}
