// The flags of the door, one name each in all programs, and what they say together.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "access/tls_files.h"
#include "base/result.h"

namespace hnx::access {

// Of one that listens: --tls-cert, --tls-key, --tls-ca, --tokens-file, --insecure,
// --connection-age.
struct ServerAccess {
  TlsFiles tls{};
  std::string tokens_file{};
  bool insecure = false;
  // Of one with TLS; calls that are under way get as long again.
  std::chrono::milliseconds connection_age{std::chrono::hours{1}};

  // Nobody is asked who he is.
  bool open() const { return !tls.has_identity() && tokens_file.empty(); }
};

// Of one that calls: --tls-cert, --tls-key, --tls-ca, --tls-server-name, --token-file.
struct ClientAccess {
  TlsFiles tls{};
  std::string server_name{};
  std::string token_file{};

  bool encrypts() const { return !tls.ca.empty(); }
};

void AddServerAccess(CLI::App& command, ServerAccess& access);
void AddClientAccess(CLI::App& command, ClientAccess& access);

// "127.0.0.1:7070", "127.8.8.8:1", "[::1]:7070", "localhost:7070".
bool IsLoopback(const std::string& address);

// kInvalidArgument: half a set was given, they contradict each other, or the door would stand open
// to a network; says the ways out.
Result<void> CheckServerAccess(const ServerAccess& access, const std::string& listen);
// `endpoints`: HOST:PORT each. kInvalidArgument: half a set was given, or a token would go readable
// over a network.
Result<void> CheckClientAccess(const ClientAccess& access,
                               const std::vector<std::string>& endpoints);

}  // namespace hnx::access
