// Of the `doctor` commands: whether a port that a program listens on is free.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/checkup.h"

namespace hnx::doctor {

// Listens there for a moment. An Error as the program itself would tell it.
Result<void> TryToListen(const std::string& address);

// Adds `check`, which is also the flag's name without its dashes; nothing for no address.
// `holder`: the program that runs and may hold it, "a worker"; empty: none does.
void CheckPort(cli::Checkup& checkup, const std::string& check, const std::string& address,
               const std::string& holder);

}  // namespace hnx::doctor
