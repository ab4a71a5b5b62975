// The commands of hyp, one file each. Add... puts a command into the program; its options live as
// long as the program does.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/exit_code.h"
#include "cli/program.h"

namespace hnx::hyp {

void AddCreateCommand(cli::Program& program);
void AddLsCommand(cli::Program& program);
void AddCatCommand(cli::Program& program);
void AddGetCommand(cli::Program& program);
void AddPutCommand(cli::Program& program);
void AddInfoCommand(cli::Program& program);
void AddExportCommand(cli::Program& program);
void AddImportCommand(cli::Program& program);
void AddMirrorCommand(cli::Program& program);
void AddSeedCommand(cli::Program& program);
void AddShardsCommand(cli::Program& program);
void AddVerifyCommand(cli::Program& program);

// Says on stderr what failed, and gives the exit code for it: kUsage for a wrong address or option,
// kUnreachable when nobody gave what is not here, else kFailure.
cli::ExitCode Fail(const Error& error);

}  // namespace hnx::hyp
