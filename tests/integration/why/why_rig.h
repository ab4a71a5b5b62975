// What `coordinator why --json` says of paths, without the call in between. Everything that is said
// is held against docs/schemas/coordinator-why.schema.json when all tests are over.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "store_rig.h"

namespace hnx::test {

nlohmann::json WhyOf(StoreRig& rig, int path);

// The state is that, and so is the situation; what is said about it contains `words`.
void ExpectWhy(const nlohmann::json& why, const std::string& state, const std::string& situation,
               const std::string& words);

}  // namespace hnx::test
