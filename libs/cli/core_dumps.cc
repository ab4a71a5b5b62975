#include "cli/core_dumps.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/check.h"
#include "cli/option.h"

namespace hnx::cli {

void AddCoreDumps(CLI::App& app, bool& allowed, const std::string& held) {
  AddFlag(app, "--core-dumps", allowed,
          "Let a crash leave a core dump and debuggers attach; it holds " + held);
}

void ForbidCoreDumps() {
  // Neither can fail with these arguments. The limit alone would not do: a core_pattern that is a
  // program gets the dump all the same.
  const rlimit none{0, 0};
  HNX_CHECK(::setrlimit(RLIMIT_CORE, &none) == 0);
  HNX_CHECK(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
}

}  // namespace hnx::cli
