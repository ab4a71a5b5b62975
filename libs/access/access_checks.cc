#include "access/access_checks.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "access/certificate.h"
#include "access/token.h"

namespace hnx::access {
namespace {

constexpr const char* kRenew =
    "issue another (deploy/tls/make-certificates) and put it in the old one's place: it is read "
    "without a restart";

std::string Day(std::chrono::system_clock::time_point time) {
  return fmt::format("{:%Y-%m-%d %H:%M} UTC",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

// False: a fault was told.
bool CheckTimes(cli::Checkup& checkup, const std::string& flag, const std::string& path,
                const Certificate& certificate, const Clock& clock) {
  const std::chrono::system_clock::time_point now = clock.Wall();
  const std::string what = fmt::format("{} {} ({})", flag, path, certificate.subject);
  if (certificate.not_after <= now) {
    checkup.Fault("tls", fmt::format("{} expired on {}", what, Day(certificate.not_after)), kRenew);
    return false;
  }
  if (certificate.not_before > now) {
    checkup.Fault("tls",
                  fmt::format("{} is not valid before {}", what, Day(certificate.not_before)),
                  "set this machine's clock right, or wait");
    return false;
  }
  if (certificate.not_after - now < kEndsSoon) {
    checkup.Warn("tls", fmt::format("{} expires on {}", what, Day(certificate.not_after)), kRenew);
  }
  return true;
}

// The certificate, if there is one; nothing after a fault.
struct Looked {
  bool well = false;
  std::optional<Certificate> certificate;
  std::string pem;
};
Looked LookAt(cli::Checkup& checkup, const TlsFiles& files, const Clock& clock) {
  Looked looked;
  const auto contents = ReadTlsFiles(files);
  if (!contents.has_value()) {
    checkup.Fault(
        "tls", contents.error().message,
        "correct the file or the flag; deploy/tls/make-certificates makes a set that fits");
    return looked;
  }
  looked.well = true;
  if (!contents->ca.empty()) {
    const auto authority = ReadCertificate(contents->ca);
    looked.well =
        authority.has_value() && CheckTimes(checkup, "--tls-ca", files.ca, *authority, clock);
  }
  if (!contents->cert.empty()) {
    looked.pem = contents->cert;
    if (auto certificate = ReadCertificate(contents->cert); certificate.has_value()) {
      looked.certificate = *std::move(certificate);
      looked.well =
          CheckTimes(checkup, "--tls-cert", files.cert, *looked.certificate, clock) && looked.well;
    }
  }
  return looked;
}

}  // namespace

void CheckServer(cli::Checkup& checkup, const ServerAccess& access, const std::string& host,
                 const Clock& clock) {
  if (access.tls.has_identity()) {
    const Looked looked = LookAt(checkup, access.tls, clock);
    if (looked.certificate) {
      const Certificate& certificate = *looked.certificate;
      if (certificate.dns_names.empty() && certificate.ip_addresses.empty()) {
        checkup.Fault(
            "tls",
            fmt::format("--tls-cert {} has no subject alternative name: no caller believes "
                        "it",
                        access.tls.cert),
            "issue one with the names and addresses that callers have in --coordinator");
      } else if (!CertificateIsFor(looked.pem, host)) {
        checkup.Warn("tls",
                     fmt::format("--tls-cert {} is not for {}, this machine's name: it is for {}",
                                 access.tls.cert, host,
                                 fmt::join(certificate.dns_names.empty() ? certificate.ip_addresses
                                                                         : certificate.dns_names,
                                           ", ")),
                     "nothing, if callers name one of those in --coordinator or --tls-server-name");
      } else if (looked.well) {
        checkup.Ok("tls", fmt::format("--tls-cert {} is for {}, until {}", access.tls.cert, host,
                                      Day(certificate.not_after)));
      }
    }
  }
  if (!access.tokens_file.empty()) {
    const auto table = TokenTable::Open(access.tokens_file, clock);
    if (table.has_value()) {
      checkup.Ok("tokens", fmt::format("--tokens-file {} is well-formed", access.tokens_file));
    } else {
      checkup.Fault("tokens", table.error().message,
                    "correct the file; `coordinator make-token ROLE NAME` prints a line for it");
    }
  }
}

void CheckClient(cli::Checkup& checkup, const ClientAccess& access, const std::vector<Role>& needed,
                 const Clock& clock) {
  if (access.tls.any()) {
    const Looked looked = LookAt(checkup, access.tls, clock);
    if (looked.certificate && access.token_file.empty()) {
      const auto identity = IdentityOfUris(looked.certificate->uris);
      Roles missing;
      for (const Role role : needed) {
        if (!identity.has_value() || !identity->roles.Has(role)) {
          missing.Add(role);
        }
      }
      if (!missing.empty()) {
        checkup.Fault(
            "tls",
            fmt::format("--tls-cert {} does not say that its owner is {}: {}", access.tls.cert,
                        RolesText(missing),
                        identity.has_value() ? "its roles are " + RolesText(identity->roles)
                                             : identity.error().message),
            "issue one with hypercore-nixos:ROLE:NAME among its names "
            "(deploy/tls/make-certificates)");
      } else if (looked.well) {
        checkup.Ok("tls", fmt::format("--tls-cert {} is {}'s, until {}", access.tls.cert,
                                      identity->name, Day(looked.certificate->not_after)));
      }
    } else if (looked.well) {
      checkup.Ok("tls", fmt::format("--tls-ca {} can be read", access.tls.ca));
    }
  }
  if (!access.token_file.empty()) {
    const auto token = ReadTokenFile(access.token_file);
    if (token.has_value()) {
      checkup.Ok("token", fmt::format("--token-file {} can be read", access.token_file));
    } else {
      checkup.Fault("token", token.error().message,
                    "correct the file; `coordinator make-token ROLE NAME` makes a token");
    }
  }
}

}  // namespace hnx::access
