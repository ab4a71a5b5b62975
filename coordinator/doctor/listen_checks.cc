#include "coordinator/doctor/listen_checks.h"

#include <fmt/format.h>

#include "coordinator/cli/coordinator_client.h"
#include "http/listen_socket.h"

namespace hnx::coordinator {
namespace {

// Where a client on this machine finds what listens there.
std::string ClientAddress(const std::string& address) {
  for (const std::string_view all : {"0.0.0.0:", "[::]:"}) {
    if (address.starts_with(all)) {
      return "127.0.0.1:" + address.substr(all.size());
    }
  }
  return address;
}

bool CoordinatorAnswers(const std::string& address) {
  ClientOptions options;
  options.coordinators = {ClientAddress(address)};
  auto client = CoordinatorClient::Create(options);
  return client.has_value() && client->GetStatus().has_value();
}

// What is wrong with it; an Error as --listen of serve would tell it.
Result<void> TryToListen(const std::string& address) {
  HNX_ASSIGN_OR_RETURN(const http::HostAndPort where, http::ParseListenAddress(address));
  HNX_TRY(http::Listen(where));
  return {};
}

}  // namespace

bool CheckListen(cli::Checkup& checkup, const std::string& address) {
  const auto free = TryToListen(address);
  if (free.has_value()) {
    checkup.Ok("listen", fmt::format("{} is free; no coordinator runs on it", address));
    return false;
  }
  if (CoordinatorAnswers(address)) {
    checkup.Ok("listen", fmt::format("a coordinator answers at {}", address));
    return true;
  }
  checkup.Fault(
      "listen",
      fmt::format("{}: {}, and no coordinator answers there", address, free.error().message),
      "end what holds the port (`ss -ltnp` names it), or give another --listen");
  return false;
}

void CheckListenHttp(cli::Checkup& checkup, const std::string& address, bool coordinator_runs) {
  const auto free = TryToListen(address);
  if (free.has_value()) {
    checkup.Ok("listen-http", fmt::format("{} is free", address));
  } else if (coordinator_runs) {
    checkup.Ok("listen-http", fmt::format("{} is in use, and a coordinator runs", address));
  } else {
    checkup.Fault("listen-http", fmt::format("{}: {}", address, free.error().message),
                  "end what holds the port (`ss -ltnp` names it), or give another --listen-http");
  }
}

}  // namespace hnx::coordinator
