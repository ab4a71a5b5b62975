// Of the `doctor` commands: whether certificates, keys and tokens are what they should be.
#pragma once

#include "access/access_options.h"
#include "access/role.h"
#include "base/clock.h"
#include "cli/checkup.h"

namespace hnx::access {

// A certificate that ends sooner is a warning.
inline constexpr std::chrono::hours kEndsSoon{24 * 14};

// "tls", "tokens"; nothing for a door that stands open. `host`: what callers on other machines
// would call this one.
void CheckServer(cli::Checkup& checkup, const ServerAccess& access, const std::string& host,
                 const Clock& clock);
// "tls", "token". `needed`: roles that the certificate must have.
void CheckClient(cli::Checkup& checkup, const ClientAccess& access, const std::vector<Role>& needed,
                 const Clock& clock);

}  // namespace hnx::access
