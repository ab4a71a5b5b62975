#include "coordinator/database/open_database.h"

#include <filesystem>
#include <utility>

namespace hnx::coordinator {

Result<Database> OpenDatabase(const std::string& uri, const std::string& data) {
  if (!uri.empty()) {
    return Database{.postgres = nullptr, .uri = uri};
  }
  HNX_ASSIGN_OR_RETURN(auto postgres, PrivatePostgres::Start(
                                          {.directory = std::filesystem::path(data) / "postgres"}));
  std::string connection = postgres->connection_string();
  return Database{.postgres = std::move(postgres), .uri = std::move(connection)};
}

}  // namespace hnx::coordinator
