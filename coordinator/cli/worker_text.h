// What people read about workers.
#pragma once

#include <string>

#include "cli/table.h"
#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {

cli::Table WorkerTable();
void AddWorker(const hypercore_nixos::v1::WorkerStatus& worker, cli::Table& table);
// "drained: it may be removed", or why not yet. Of one that is draining.
std::string DrainText(const hypercore_nixos::v1::WorkerStatus& worker);

}  // namespace hnx::coordinator
