// /status.json and /failures.json. Their form is docs/schemas/status-page.schema.json: a field may
// be added, none changes its meaning while "schema" is the same.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "coordinator/page/overview_service.h"
#include "coordinator/store/pg_overview_store.h"

namespace hnx::coordinator {

inline constexpr int kStatusSchema = 1;

// Without "generated_at_ms", which changes with each look: so equal states are equal texts.
nlohmann::ordered_json StatusJson(const OverviewLook& look);

nlohmann::ordered_json FailuresJson(std::int64_t release, const std::string& prefix,
                                    const FailuresPage& page);

}  // namespace hnx::coordinator
