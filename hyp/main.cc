// hyp: the command line for Hyperdrives.
#include <iostream>

#include "cli/program.h"
#include "cli/terminal.h"
#include "hyp/commands.h"

namespace hnx::hyp {

cli::ExitCode Fail(const Error& error) {
  std::cerr << "hyp: " << cli::Printable(error.message) << '\n';
  return cli::ExitCodeOf(error);
}

}  // namespace hnx::hyp

int main(int argc, char** argv) {
  hnx::cli::Program program("hyp", "Makes, reads, writes and verifies Hyperdrives.");
  hnx::hyp::AddCreateCommand(program);
  hnx::hyp::AddLsCommand(program);
  hnx::hyp::AddCatCommand(program);
  hnx::hyp::AddGetCommand(program);
  hnx::hyp::AddPutCommand(program);
  hnx::hyp::AddInfoCommand(program);
  hnx::hyp::AddVerifyCommand(program);
  hnx::hyp::AddMirrorCommand(program);
  hnx::hyp::AddSeedCommand(program);
  hnx::hyp::AddShardsCommand(program);
  hnx::hyp::AddImportCommand(program);
  hnx::hyp::AddExportCommand(program);
  return program.Main(argc, argv);
}
