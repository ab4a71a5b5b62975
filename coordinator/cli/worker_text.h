// What people read about a worker.
#pragma once

#include <string>

#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {

// One line, and further ones below it for a worker that is held or drained; each ends with a
// newline.
std::string WorkerText(const hypercore_nixos::v1::WorkerStatus& worker);
// What is still to happen before a draining worker may be removed: one sentence.
std::string DrainText(const hypercore_nixos::v1::WorkerStatus& worker);

}  // namespace hnx::coordinator
