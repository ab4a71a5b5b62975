// Who an operator is, as far as it is known, and what the audit has kept.
#pragma once

#include <cstdint>
#include <string>

namespace hnx::coordinator {

// Who asked for something. Without a peer it is this program itself, and nothing is recorded.
struct Caller {
  // "NAME (user@host)": what its certificate or token proves, and what the client says of itself;
  // the latter alone if nothing is proven.
  std::string who{};
  std::string peer{};  // where the call came from
};

struct AuditView {
  std::int64_t id = 0;
  std::int64_t at_ms = 0;
  std::string who;
  std::string peer;
  std::string operation;  // the command's word: "submit", "pause"
  std::string object;     // what it was done to: "release 3 (nixos-unstable)"
  std::string decision;   // with reasons and numbers
};

}  // namespace hnx::coordinator
