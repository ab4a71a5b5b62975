// coordinator: decides what is mirrored, fetched and published. serve, migrate and doctor are here;
// the other commands are clients of a running coordinator (cli/).
#include "cli/program.h"
#include "cli/stop_signal.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/doctor.h"
#include "coordinator/make_token.h"
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
      "coordinator serve --database postgresql://mirror@db/mirror --listen 0.0.0.0:7070 "
      "--tls-cert tls/coordinator.crt --tls-key tls/coordinator.key --tls-ca tls/ca.crt\n"
      "coordinator serve --upstream https://cache.nixos.org --upstream "
      "'https://cache.example.org?trusted-public-keys=cache.example.org-1:BASE64'");
  hnx::coordinator::AddServeOptions(serve, serve_options);

  hnx::coordinator::MigrateOptions migrate_options;
  CLI::App& migrate = program.AddCommand(
      "migrate", "Bring the database's schema up to date",
      [&] { return hnx::coordinator::RunMigrate(migrate_options); },
      "coordinator migrate --database postgresql://mirror@db/mirror --dry-run");
  hnx::coordinator::AddMigrateOptions(migrate, migrate_options);

  hnx::coordinator::DoctorOptions doctor_options;
  CLI::App& doctor = program.AddCommand(
      "doctor",
      "Find what keeps a coordinator from working, and say what to do. Exit code 1: a fault; 3:\n"
      "only warnings",
      [&] { return hnx::coordinator::RunDoctor(doctor_options); },
      "coordinator doctor --data /var/lib/hypercore-nixos\n"
      "coordinator doctor --database postgresql://mirror@db/mirror --listen 0.0.0.0:7070\n"
      "coordinator doctor --path /nix/store/...-hello-2.12 --json",
      hnx::cli::kCheckingExits);
  hnx::coordinator::AddDoctorOptions(doctor, doctor_options);

  hnx::coordinator::AddMakeTokenCommand(program);
  hnx::coordinator::AddRescanCommand(program);
  hnx::coordinator::AddClientCommands(program);
  return program.Main(argc, argv);
}
