// What a rescan tells when it is done: counts, findings, and what no drive can know, with the
// commands that say it again. Text for people, one JSON object for programs.
#pragma once

#include <iosfwd>

#include <nlohmann/json_fwd.hpp>

#include "coordinator/store/rescan_types.h"

namespace hnx::coordinator {

nlohmann::ordered_json RescanJson(const RescanReport& report);
void PrintRescan(const RescanReport& report, std::ostream& out);
// Something in the index was left out.
bool LeftOut(const RescanReport& report);

}  // namespace hnx::coordinator
