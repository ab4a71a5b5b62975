// The commands of `coordinator` that are clients of a running coordinator: submit, plan, status,
// watch, failures, why, import, pause, resume, cancel, priority, workers, drain, undrain. One file
// each; what they share is in coordinator_client, selection and release_*.
#pragma once

#include "cli/program.h"

namespace hnx::coordinator {

// All of them. To be called once, before Program::Main.
void AddClientCommands(cli::Program& program);

void AddSubmitCommand(cli::Program& program);
void AddPlanCommand(cli::Program& program);
void AddStatusCommand(cli::Program& program);
void AddWatchCommand(cli::Program& program);
void AddFailuresCommand(cli::Program& program);
void AddWhyCommand(cli::Program& program);
void AddImportCommand(cli::Program& program);
void AddPauseCommands(cli::Program& program);
void AddCancelCommand(cli::Program& program);
void AddPriorityCommand(cli::Program& program);
void AddWorkersCommand(cli::Program& program);
void AddDrainCommands(cli::Program& program);

}  // namespace hnx::coordinator
