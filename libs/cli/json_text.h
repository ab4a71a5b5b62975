// JSON for --json: one line, never throws; bytes that are not UTF-8 become U+FFFD.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace hnx::cli {

std::string JsonLine(const nlohmann::ordered_json& value);

}  // namespace hnx::cli
