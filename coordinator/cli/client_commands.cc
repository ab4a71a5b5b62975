#include "coordinator/cli/client_commands.h"

namespace hnx::coordinator {

void AddClientCommands(cli::Program& program) {
  AddSubmitCommand(program);
  AddPlanCommand(program);
  AddStatusCommand(program);
  AddWatchCommand(program);
  AddFailuresCommand(program);
  AddWhyCommand(program);
  AddImportCommand(program);
  AddPauseCommands(program);
  AddCancelCommand(program);
  AddPriorityCommand(program);
  AddWorkersCommand(program);
  AddShardsCommand(program);
  AddJobsCommand(program);
  AddDrainCommands(program);
  AddForgetCommand(program);
  AddScrubCommand(program);
  AddReleasesCommand(program);
  AddDiffCommand(program);
  AddManifestCommand(program);
  AddPinCommand(program);
  AddUnpinCommand(program);
  AddFollowCommand(program);
  AddUnfollowCommand(program);
  AddRetentionCommand(program);
  AddGcCommand(program);
  AddAuditCommand(program);
}

}  // namespace hnx::coordinator
