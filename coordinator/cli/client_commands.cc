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
  AddDrainCommands(program);
}

}  // namespace hnx::coordinator
