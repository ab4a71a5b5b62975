#include "doctor/port_checks.h"

#include <fmt/format.h>

#include "http/listen_socket.h"

namespace hnx::doctor {

Result<void> TryToListen(const std::string& address) {
  HNX_ASSIGN_OR_RETURN(const http::HostAndPort where, http::ParseListenAddress(address));
  HNX_TRY(http::Listen(where));
  return {};
}

void CheckPort(cli::Checkup& checkup, const std::string& check, const std::string& address,
               const std::string& holder) {
  if (address.empty()) {
    return;
  }
  const auto free = TryToListen(address);
  if (free.has_value()) {
    checkup.Ok(check, fmt::format("{} is free", address));
  } else if (!holder.empty() && free.error().code != ErrorCode::kInvalidArgument) {
    checkup.Ok(check, fmt::format("{} is in use, and {} runs", address, holder));
  } else {
    checkup.Fault(
        check, fmt::format("{}: {}", address, free.error().message),
        fmt::format("end what holds the port (`ss -ltnp` names it), or give another --{}", check));
  }
}

}  // namespace hnx::doctor
