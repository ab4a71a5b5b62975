#include "cli/core_dumps.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/check.h"

namespace hnx::cli {

void ForbidCoreDumps() {
  // Neither can fail with these arguments. The limit alone would not do: a core_pattern that is a
  // program gets the dump all the same.
  const rlimit none{0, 0};
  HNX_CHECK(::setrlimit(RLIMIT_CORE, &none) == 0);
  HNX_CHECK(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
}

}  // namespace hnx::cli
