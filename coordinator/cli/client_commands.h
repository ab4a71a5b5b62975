// The commands of `coordinator` that are clients of a running coordinator: submit, plan, status,
// watch, failures, why, import, releases, diff, pause, drain, ... One file each; what they share is
// in coordinator_client, selection and release_*.
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
void AddShardsCommand(cli::Program& program);
void AddJobsCommand(cli::Program& program);
void AddDrainCommands(cli::Program& program);
void AddForgetCommand(cli::Program& program);
void AddScrubCommand(cli::Program& program);
void AddReleasesCommand(cli::Program& program);
void AddDiffCommand(cli::Program& program);
void AddManifestCommand(cli::Program& program);
void AddPinCommand(cli::Program& program);
void AddUnpinCommand(cli::Program& program);
void AddFollowCommand(cli::Program& program);
void AddUnfollowCommand(cli::Program& program);
void AddRetentionCommand(cli::Program& program);
void AddGcCommand(cli::Program& program);
void AddAuditCommand(cli::Program& program);

}  // namespace hnx::coordinator
