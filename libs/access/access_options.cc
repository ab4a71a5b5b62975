#include "access/access_options.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include "cli/option.h"

namespace hnx::access {
namespace {

Result<void> CheckPair(const TlsFiles& tls) {
  if (tls.cert.empty() != tls.key.empty()) {
    return InvalidArgument(fmt::format("{} without {}: a certificate and its key go together",
                                       tls.key.empty() ? "--tls-cert" : "--tls-key",
                                       tls.key.empty() ? "--tls-key" : "--tls-cert"));
  }
  return {};
}

}  // namespace

void AddServerAccess(CLI::App& command, ServerAccess& access) {
  cli::AddOption(command, "--tls-cert", access.tls.cert,
                 "PEM certificate of this coordinator: --listen speaks TLS only (docs/TLS.md). The "
                 "three files are read again when they change");
  cli::AddOption(command, "--tls-key", access.tls.key,
                 "PEM private key of --tls-cert; nobody else may read the file");
  cli::AddOption(command, "--tls-ca", access.tls.ca,
                 "PEM certificates of the authorities whose certificates let workers, gateways, "
                 "operators and viewers in");
  cli::AddOption(command, "--tokens-file", access.tokens_file,
                 "Tokens that let in, a line each: ROLE NAME SHA256 (see make-token); read again "
                 "when it changes");
  cli::AddFlag(command, "--insecure", access.insecure,
               "Listen without TLS on an address that others reach: whoever does may do anything");
  cli::AddDuration(
      command, "--connection-age", access.connection_age,
      "A connection over TLS ends after so long, what is under way on it after as long "
      "again, so that nobody stays in whose certificate has expired or whose "
      "authority is gone; who is let in comes back by himself");
}

void AddClientAccess(CLI::App& command, ClientAccess& access) {
  cli::AddOption(command, "--tls-ca", access.tls.ca,
                 "PEM certificates of the authorities that are believed of the coordinator: speak "
                 "TLS to it (docs/TLS.md)");
  cli::AddOption(command, "--tls-cert", access.tls.cert,
                 "PEM certificate that says who calls, and in which role");
  cli::AddOption(command, "--tls-key", access.tls.key,
                 "PEM private key of --tls-cert; nobody else may read the file");
  cli::AddOption(command, "--tls-server-name", access.server_name,
                 "Name that the coordinator's certificate must have, if it is not the host of "
                 "--coordinator");
  cli::AddOption(command, "--token-file", access.token_file,
                 "File with a token that says who calls, instead of --tls-cert; nobody else may "
                 "read it");
}

bool IsLoopback(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    constexpr unsigned kLoopbackNet = 127;
    constexpr unsigned kNetShift = 24;
    return ntohl(v4.s_addr) >> kNetShift == kLoopbackNet;
  }
  return host == "::1" || host == "localhost";
}

Result<void> CheckServerAccess(const ServerAccess& access, const std::string& listen) {
  HNX_TRY(CheckPair(access.tls));
  if (access.tls.has_identity()) {
    if (access.insecure) {
      return InvalidArgument("--insecure and --tls-cert contradict each other: leave one out");
    }
    if (access.tls.ca.empty() && access.tokens_file.empty()) {
      return InvalidArgument(
          "--tls-cert without --tls-ca and --tokens-file: nobody could come in; give --tls-ca FILE "
          "with the authority of the callers' certificates, or --tokens-file FILE");
    }
    return {};
  }
  if (!access.tls.ca.empty()) {
    return InvalidArgument("--tls-ca without --tls-cert and --tls-key: give those as well");
  }
  if (IsLoopback(listen)) {
    return {};
  }
  if (!access.tokens_file.empty()) {
    return InvalidArgument(
        fmt::format("--tokens-file with --listen {}: tokens would be readable on their way; give "
                    "--tls-cert and --tls-key, or listen on 127.0.0.1",
                    listen));
  }
  if (!access.insecure) {
    return InvalidArgument(fmt::format(
        "--listen {} would let everybody in who reaches it. Give --tls-cert, --tls-key and "
        "--tls-ca "
        "(deploy/tls/make-certificates makes them; docs/TLS.md), or listen on this machine only "
        "(--listen 127.0.0.1:PORT), or say --insecure if a network of its own guards it",
        listen));
  }
  return {};
}

Result<void> CheckClientAccess(const ClientAccess& access,
                               const std::vector<std::string>& endpoints) {
  HNX_TRY(CheckPair(access.tls));
  if (access.encrypts()) {
    return {};
  }
  if (access.tls.has_identity()) {
    return InvalidArgument(
        "--tls-cert without --tls-ca: give the authority of the coordinator's certificate");
  }
  if (!access.server_name.empty()) {
    return InvalidArgument("--tls-server-name without --tls-ca: without TLS no name is looked at");
  }
  for (const std::string& endpoint : endpoints) {
    if (!access.token_file.empty() && !IsLoopback(endpoint)) {
      return InvalidArgument(fmt::format(
          "--token-file without --tls-ca: the token would be readable on its way to {}", endpoint));
    }
  }
  return {};
}

}  // namespace hnx::access
