#include "cli/json_text.h"

#include <nlohmann/json.hpp>

namespace hnx::cli {

std::string JsonLine(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace hnx::cli
