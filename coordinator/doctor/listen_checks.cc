#include "coordinator/doctor/listen_checks.h"

#include <fmt/format.h>

#include "access/certificate.h"
#include "coordinator/cli/coordinator_client.h"
#include "doctor/port_checks.h"

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

// Shows the coordinator its own certificate: it may refuse that, and has answered then.
bool CoordinatorAnswers(const std::string& address, const access::ServerAccess& access) {
  ClientOptions options;
  options.coordinators = {ClientAddress(address)};
  if (access.tls.has_identity() && !access.tls.ca.empty()) {
    options.access.tls = access.tls;
    const auto contents = access::ReadTlsFiles(access.tls);
    const auto certificate = contents.has_value() ? access::ReadCertificate(contents->cert)
                                                  : Result<access::Certificate>(contents.error());
    if (certificate.has_value() && !certificate->dns_names.empty()) {
      options.access.server_name = certificate->dns_names.front();
    }
  }
  auto client = CoordinatorClient::Create(options);
  if (!client.has_value()) {
    return false;
  }
  const auto status = client->GetStatus();
  return status.has_value() || status.error().code == ErrorCode::kPermissionDenied ||
         status.error().code == ErrorCode::kUnauthenticated;
}

}  // namespace

bool CheckListen(cli::Checkup& checkup, const std::string& address,
                 const access::ServerAccess& access) {
  if (const auto checked = access::CheckServerAccess(access, address); !checked.has_value()) {
    checkup.Fault("access", checked.error().message, "see docs/TLS.md");
  }
  const auto free = doctor::TryToListen(address);
  if (free.has_value()) {
    checkup.Ok("listen", fmt::format("{} is free; no coordinator runs on it", address));
    return false;
  }
  if (CoordinatorAnswers(address, access)) {
    checkup.Ok("listen", fmt::format("a coordinator answers at {}", address));
    return true;
  }
  if (access.tls.has_identity() && access.tls.ca.empty()) {
    checkup.Warn(
        "listen",
        fmt::format("{}: {}; whether a coordinator holds it cannot be told without --tls-ca",
                    address, free.error().message),
        "nothing, if it is the one that is asked about (`ss -ltnp` names it)");
    return false;
  }
  checkup.Fault(
      "listen",
      fmt::format("{}: {}, and no coordinator answers there", address, free.error().message),
      "end what holds the port (`ss -ltnp` names it), or give another --listen");
  return false;
}

}  // namespace hnx::coordinator
