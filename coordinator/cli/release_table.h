// Releases as rows: `coordinator releases` and `coordinator status`.
#pragma once

#include "cli/table.h"
#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {

cli::Table ReleaseTable();
void AddRelease(const hypercore_nixos::v1::Release& release, cli::Table& table);

}  // namespace hnx::coordinator
